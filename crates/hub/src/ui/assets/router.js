// From the address to a view. A view is a module with `show(context)`; it is loaded when it is first needed.

import { api, ApiError, AWAY } from './api.js';
import { every, fill } from './dom.js';
import { chooseAccount } from './session.js';
import { failure, loading } from './ui.js';

const ROUTES = [
  [/^$/, () => import('./views/overview.js'), 'overview'],
  [/^device\/new$/, () => import('./views/device_edit.js'), 'overview'],
  [/^device\/(?<id>\d+)\/edit$/, () => import('./views/device_edit.js'), 'overview'],
  [/^device\/(?<id>\d+)$/, () => import('./views/device.js'), 'overview'],
  [/^traffic$/, () => import('./views/traffic.js'), 'traffic'],
  [/^explore$/, () => import('./views/explore.js'), 'explore'],
  [/^admin(?:\/(?<section>[a-z]+))?(?:\/(?<id>\d+|new))?$/, () => import('./views/admin/index.js'), 'admin'],
  [/^profile$/, () => import('./views/profile.js'), 'profile'],
  [/^login$/, () => import('./views/login.js'), 'public'],
  [/^setup(?:\/(?<token>[^/]+))?$/, () => import('./views/setup.js'), 'public'],
];

/** A hub that is away is asked again so often. */
const AGAIN = 3000;
let leaving = null;

/** `#/device/5?last=3600` as its path, `device/5`, and its parameters. */
export function parse(hash = location.hash) {
  const [path, search = ''] = hash.replace(/^#\/?/, '').split('?');
  return { path: path.replace(/\/$/, ''), query: new URLSearchParams(search) };
}

export const go = (hash) => {
  if (location.hash === hash) window.dispatchEvent(new HashChangeEvent('hashchange'));
  else location.hash = hash;
};

/** Another address for what is shown now: it is not shown anew. */
export function replaceQuery(query) {
  const { path } = parse();
  const text = query.toString();
  history.replaceState(null, '', `#/${path}${text ? `?${text}` : ''}`);
}

/** Whether the view of the current address is for those who are not logged in. */
export const isPublic = () => find(parse().path)?.area === 'public';

function find(path) {
  for (const [pattern, load, area] of ROUTES) {
    const match = pattern.exec(path);
    if (match) return { load, area, params: match.groups ?? {} };
  }
  return null;
}

/** Shows the view of the current address; `onArea` hears which part of the page it belongs to. */
export async function render(onArea) {
  leaving?.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const main = document.getElementById('main');
  const { path, query } = parse();
  const found = find(path);
  // Before anything is drawn: what stands around the view links to the account, too.
  if (query.has('a') && found && found.area !== 'public') chooseAccount(query.get('a'));
  onArea(found?.area ?? 'overview');
  main.className = '';
  if (!found) {
    document.title = 'Not found · Grafolean';
    fill(main, failure({ status: 404, message: 'There is no such page. Perhaps the link is old.' }));
    return;
  }
  const context = {
    main, signal, query, params: found.params, path,
    title(...parts) {
      document.title = [...parts, 'Grafolean'].join(' · ');
    },
  };
  // What is open belongs to the view that is left.
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  const before = main.firstChild;
  const slow = setTimeout(() => { if (!signal.aborted && main.firstChild === before) fill(main, loading()); }, 150);
  try {
    const view = await found.load();
    if (signal.aborted) return;
    await view.show(context);
  } catch (error) {
    if (error.name === 'AbortError' || signal.aborted || error.status === 401) return;
    const again = () => render(onArea);
    // A view whose code could not be fetched, too.
    if (error.status === 0 || (error instanceof TypeError && /module/i.test(error.message))) {
      fill(main, failure(new ApiError(0, `${AWAY} This page tries again by itself.`), again));
      whenBack(again, signal);
      return;
    }
    if (!error.status && error.name !== 'ApiError') console.error(error);
    fill(main, failure(error, again));
  } finally {
    clearTimeout(slow);
  }
}

/** Does it `again` when the hub answers, unless `signal` ends that. */
export function whenBack(again, signal) {
  every(AGAIN, () => api.get('status/info', { quiet: true, signal }).then(again, () => {}), signal);
}

/** After an address has changed: the new view is read from its beginning, by eyes and by screen readers. */
export function arrive() {
  window.scrollTo(0, 0);
  const main = document.getElementById('main');
  // A view that has chosen its own field keeps it.
  if (!main.contains(document.activeElement) || document.activeElement === main) main.focus({ preventScroll: true });
}

