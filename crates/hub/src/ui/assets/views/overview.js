// All devices of the account, worst first, and what else wants to be looked at.

import { api } from '../api.js';
import { debounce, every, fill, h, onFrame } from '../dom.js';
import { ago } from '../format.js';
import { listen } from '../live.js';
import { can, inAccount, link, session } from '../session.js';
import { button, confirm, empty, icon, linkButton, showError, STATES, stateIcon, stateOf, toast } from '../ui.js';
import { DeviceList } from './overview_list.js';
import { absorb, LIVE_FILTERS, takeValue } from './overview_model.js';

/** What the hub knows better than single values do (states, traffic) is read again this often. */
const REFRESH = 60000;
const ORDERS = [['state', 'Worst first'], ['name', 'Name'], ['rtt', 'Slowest first'], ['traffic', 'Most traffic first']];

export async function show({ main, signal, title }) {
  title('Overview');
  if (!session.account) return fill(main, noAccount());
  const page = new Overview(main, signal);
  await page.load();
  if (signal.aborted) return undefined;
  page.watch();
  return undefined;
}

function noAccount() {
  return can('POST', 'accounts')
    ? empty('There is no account yet', 'An account holds devices, their sensors and their values.', linkButton('Create an account', '#/admin/accounts', { kind: 'primary' }))
    : empty('Nothing to see yet', 'You may not see any account. Ask an administrator to grant you one.', linkButton('Your profile', '#/profile'));
}

class Overview {
  constructor(main, signal) {
    Object.assign(this, { main, signal, items: new Map(), state: null, text: '', order: 'state' });
    this.counts = h('div.segmented.state-filter', { role: 'group', 'aria-label': 'Show devices by state' });
    this.search = h('input', { type: 'search', placeholder: 'Search name, address, problem', 'aria-label': 'Search devices', 'aria-keyshortcuts': '/', oninput: debounce(() => { this.text = this.search.value.trim().toLowerCase(); this.sort(); }, 60) });
    this.found = h('span.dim.small', { role: 'status' });
    this.aside = h('div.overview-aside');
    this.list = new DeviceList(signal);
    this.counters = new Map();
    this.flush = onFrame(() => this.list.refresh());
    this.resort = debounce(() => this.sort(), 400);
    this.reload = debounce(() => this.load().catch(showError), 700);
  }

  async load() {
    const overview = await api.get(inAccount('overview'), { signal: this.signal });
    this.items = absorb(this.items, overview);
    this.suggested = overview.suggested;
    this.bots = overview.bots;
    if (!this.built) this.build();
    this.showAside();
    this.sort();
  }

  build() {
    this.built = true;
    const order = h('select', { 'aria-label': 'Order', onchange: () => { this.order = order.value; this.sort(); } }, ORDERS.map(([key, text]) => h('option', { value: key }, text)));
    const mayAdd = can('POST', inAccount('entities'));
    fill(this.main,
      h('div.page-head.overview-head', h('h1', session.account.name), this.counts,
        h('div.actions', mayAdd ? linkButton('Add a device', link('device/new'), { kind: 'primary', icon: 'plus' }) : null)),
      this.aside,
      this.bar = h('div.list-bar', h('div.search', icon('search'), this.search), h('div.order', order), this.found),
      this.list.element);
    document.addEventListener('keydown', (event) => {
      if (event.key !== '/' || event.ctrlKey || event.target.matches('input, select, textarea') || document.querySelector('dialog')) return;
      event.preventDefault();
      this.search.focus();
    }, { signal: this.signal });
  }

  /** Devices in their order, of the state and the text that are asked for. */
  sort() {
    const all = [...this.items.values()];
    const shown = all.filter((item) => (!this.state || item.state === this.state) && (!this.text || item.haystack.includes(this.text)));
    shown.sort(COMPARE[this.order]);
    this.list.show(shown);
    this.showCounts(all);
    this.bar.hidden = all.length === 0;
    this.found.textContent = shown.length === all.length ? '' : `${shown.length} of ${all.length}`;
    if (all.length === 0) this.list.showInstead(noDevices(this.suggested.length > 0, this.bots.length > 0));
    else if (shown.length === 0) this.list.showInstead(empty('No device matches', 'Search for a part of a name, an address or a problem, or show all states.', button('Show all', () => this.reset())));
  }

  reset() {
    this.search.value = '';
    Object.assign(this, { text: '', state: null });
    this.sort();
  }

  showCounts(all) {
    const counts = {};
    for (const { state } of all) counts[state] = (counts[state] ?? 0) + 1;
    const signature = JSON.stringify([counts, this.state]);
    if (signature === this.signature) return;
    this.signature = signature;
    const focused = document.activeElement?.dataset?.state;
    const one = (state, ...content) => h('button', { type: 'button', data: { state: state ?? 'all' }, title: state ? `Only devices that are: ${stateOf(state).word}` : 'All devices', 'aria-pressed': String(this.state === state), onclick: () => { this.state = this.state === state ? null : state; this.sort(); } }, content);
    fill(this.counts, one(null, `All ${all.length}`), Object.keys(STATES).filter((state) => counts[state]).map((state) =>
      one(state, stateIcon(state, false), h('span.word', stateOf(state).word), h('b.number', counts[state]))));
    this.counts.hidden = all.length === 0;
    if (focused) this.counts.querySelector(`[data-state="${focused}"]`)?.focus();
  }

  showAside() {
    const mayChange = can('PUT', inAccount('entities')) && can('DELETE', inAccount('entities'));
    fill(this.aside,
      this.suggested.length ? suggestions(this.suggested, mayChange, () => this.reload()) : null,
      this.bots.length ? bots(this.bots) : null);
  }

  watch() {
    const account = inAccount();
    listen({
      topics: [`${account}/entities`, `${account}/bots`, `${account}/problems`, `${account}/sensors`],
      values: LIVE_FILTERS,
      onChanged: () => this.reload(),
      onLost: () => this.reload(),
      onValues: (values) => {
        let changedState = false;
        for (const value of values) changedState = takeValue(this.items, value) || changedState;
        this.flush();
        if (changedState) this.resort();
      },
    }, this.signal);
    every(REFRESH, () => { if (!document.hidden) this.load().catch(() => {}); }, this.signal);
    // "12 s ago" grows older.
    every(5000, () => { if (!document.hidden) this.list.refresh(true); }, this.signal);
  }
}

// Made once: `localeCompare` makes one for each comparison.
const { compare } = new Intl.Collator(undefined, { numeric: true });
const byName = (a, b) => compare(a.name, b.name);
const COMPARE = {
  state: (a, b) => stateOf(a.state).rank - stateOf(b.state).rank || byName(a, b),
  name: byName,
  rtt: (a, b) => (b.ping?.rtt ?? -1) - (a.ping?.rtt ?? -1) || byName(a, b),
  traffic: (a, b) => total(b) - total(a) || byName(a, b),
};
const total = ({ traffic }) => (traffic ? (traffic.in ?? 0) + (traffic.out ?? 0) : -1);

function noDevices(hasSuggestions, hasBots) {
  const action = can('POST', inAccount('entities')) ? linkButton('Add a device', link('device/new'), { kind: 'primary', icon: 'plus' }) : null;
  if (!hasBots && !hasSuggestions && can('GET', inAccount('bots'))) {
    return empty('No devices yet', 'Nothing measures in this account so far: add a bot and start it with its token, then add devices.',
      can('POST', inAccount('bots')) ? linkButton('Add a bot', link('admin/bots'), { kind: 'primary', icon: 'plus' }) : null, action);
  }
  return empty('No devices yet', hasSuggestions
    ? 'Set up one of the suggestions above, or add a device by its address.'
    : 'Add a device by its address: ping and SNMP start within seconds. A router that sends flows here appears by itself.', action);
}

function suggestions(list, mayChange, changed) {
  return h('section.card.suggestions', h('div.card-head', icon('info'),
    h('h2', list.length === 1 ? 'A device was found' : `${list.length} devices were found`),
    h('span.dim', 'They are not set up yet: accept what is yours, dismiss the rest.')),
  h('ul.plain', list.slice(0, 20).map((entity) => h('li.suggestion',
    h('div.suggestion-name', h('b', entity.name), ' ', h('span.dim', entity.name.includes(entity.details?.ipv4 ?? '') ? '' : entity.details.ipv4)),
    mayChange ? [linkButton('Set up', link(`device/${entity.id}/edit`), { kind: 'small' }), button('Dismiss', () => dismiss(entity, changed), { kind: 'quiet.small', 'aria-label': `Dismiss ${entity.name}` })] : null))),
  list.length > 20 ? h('p.dim.more', `and ${list.length - 20} more`) : null);
}

async function dismiss(entity, changed) {
  if (!await confirm(`Dismiss ${entity.name}?`, 'It is forgotten, and not suggested again. You can still add it by hand.', 'Dismiss')) return;
  try {
    await api.delete(inAccount('entities', entity.id));
    toast(`${entity.name} was dismissed`);
    changed();
  } catch (error) {
    showError(error);
  }
}

function bots(list) {
  const sorted = [...list].sort((a, b) => Number(a.online) - Number(b.online) || a.name.localeCompare(b.name));
  return h('ul.bots', { 'aria-label': 'Bots' }, sorted.map(({ name, protocol, online, last_login: last }) =>
    h('li.bot', { title: online ? 'This bot is at work.' : 'This bot has not been heard of. Is it running, and may it reach the hub?' },
      stateIcon(online ? 'ok' : last ? 'down' : 'unknown', false), h('b', name), protocol && !name.toLowerCase().includes(protocol) ? h('span.tag', protocol) : null,
      h('span', { class: online ? 'dim' : 'state-down' }, online ? `seen ${ago(last)}` : last ? `away, last seen ${ago(last)}` : 'never seen'))));
}
