// The frame around the views: brand, navigation, account, theme, the person's menu, the sign of live data.

import { api } from './api.js';
import { fill, h } from './dom.js';
import { liveState } from './live.js';
import { can, chooseAccount, forget, inAccount, link, session } from './session.js';
import { chooseTheme, chosenTheme } from './theme.js';
import { icon, mark, showError } from './ui.js';

const AREAS = [
  ['overview', 'Overview', ''],
  ['traffic', 'Traffic', 'traffic'],
  ['explore', 'Explore', 'explore'],
  ['admin', 'Admin', 'admin'],
];
const THEMES = [['auto', 'As the system', 'auto'], ['light', 'Light', 'sun'], ['dark', 'Dark', 'moon']];
const LIVE = {
  live: ['Live', 'Values arrive as they are measured.'],
  connecting: ['Reconnecting', 'The connection to the hub is interrupted. It is tried again by itself.'],
  off: ['Not live', 'Nothing on this view is live.'],
};

/** Everybody sees the administration's own part; what is in it depends on what they may do. */
const mayAdminister = () => ['sensors', 'credentials', 'bots'].some((kind) => can('GET', inAccount(kind))) || can('GET', 'persons');

export function showShell(area, onAccount) {
  const top = document.getElementById('top');
  const bottom = document.getElementById('bottom');
  const inside = session.person !== null && area !== 'public';
  document.body.classList.toggle('outside', !inside);
  bottom.hidden = !inside;
  if (!inside) {
    fill(top, h('a.brand', { href: '#/' }, mark(), 'Grafolean'), h('span.spacer'), themeButton());
    return;
  }
  const entries = AREAS.filter(([key]) => key !== 'admin' || mayAdminister());
  const links = () => entries.map(([key, text, path]) =>
    h('a', { href: link(path), 'aria-current': area === key ? 'page' : null }, icon(key), h('span', text)));
  fill(top,
    h('a.brand', { href: link(''), 'aria-label': 'Grafolean, to the overview' }, mark(), h('span', 'Grafolean')),
    h('nav.main-nav', { 'aria-label': 'Views' }, links()),
    h('span.spacer'), liveSign(), accountSwitch(onAccount), themeButton(), personMenu());
  fill(bottom, links());
}

function liveSign() {
  const word = h('span');
  const sign = h('span.live-sign', { role: 'status' }, h('i.live-dot', { 'aria-hidden': 'true' }), word);
  const show = () => {
    if (!sign.isConnected && sign.dataset.state) return liveState.removeEventListener('change', show);
    const [text, help] = LIVE[liveState.state];
    sign.dataset.state = liveState.state;
    word.textContent = text;
    sign.title = help;
    return undefined;
  };
  liveState.addEventListener('change', show);
  show();
  return sign;
}

function accountSwitch(onAccount) {
  if (session.accounts.length < 2) return null;
  return h('label.account-switch', h('span.sr', 'Account'),
    h('select', { onchange: (event) => { if (chooseAccount(event.target.value)) onAccount(); } },
      session.accounts.map(({ id, name }) => h('option', { value: id, selected: id === session.account?.id }, name))));
}

/** A button with a list below it. Closed by Escape, by a click elsewhere, and by a choice. */
function menu(label, face, items) {
  const list = h('div.menu-list', { role: 'menu', hidden: true }, items);
  const opener = h('button.button.quiet.icon-only', { type: 'button', 'aria-haspopup': 'menu', 'aria-expanded': 'false', 'aria-label': label, title: label }, face);
  const wrap = h('div.menu', opener, list);
  const set = (open) => {
    list.hidden = !open;
    opener.setAttribute('aria-expanded', String(open));
    if (open) list.querySelector('[role^=menuitem]')?.focus();
  };
  opener.addEventListener('click', () => set(list.hidden));
  wrap.addEventListener('keydown', (event) => {
    const entries = [...list.querySelectorAll('[role^=menuitem]')];
    const at = entries.indexOf(document.activeElement);
    if (event.key === 'Escape') { set(false); opener.focus(); }
    else if (event.key === 'ArrowDown') { event.preventDefault(); if (list.hidden) set(true); else entries[(at + 1) % entries.length].focus(); }
    else if (event.key === 'ArrowUp') { event.preventDefault(); entries[(at - 1 + entries.length) % entries.length].focus(); }
  });
  wrap.addEventListener('focusout', (event) => { if (!wrap.contains(event.relatedTarget)) set(false); });
  list.addEventListener('click', (event) => { if (event.target.closest('[role^=menuitem]')) { set(false); opener.focus(); } });
  return wrap;
}

function themeButton() {
  const current = chosenTheme();
  const face = h('span.icon-holder', icon(THEMES.find(([key]) => key === current)[2]));
  const items = THEMES.map(([key, text, picture]) => h('button', {
    type: 'button', role: 'menuitemradio', 'aria-checked': String(key === current), onclick: (event) => {
      chooseTheme(key);
      fill(face, icon(picture));
      for (const item of event.currentTarget.parentNode.children) item.setAttribute('aria-checked', String(item === event.currentTarget));
    },
  }, icon(picture), text));
  return menu('Colours', face, items);
}

function personMenu() {
  const { username, name } = session.person;
  return menu(`Logged in as ${username}`, icon('user'), [
    h('div.menu-head', h('strong', name || username), name && name !== username ? h('span.dim', username) : null),
    h('a', { role: 'menuitem', href: link('profile') }, icon('user'), 'Profile and password'),
    h('button', { type: 'button', role: 'menuitem', onclick: logOut }, icon('right'), 'Log out'),
  ]);
}

async function logOut() {
  try {
    await api.post('auth/logout', undefined, { quiet: true });
  } catch (error) {
    if (error.status !== 401) return showError(error);
  }
  forget();
  location.hash = '#/login';
  return undefined;
}
