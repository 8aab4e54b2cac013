// NetFlow: who talks to whom, with what, and how much. The ranking of one window; each bar opens into its chart.

import { now } from '../clock.js';
import { api, query as search } from '../api.js';
import { Chart, ChartGroup } from '../charts.js';
import { debounce, fill, h } from '../dom.js';
import { ago, bits, bytes, clock, dateMinute } from '../format.js';
import { listen } from '../live.js';
import { Range, rangeBar } from '../ranges.js';
import { replaceQuery } from '../router.js';
import { inAccount, link } from '../session.js';
import { button, empty, linkButton, segmented, showError } from '../ui.js';
import { PANELS, TrafficPanel } from './traffic_panel.js';

/** Windows, their seconds, and the range of the chart above the lists. */
const INTERVALS = [['1min', '1 min', 60, 6 * 3600], ['15min', '15 min', 900, 86400], ['1h', '1 h', 3600, 7 * 86400], ['4h', '4 h', 4 * 3600, 30 * 86400], ['24h', '24 h', 86400, 365 * 86400]];
const { compare } = new Intl.Collator(undefined, { numeric: true });
const DIRECTIONS = [['ingress', 'In'], ['egress', 'Out']];

export async function show(context) {
  const page = new TrafficPage(context);
  context.title('Traffic');
  await page.start();
}

class TrafficPage {
  constructor({ main, signal, query }) {
    Object.assign(this, { main, signal, query });
    const known = (list, value) => list.find(([key]) => key === value)?.[0] ?? list[0][0];
    this.interval = known(INTERVALS, query.get('interval'));
    this.direction = known(DIRECTIONS, query.get('direction'));
    this.device = Number(query.get('device')) || null;
    this.interface = query.get('if');
    /** The window that is looked at: null is the newest. */
    this.at = Number(query.get('t')) || null;
    this.loadLists = debounce(() => this.load().catch(showError), 20);
  }

  get seconds() { return INTERVALS.find(([key]) => key === this.interval)[2]; }

  /** `netflow.1min.ingress`, with the device and the interface. */
  stem({ device = this.device, one = this.interface } = {}) {
    const parts = ['netflow', this.interval, this.direction];
    if (device) parts.push('entity', device);
    if (device && one) parts.push('if', one);
    return parts.join('.');
  }

  async start() {
    const { signal } = this;
    const [{ list: entities }, paths] = await Promise.all([
      api.get(inAccount('entities') + search({ entity_type: 'device' }), { signal }),
      api.get(inAccount('paths') + search({ filter: 'netflow.?.?.entity.?,netflow.?.?.entity.?.if.?', limit: 10000 }), { signal }),
    ]);
    if (signal.aborted) return;
    this.entities = new Map(entities.map((entity) => [entity.id, entity]));
    this.exporters = exportersOf(Object.values(paths.paths).flat().map(({ path }) => path), this.entities);
    if (!this.exporters.size) {
      fill(this.main, this.nothing(entities));
      if (!this.waiting) listen({ topics: [], values: ['netflow.1min.?.entity.?'], onValues: () => this.again() }, signal);
      this.waiting = true;
      return;
    }
    if (!this.exporters.has(this.device)) Object.assign(this, { device: null, interface: null });
    this.waiting = false;
    this.build();
    this.watch();
    await this.load();
  }

  /** The first flows have come. */
  again() {
    if (!this.waiting || this.restarting) return;
    this.restarting = true;
    setTimeout(() => this.start().catch(showError).finally(() => { this.restarting = false; }), 1500);
  }

  nothing(entities) {
    const on = entities.some(({ protocols }) => protocols?.netflow);
    return on
      ? empty('No flows yet', 'NetFlow is switched on, but nothing has come in. Point the device to this host, UDP port 2055 or where the NetFlow bot listens, with an active timeout of 60 s. The first values show when a minute has ended.', linkButton('Overview', link('')))
      : empty('No flows yet', 'Point a router or switch to this host, UDP port 2055 or where the NetFlow bot listens (NetFlow, IPFIX or sFlow): it is suggested on the overview by itself. Or switch NetFlow on for a device that you have.', linkButton('Overview', link(''), { kind: 'primary' }));
  }

  build() {
    const { signal } = this;
    const range = new Range({ last: INTERVALS.find(([key]) => key === this.interval)[3] });
    this.group = new ChartGroup(range, signal);
    this.group.isUsual = true;
    this.window = h('span', { 'aria-live': 'polite' });
    this.newest = button('Newest', () => this.choose({ at: null }), { kind: 'small' });
    const change = (part) => this.choose(part);
    this.devicePicker = h('select', { 'aria-label': 'Device', onchange: (event) => change({ device: Number(event.target.value) || null, interface: null }) });
    this.interfacePicker = h('select', { 'aria-label': 'Interface', onchange: (event) => change({ interface: event.target.value || null }) });
    this.panels = PANELS.map((panel) => new TrafficPanel(panel, this));
    this.chartPlace = h('div');
    fill(this.main,
      h('div.page-head', h('h1', 'Traffic'),
        h('div.pickers', segmented('Window', INTERVALS.map(([key, text]) => [key, text]), this.interval, (interval) => change({ interval, at: null })).element,
          segmented('Direction', DIRECTIONS, this.direction, (direction) => change({ direction })).element, this.devicePicker, this.interfacePicker)),
      rangeBar(this.group, h('span.window-line', this.window, this.newest)),
      this.chartPlace,
      h('p.dim.small.chart-hint', 'Click into the chart to see that moment. A bar opens into its own chart.'),
      h('div.traffic-grid', this.panels.map(({ element }) => element)));
    this.showPickers();
    this.showChart();
  }

  showPickers() {
    fill(this.devicePicker, h('option', { value: '' }, 'All devices'), [...this.exporters].map(([id, { name }]) => h('option', { value: id, selected: id === this.device }, name)));
    const interfaces = this.device ? this.exporters.get(this.device).interfaces : [];
    this.nameInterfaces(this.device).catch(showError);
    this.interfacePicker.hidden = interfaces.length === 0;
    fill(this.interfacePicker, h('option', { value: '' }, 'All interfaces'), interfaces.map(({ index, name }) => h('option', { value: index, selected: index === this.interface }, name)));
  }

  /** Interfaces have numbers in flows; SNMP knows their names. */
  async nameInterfaces(device) {
    const exporter = this.exporters.get(device);
    if (!exporter || exporter.named || !exporter.interfaces.length) return;
    exporter.named = true;
    const { list } = await api.get(inAccount('entities') + search({ parent: device }), { signal: this.signal });
    for (const one of exporter.interfaces) {
      const found = list.find(({ parent, details }) => parent === device && String(details?.snmp_index) === one.index);
      if (found) one.name = found.details.ifAlias ? `${found.name} (${found.details.ifAlias})` : found.name;
    }
    exporter.interfaces.sort((a, b) => compare(a.name, b.name));
    this.showPickers();
  }

  showChart() {
    this.chart?.destroy();
    const factor = 8 / this.seconds;
    const stems = this.device ? [['total', this.stem()]] : [...this.exporters].slice(0, 8).map(([id, { name }]) => [name, this.stem({ device: id, one: null })]);
    this.chart = new Chart(this.group, {
      title: this.device ? 'Total' : 'By device', unit: 'bit/s', bottom: 0, height: 170, step: this.seconds, heading: 'h2',
      series: stems.map(([label, path]) => ({ label, paths: [path], factor })),
    });
    fill(this.chartPlace, this.chart.element);
    let pressed = 0;
    this.chart.plot.addEventListener('mousedown', (event) => { pressed = event.clientX; }, { capture: true });
    this.chart.plot.addEventListener('click', (event) => { if (Math.abs(event.clientX - pressed) < 4) this.pick(event); });
  }

  /** The window under the pointer. */
  pick(event) {
    const { uplot } = this.chart;
    if (!uplot) return;
    const rect = uplot.over.getBoundingClientRect();
    const t = uplot.posToVal(event.clientX - rect.left, 'x');
    const end = Math.ceil(t / this.seconds) * this.seconds;
    this.choose({ at: end >= now() - this.seconds ? null : end });
  }

  choose(part) {
    const newInterval = part.interval && part.interval !== this.interval;
    Object.assign(this, part);
    for (const [name, value] of [['interval', this.interval], ['direction', this.direction], ['device', this.device], ['if', this.interface], ['t', this.at]]) {
      if (value) this.query.set(name, value);
      else this.query.delete(name);
    }
    replaceQuery(this.query);
    if (newInterval) this.group.setRange(new Range({ last: INTERVALS.find(([key]) => key === this.interval)[3] }), { remember: false });
    this.group.isUsual ||= newInterval;
    if (!('at' in part) || newInterval) {
      this.showPickers();
      this.showChart();
      this.panels.forEach((panel) => panel.clear());
    }
    this.loadLists();
  }

  async load() {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const stale = () => turn !== this.turn || this.signal.aborted;
    const total = await this.top(this.device ? this.stem() : `netflow.${this.interval}.${this.direction}.entity.?`, 1, this.at);
    if (stale()) return;
    this.total = total.total ?? 0;
    this.time = total.t;
    this.newest.hidden = this.at === null;
    this.chart.mark(this.at === null ? null : total.t);
    fill(this.window, total.t === null
      ? h('span.dim', this.at === null ? 'Nothing yet' : 'Nothing in this window')
      : [h('b', bits((this.total * 8) / this.seconds)), h('span.dim', ` ${bytes(this.total)} in ${this.windowText()}`), this.at === null ? h('span.dim', `, ended ${ago(total.t)}`) : null]);
    await Promise.all(this.panels.map((panel) => panel.load(total.t, stale).catch((error) => panel.fail(error))));
  }

  windowText() {
    const [from, to] = [this.time - this.seconds, this.time];
    return this.seconds >= 86400 || now() - to > 86400 ? `${dateMinute(from)} – ${clock(to)}` : `${clock(from)} – ${clock(to)}`;
  }

  top(filter, n, t) {
    const nothing = { t: null, total: 0, list: [] };
    return api.get(inAccount('topvalues') + search({ f: filter, n, t: t === null ? null : t + 0.5 }), { signal: this.signal })
      // Where there is none, the hub tells its own time.
      .then((answer) => (answer.list.length ? answer : nothing))
      .catch((error) => {
        if (error.status === 404) return nothing;
        throw error;
      });
  }

  /** Why nothing is shown: no window may have ended yet since flows have come. */
  get nothingText() {
    const [, name] = INTERVALS.find(([key]) => key === this.interval);
    return this.at === null ? `No window of ${name} has ended yet. ${this.interval === '1min' ? 'The first values show when a minute has ended.' : 'Shorter ones show sooner.'}` : 'Nothing in this window.';
  }

  watch() {
    const newer = debounce(() => { if (this.at === null && !document.hidden) this.load().catch(showError); }, 1000);
    listen({
      topics: [], values: ['netflow.?.?.entity.?', 'netflow.?.?.entity.?.if.?'],
      onValues: (values) => {
        this.group.take(values);
        if (values.some(({ p }) => p.startsWith(`netflow.${this.interval}.${this.direction}`))) newer();
      },
      onLost: () => { this.group.reload(); newer(); },
    }, this.signal);
  }
}

/** From the paths: which devices have flows, and of which interfaces. */
function exportersOf(paths, entities) {
  const exporters = new Map();
  for (const path of paths) {
    const [, , , , device, , index] = path.split('.');
    const id = Number(device);
    let exporter = exporters.get(id);
    if (!exporter) exporters.set(id, exporter = { name: entities.get(id)?.name ?? `device ${id} (deleted)`, interfaces: new Map() });
    if (index !== undefined) exporter.interfaces.set(index, { index, name: usualName(index) });
  }
  for (const exporter of exporters.values()) {
    exporter.interfaces = [...exporter.interfaces.values()].sort((a, b) => compare(a.name, b.name));
  }
  return new Map([...exporters].sort(([, a], [, b]) => compare(a.name, b.name)));
}

const usualName = (index) => (index === '0' ? 'interface 0: dropped, or the device itself' : `interface ${index}`);

