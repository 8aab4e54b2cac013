// The beginning: who is there, then the view of the address.

import { AWAY, sessionEnded } from './api.js';
import { fill } from './dom.js';
import { close as closeLive } from './live.js';
import { arrive, isPublic, parse, render, whenBack } from './router.js';
import { forget, load, session } from './session.js';
import { showShell } from './shell.js';
import { applyTheme } from './theme.js';
import { failure } from './ui.js';

const onArea = (area) => showShell(area, () => {
  // Another account: what is shown belongs to the last one.
  const { path, query } = parse();
  query.delete('a');
  if (/^device\//.test(path)) location.hash = '#/';
  else {
    history.replaceState(null, '', `#/${path}`);
    show();
  }
});

async function show() {
  if (!session.person && !isPublic()) {
    if (!(await enter())) return;
  }
  await render(onArea);
}

let waiting = null;

/** Whether somebody is logged in; if not, they are asked to, and come back afterwards. */
async function enter() {
  waiting?.abort();
  try {
    await load();
    return true;
  } catch (error) {
    if (error.status === 401) {
      askToLogIn();
    } else {
      onArea('public');
      fill(document.getElementById('main'), failure(error.status === 0 ? { status: 0, message: `${AWAY} This page tries again by itself.` } : error, show));
      waiting = new AbortController();
      if (error.status === 0) whenBack(show, waiting.signal);
    }
    return false;
  }
}

function askToLogIn() {
  forget();
  closeLive();
  const here = location.hash;
  const next = here && !isPublic() && here !== '#/' ? `?next=${encodeURIComponent(here)}` : '';
  location.replace(`#/login${next}`);
}

sessionEnded.addEventListener('ended', () => { if (!isPublic()) askToLogIn(); });
window.addEventListener('hashchange', async () => {
  await show();
  arrive();
});
document.querySelector('.skip').addEventListener('click', (event) => {
  // The hash is the router's.
  event.preventDefault();
  document.getElementById('main').focus();
});

applyTheme();
show();
