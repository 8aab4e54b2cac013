// One device: what is wrong with it, its charts, its interfaces, its sensors.

import { now } from '../clock.js';
import { api, query as search } from '../api.js';
import { ChartGroup } from '../charts.js';
import { debounce, every, fill, h, onFrame } from '../dom.js';
import { ago, dateTime, duration } from '../format.js';
import { listen } from '../live.js';
import { Range, rangeBar } from '../ranges.js';
import { replaceQuery } from '../router.js';
import { can, inAccount, link } from '../session.js';
import { button, confirm, empty, icon, linkButton, notice, setStateIcon, showError, stateIcon, stateOf, toast } from '../ui.js';
import { deviceModel, lastSeen, stateOfDevice } from './device_model.js';
import { hintFor, PROTOCOLS } from './protocols.js';
import { InterfaceList } from './device_interfaces.js';
import { netflowCharts, otherCharts, pingCharts, sensorCharts } from './device_charts.js';
import { SensorTable } from './device_sensors.js';

const STANDARD_RANGE = 6 * 3600;
const NEW_PATHS_PAUSE = 3000;

export async function show(context) {
  const page = new DevicePage(context);
  await page.load();
  if (context.signal.aborted) return;
  page.build();
  page.watch();
}

class DevicePage {
  constructor({ main, signal, params, query, title }) {
    Object.assign(this, { main, signal, id: Number(params.id), query, title });
    this.group = new ChartGroup(Range.of(query, STANDARD_RANGE), signal);
    this.group.isUsual = !['last', 'from'].some((name) => query.has(name));
    this.group.addEventListener('range', () => replaceQuery(this.group.range.into(this.query)), { signal });
    this.flush = onFrame(() => this.showLast());
  }

  async load() {
    const { signal } = this;
    const list = (kind) => api.get(inAccount(kind), { signal }).then(({ list: all }) => all).catch(unlessDenied);
    const [entity, children, sensors, credentials, bots, systemBots, problems, last] = await Promise.all([
      api.get(inAccount('entities', this.id), { signal }),
      api.get(inAccount('entities') + search({ parent: this.id }), { signal }).then(({ list: all }) => all).catch(unlessDenied),
      list('sensors'), list('credentials'), list('bots'),
      api.get('bots', { signal }).then(({ list: all }) => all).catch(unlessDenied),
      list('problems'),
      api.get(inAccount('last') + search({ f: `entity.${this.id}.*` }), { signal }),
    ]);
    Object.assign(this, { entity, sensors, credentials, bots: [...bots, ...systemBots] });
    this.interfaces = onlyInterfaces(children, this.id);
    this.problems = problems.filter((problem) => problem.entity === this.id);
    this.last = new Map(last.list.map(({ p, t, v }) => [p, { t, v }]));
    this.model = deviceModel(entity, sensors, this.last, this.interfaces);
  }

  build() {
    const { entity, group } = this;
    this.title(entity.name);
    this.icon = stateIcon('unknown', false);
    this.word = h('span');
    this.pill = h('span.pill', this.icon, this.word);
    this.seen = h('span.dim');
    [...group.charts].forEach((chart) => chart.destroy());
    this.state = null;
    this.sensorTable = new SensorTable(this);
    this.interfaceList = new InterfaceList(this);
    const charts = [pingCharts(this), this.interfaceList.element, netflowCharts(this), sensorCharts(this), otherCharts(this)].flat().filter(Boolean);
    fill(this.main,
      h('div.crumbs', h('a', { href: link('') }, icon('back'), 'Overview')),
      h('div.page-head', h('h1', entity.name), this.pill, entity.details?.ipv4 && entity.details.ipv4 !== entity.name ? h('span.dim.number', entity.details.ipv4) : null, this.seen, this.actions()),
      this.notices = h('div'),
      charts.length ? [rangeBar(group, h('a', { class: 'small', href: link('explore', { p: `entity.${this.id}.*` }) }, 'All values in Explore')), charts] : this.nothingYet(),
      this.sensorTable.element);
    this.showNotices();
    this.showLast();
  }

  nothingYet() {
    const on = Object.keys(this.entity.protocols ?? {}).length > 0;
    return on
      ? empty('No values yet', 'The first ones arrive within seconds after a bot has noticed this device. If not: see below what each protocol says.')
      : empty('Nothing is measured', 'Switch on ping, SNMP or NetFlow for this device.', this.mayEdit() ? linkButton('Set up', link(`device/${this.id}/edit`), { kind: 'primary', icon: 'edit' }) : null);
  }

  mayEdit() { return can('PUT', inAccount('entities', this.id)); }

  actions() {
    return h('div.actions',
      this.mayEdit() ? linkButton('Edit', link(`device/${this.id}/edit`), { icon: 'edit' }) : null,
      can('DELETE', inAccount('entities', this.id)) ? button('Delete', () => this.remove(), { kind: 'danger', icon: 'trash' }) : null);
  }

  async remove() {
    if (!await confirm(`Delete ${this.entity.name}?`, 'Nothing is measured of it any more. Its values stay where they are, under its number; a new device gets another one.', 'Delete')) return;
    try {
      await api.delete(inAccount('entities', this.id));
      toast(`${this.entity.name} was deleted`);
      location.hash = link('');
    } catch (error) {
      showError(error);
    }
  }

  showNotices() {
    fill(this.notices, this.entity.suggested_by ? notice('info', 'This device was found, and is not set up yet. ', this.mayEdit() ? h('a', { href: link(`device/${this.id}/edit`) }, 'Set it up') : null) : null,
      this.problems.map(({ protocol, error, since }) => notice('error',
        h('b', `${PROTOCOLS[protocol]?.name ?? protocol} does not work`), since ? h('span.dim', { title: dateTime(since) }, ` for ${duration(Math.max(0, now() - since))}`) : null,
        h('div.problem-text', error), h('div', hintFor(protocol, error), ' ', this.credentialLink(protocol)))));
  }

  /** The way to what is most often wrong. */
  credentialLink(protocol) {
    const id = Number(this.entity.protocols?.[protocol]?.credential);
    const credential = this.credentials.find((one) => one.id === id);
    if (!credential) return null;
    return can('PUT', inAccount('credentials', id))
      ? h('a', { href: link(`admin/credentials/${id}`) }, `Edit the credential “${credential.name}”`)
      : h('span', `It uses the credential “${credential.name}”.`);
  }

  /** All that shows a newest value. */
  showLast() {
    const state = stateOfDevice(this.entity, this.model, this.last, this.problems);
    if (state !== this.state) {
      this.state = state;
      setStateIcon(this.icon, state);
      this.word.textContent = stateOf(state).word;
      this.pill.className = `pill ${state}`;
    }
    const seen = lastSeen(this.last);
    this.seen.textContent = seen ? `last values ${ago(seen)}` : '';
    this.interfaceList.showLast();
    this.sensorTable.showLast();
  }

  watch() {
    const again = debounce(async () => {
      try {
        await this.load();
        if (this.signal.aborted) return;
        const { scrollY } = window;
        this.build();
        window.scrollTo(0, scrollY);
      } catch (error) {
        if (error.status === 404) fill(this.main, empty('This device is gone', 'Somebody has deleted it.', linkButton('Go to the overview', link(''))));
        else showError(error);
      }
    }, 300);
    const problems = debounce(async () => {
      const { list } = await api.get(inAccount('problems')).catch(() => ({ list: [] }));
      this.problems = list.filter(({ entity }) => entity === this.id);
      this.showNotices();
      this.sensorTable.showProblems();
      this.flush();
    }, 200);
    const newPaths = debounce(again, NEW_PATHS_PAUSE);
    // Another entity has changed: perhaps an interface of this one.
    const children = debounce(async () => {
      const { list } = await api.get(inAccount('entities') + search({ parent: this.id })).catch(() => ({ list: null }));
      if (list && JSON.stringify(onlyInterfaces(list, this.id)) !== JSON.stringify(this.interfaces)) again();
    }, NEW_PATHS_PAUSE);
    const account = inAccount();
    listen({
      topics: [`${account}/entities`, `${account}/sensors`, `${account}/credentials`, `${account}/problems`],
      values: [`entity.${this.id}.*`, `netflow.1min.?.entity.${this.id}`],
      onChanged: ({ topic, id }) => {
        if (topic.endsWith('/problems')) problems();
        else if (!topic.includes('/entities') || id === undefined || id === this.id || topic.endsWith(`/${this.id}`)) again();
        else children();
      },
      onLost: () => { again(); },
      onValues: (values) => {
        let unknown = false;
        for (const { p, t, v } of values) {
          if (!p.startsWith(`entity.${this.id}.`)) continue;
          unknown ||= !this.last.has(p);
          this.last.set(p, { t, v });
        }
        this.group.take(values);
        this.flush();
        if (unknown) newPaths();
      },
    }, this.signal);
    every(5000, this.flush, this.signal);
    every(30000, () => this.showNotices(), this.signal);
  }
}

const onlyInterfaces = (list, id) => list.filter(({ parent, entity_type: type }) => parent === id && type === 'interface');

function unlessDenied(error) {
  if (error.status === 403) return [];
  throw error;
}
