// What all views are made of: messages, dialogs, icons, states, small pieces.

import { fill, h, svg, uid } from './dom.js';

const ICONS = {
  overview: 'M4 5h16M4 12h16M4 19h16M4 5h.01M4 12h.01M4 19h.01',
  traffic: 'M4 20V10M10 20V4M16 20v-7M21 20H3',
  explore: 'M3 17l5-6 4 3 8-9M15 5h5v5',
  admin: 'M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM12 2v3M12 19v3M2 12h3M19 12h3M4.9 4.9 7 7M17 17l2.1 2.1M4.9 19.1 7 17M17 7l2.1-2.1',
  plus: 'M12 5v14M5 12h14',
  edit: 'M4 20h4L19 9l-4-4L4 16zM13 7l4 4',
  trash: 'M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v6M14 11v6',
  close: 'M6 6l12 12M18 6 6 18',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  check: 'M5 12l5 5 9-11',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l5 5',
  left: 'M15 5l-7 7 7 7',
  right: 'M9 5l7 7-7 7',
  down: 'M5 9l7 7 7-7',
  back: 'M20 12H4M10 6l-6 6 6 6',
  sun: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5 19 19M5 19l1.5-1.5M17.5 6.5 19 5',
  moon: 'M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10z',
  auto: 'M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18',
  user: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c1-5 4-7 8-7s7 2 8 7',
  key: 'M8 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 12h9M18 12v4M15 12v3',
  warning: 'M12 4 2.5 20h19zM12 10v5M12 17.5v.01',
  info: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v6M12 7.5v.01',
  zoomIn: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l5 5M11 8v6M8 11h6',
  zoomOut: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l5 5M8 11h6',
  share: 'M9 15l6-6M10 7l2-2a4 4 0 0 1 6 6l-2 2M14 17l-2 2a4 4 0 0 1-6-6l2-2',
};

export function icon(name) {
  const path = svg('path', { d: ICONS[name] ?? '', fill: 'none', stroke: 'currentColor', 'stroke-width': 1.8, 'stroke-linecap': 'round', 'stroke-linejoin': 'round' });
  return svg('svg', { class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true' }, path);
}

/** The mark of the product: three bars and a line. */
export function mark() {
  return svg('svg', { class: 'mark', viewBox: '0 0 32 32', 'aria-hidden': 'true' },
    svg('rect', { x: 1, y: 1, width: 30, height: 30, rx: 8, class: 'mark-ground' }),
    svg('path', { d: 'M6 21 L12 13 L17 18 L26 8', class: 'mark-line' }),
    svg('circle', { cx: 26, cy: 8, r: 2.6, class: 'mark-dot' }));
}

/** Each state has a colour, a shape and a word: none of them alone has to be seen. */
export const STATES = {
  down: { rank: 0, word: 'Down', shape: 'M8 1.5 14.5 8 8 14.5 1.5 8zM8 5v3.4M8 10.8v.01' },
  warning: { rank: 1, word: 'Warning', shape: 'M8 2 15 14H1zM8 6.5v3.5M8 12v.01' },
  unknown: { rank: 2, word: 'Unknown', shape: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12z' },
  ok: { rank: 3, word: 'OK', shape: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM5.2 8.2l2 2 3.6-4.2' },
  off: { rank: 4, word: 'Off', shape: 'M3 8h10' },
};
export const stateOf = (name) => STATES[name] ?? STATES.unknown;

export function stateIcon(name, title = true) {
  const { shape, word } = stateOf(name);
  const path = svg('path', { d: shape });
  const picture = svg('svg', { class: `state-icon state-${name}`, viewBox: '0 0 16 16', role: title ? 'img' : null, 'aria-label': title ? word : null, 'aria-hidden': title ? null : 'true' }, path);
  return picture;
}

export function setStateIcon(picture, name) {
  const { shape, word } = stateOf(name);
  picture.setAttribute('class', `state-icon state-${name}`);
  picture.firstChild.setAttribute('d', shape);
  if (picture.hasAttribute('aria-label')) picture.setAttribute('aria-label', word);
}

export function button(label, onclick, { kind = '', icon: name, title, ...rest } = {}) {
  const iconOnly = !label;
  return h(`button.button${kind ? `.${kind}` : ''}${iconOnly ? '.icon-only' : ''}`,
    { type: 'button', onclick, title: title ?? null, 'aria-label': iconOnly ? title : null, ...rest },
    name ? icon(name) : null, label || null);
}

export function linkButton(label, href, { kind = '', icon: name, ...rest } = {}) {
  return h(`a.button${kind ? `.${kind}` : ''}`, { href, ...rest }, name ? icon(name) : null, label);
}

// --- messages ---------------------------------------------------------------------------------------------------

const TOAST_TIME = 6000;
let toasts = null;

/** A short message; errors stay until they are closed. */
export function toast(text, { kind = 'info' } = {}) {
  toasts ??= document.getElementById('toasts');
  const entry = h(`div.toast.${kind}`, { role: kind === 'error' ? 'alert' : null }, icon(kind === 'error' ? 'warning' : 'check'), h('span', text),
    h('button.toast-close', { type: 'button', 'aria-label': 'Close this message', onclick: () => entry.remove() }, icon('close')));
  toasts.append(entry);
  while (toasts.children.length > 4) toasts.firstChild.remove();
  if (kind !== 'error') setTimeout(() => entry.remove(), TOAST_TIME);
}

/** Shows what a failed action failed with, unless it was only given up. */
export function showError(error) {
  if (error?.name === 'AbortError') return;
  if (error?.status === 401) return; // the login page says it
  if (!error?.status && error?.name !== 'ApiError') console.error(error);
  toast(error?.message ?? String(error), { kind: 'error' });
}

/** Something to read in place of content: what is missing and what to do. */
export function empty(title, text, ...actions) {
  return h('div.empty', h('h2', title), text ? h('p', text) : null, actions.length ? h('div.actions', actions) : null);
}

export function notice(kind, ...content) {
  return h(`div.notice.${kind}`, { role: kind === 'error' ? 'alert' : null }, icon(kind === 'info' ? 'info' : 'warning'), h('div', content));
}

/** What a view shows when its data could not be read. */
export function failure(error, retry) {
  const denied = error.status === 403;
  return h('div.empty', { role: 'alert' },
    h('h2', denied ? 'You may not see this' : error.status === 404 ? 'Not found' : 'This could not be loaded'),
    h('p', error.message),
    h('div.actions', retry && !denied ? button('Try again', retry, { kind: 'primary' }) : null, linkButton('Go to the overview', '#/')));
}

export function loading(what = 'Loading …') {
  return h('div.loading', { role: 'status' }, h('span.spinner'), what);
}

// --- dialogs ----------------------------------------------------------------------------------------------------

/**
 * A modal dialog. `build(close)` returns its content; the promise gives what `close` was called with, undefined when
 * it was dismissed. One that `stays` is not closed by Escape: what it shows is not shown again.
 */
export function dialog(title, build, { wide = false, stays = false } = {}) {
  return new Promise((resolve) => {
    const id = uid('dialog');
    const opener = document.activeElement;
    let result;
    const element = h(`dialog${wide ? '.wide' : ''}`, { 'aria-labelledby': id });
    const close = (value) => {
      result = value;
      element.close();
    };
    const body = h('div.dialog-body');
    append(element, title, id, body, close);
    fill(body, build(close, element));
    element.addEventListener('close', () => {
      element.remove();
      if (opener?.isConnected) opener.focus();
      resolve(result);
    });
    // A click beside the dialog closes it, unless something was typed: that would be lost.
    element.addEventListener('mousedown', (event) => {
      if (event.target === element && !stays && !element.querySelector('form')) close();
    });
    if (stays) element.addEventListener('cancel', (event) => event.preventDefault());
    document.body.append(element);
    element.showModal();
    element.querySelector('[autofocus], .dialog-body input:not([type=hidden]), .dialog-body select, .dialog-body textarea')?.focus();
  });
}

function append(element, title, id, body, close) {
  element.append(h('header.dialog-head', h('h2', { id }, title), button('', () => close(), { icon: 'close', kind: 'quiet', title: 'Close' })), body);
}

/** Asks before something is lost. */
export function confirm(title, text, action, { kind = 'danger' } = {}) {
  return dialog(title, (close) => [
    h('p', text),
    h('div.dialog-actions', button('Cancel', () => close(false)), button(action, () => close(true), { kind, autofocus: true })),
  ]).then(Boolean);
}

/** A text to take along, such as a token that is shown once. */
export function copyField(label, text) {
  const input = h('input.mono', { type: 'text', value: text, readOnly: true, id: uid('copy'), onfocus: () => input.select() });
  const copied = h('span.copied', { 'aria-live': 'polite' });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // No clipboard on pages without TLS: the older way.
      input.select();
      document.execCommand('copy');
    }
    copied.textContent = 'Copied';
  };
  return h('div.field', h('label', { htmlFor: input.id }, label),
    h('div.copy-row', input, button('Copy', copy, { icon: 'copy' })), copied);
}

/** Tabs as links: each has an address. */
export function tabs(label, entries) {
  return h('nav.tabs', { 'aria-label': label }, entries.map(({ text, href, current }) =>
    h('a', { href, 'aria-current': current ? 'page' : null }, text)));
}

/** One of a few, as buttons beside each other. `options` are `[value, text]`. */
export function segmented(label, options, selected, onchange) {
  const group = h('div.segmented', { role: 'group', 'aria-label': label });
  const set = (choice) => {
    for (const child of group.children) child.setAttribute('aria-pressed', String(child.dataset.value === String(choice)));
  };
  for (const [key, text] of options) {
    group.append(h('button', { type: 'button', data: { value: key }, onclick: () => { set(key); onchange(key); } }, text));
  }
  set(selected);
  return { element: group, set };
}

/** A table; `columns` are `{ name, cell(row), class }`. */
export function table(columns, rows, { caption } = {}) {
  return h('div.table-wrap', h('table',
    caption ? h('caption.sr', caption) : null,
    h('thead', h('tr', columns.map(({ name, class: kind }) => h('th', { scope: 'col', class: kind }, name || h('span.sr', 'Actions'))))),
    h('tbody', rows.map((row) => h('tr', columns.map(({ name, cell, class: kind }) => h('td', { class: kind, data: { label: name } }, cell(row))))))));
}
