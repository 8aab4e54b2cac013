// Any values together in charts. All of it is in the address, so that it can be shared.

import { Chart, ChartGroup } from '../charts.js';
import { fill, h } from '../dom.js';
import { listen } from '../live.js';
import { Range, rangeBar } from '../ranges.js';
import { replaceQuery } from '../router.js';
import { api } from '../api.js';
import { inAccount, session } from '../session.js';
import { button, empty, icon, segmented, showError, toast } from '../ui.js';
import { PathSearch } from './explore_search.js';
import { commonOf, labelsOf, titleOf } from './explore_names.js';
import { measureOf, patternOf, unitOfPath } from './device_model.js';

const STANDARD_RANGE = 24 * 3600;
const MOST_PATHS = 40;
const MOST_LINES = 16;

export async function show(context) {
  context.title('Explore');
  const page = new ExplorePage(context);
  await page.start();
}

class ExplorePage {
  constructor({ main, signal, query }) {
    Object.assign(this, { main, signal, query });
    this.apart = query.get('view') === 'apart';
    this.group = new ChartGroup(Range.of(query, STANDARD_RANGE), signal);
    this.group.isUsual = !['last', 'from'].some((name) => query.has(name));
    this.group.addEventListener('range', () => replaceQuery(this.group.range.into(this.query)), { signal });
    this.charts = h('div.explore-charts');
    this.chips = h('ul.chips', { 'aria-label': 'Chosen paths' });
  }

  async start() {
    const { signal } = this;
    const list = (kind) => api.get(inAccount(kind), { signal }).then(({ list: all }) => all).catch((error) => { if (error.status === 403) return []; throw error; });
    const [entities, sensors] = await Promise.all([list('entities?entity_type=device'), list('sensors')]);
    if (signal.aborted) return;
    this.entities = new Map(entities.map((entity) => [entity.id, entity]));
    this.sensors = sensors.filter(({ protocol, details }) => protocol === 'snmp' && details?.output_path).map((sensor) => ({ pattern: patternOf(sensor.details.output_path), ...measureOf(sensor) }));
    const asked = this.query.getAll('p');
    this.paths = new Set(asked.filter((path) => !/[?*]/.test(path)).slice(0, MOST_PATHS));
    // A filter in the address is a search to begin with: `p=entity.5.*`.
    const filter = asked.find((path) => /[?*]/.test(path)) ?? '';
    this.search = new PathSearch({
      entities: this.entities, chosen: this.paths, signal, filter,
      onToggle: (path, on) => this.toggle(path, on), most: MOST_PATHS,
    });
    const view = segmented('Charts', [['together', 'Together'], ['apart', 'One each']], this.apart ? 'apart' : 'together', (choice) => { this.apart = choice === 'apart'; this.changed(); });
    this.clear = button('Remove all', () => { this.paths.clear(); this.changed(); }, { kind: 'small.quiet' });
    this.view = view.element;
    fill(this.main,
      h('div.page-head', h('h1', 'Explore'), h('div.actions', button('Copy the link', () => this.share(), { icon: 'share' }))),
      h('div.explore', this.search.element,
        h('div.explore-main', rangeBar(this.group), h('div.chips-line', this.chips, this.view, this.clear), this.charts)));
    this.live = listen({ values: [], onValues: (values) => this.group.take(values), onLost: () => this.group.reload() }, signal);
    this.changed();
    await this.search.start();
  }

  toggle(path, on) {
    if (on && this.paths.size >= MOST_PATHS) {
      toast(`${MOST_PATHS} paths are as many as can be shown.`, { kind: 'error' });
      return false;
    }
    if (on) this.paths.add(path);
    else this.paths.delete(path);
    this.changed();
    return true;
  }

  changed() {
    const { query, paths } = this;
    query.delete('p');
    for (const path of paths) query.append('p', path);
    if (this.apart) query.set('view', 'apart');
    else query.delete('view');
    if (session.accounts.length > 1) query.set('a', session.account.id);
    // The usual range is not written down: it may still become shorter.
    replaceQuery(this.group.isUsual ? query : this.group.range.into(query));
    this.search.mark();
    this.draw();
    // A filter knows no escaped dots: such a segment is any, and what does not belong is left aside.
    this.live.setValues([...paths].map((path) => path.split('.').map((segment) => (segment.includes('%') ? '?' : segment)).join('.')));
  }

  draw() {
    [...this.group.charts].forEach((chart) => chart.destroy());
    const paths = [...this.paths];
    const labels = labelsOf(paths, this.entities);
    fill(this.chips, paths.map((path) => h('li.chip', h('span', { title: path }, labels.get(path)), h('button', { type: 'button', 'aria-label': `Remove ${path}`, onclick: () => this.toggle(path, false) }, icon('close')))));
    this.clear.hidden = paths.length < 2;
    this.view.hidden = paths.length < 2;
    if (!paths.length) {
      fill(this.charts, empty('Choose values', 'Search on this page for a device, or for a part of a path, and tick what you want to see together.'));
      return;
    }
    const bundles = this.apart ? paths.map((path) => [this.unit(path), [path]]) : this.byUnit(paths);
    fill(this.charts, bundles.map(([unit, list]) => new Chart(this.group, {
      title: list.length === 1 ? titleOf(list[0], this.entities) : commonOf(list, this.entities) || unitTitle(unit.name), unit: unit.name, heading: 'h2', height: bundles.length === 1 ? 380 : 240,
      series: list.map((path) => ({ label: list.length === 1 ? 'value' : labelsOf(list, this.entities).get(path), paths: [path], factor: unit.factor })),
    }).element));
  }

  /** Values of one unit share a chart. */
  byUnit(paths) {
    const bundles = new Map();
    for (const path of paths) {
      const unit = this.unit(path);
      const key = `${unit.name}#${Math.floor((bundles.get(unit.name) ?? 0) / MOST_LINES)}`;
      bundles.set(unit.name, (bundles.get(unit.name) ?? 0) + 1);
      const bundle = bundles.get(key) ?? [unit, []];
      bundle[1].push(path);
      bundles.set(key, bundle);
    }
    return [...bundles.values()].filter(Array.isArray);
  }

  unit(path) {
    const tail = /^entity\.\d+\.snmp\.(.+)$/.exec(path)?.[1];
    const sensor = tail && this.sensors.find(({ pattern, unit }) => unit && pattern?.test(tail));
    if (sensor) return { name: sensor.unit, factor: sensor.factor };
    const name = unitOfPath(path);
    return name === 'B/s' ? { name: 'bit/s', factor: 8 } : { name, factor: 1 };
  }

  async share() {
    try {
      await navigator.clipboard.writeText(location.href);
      toast('The link is copied. Whoever may see these values sees the same.');
    } catch {
      showError(new Error('Copying is not allowed here. The address of this page is the link.'));
    }
  }
}

const unitTitle = (unit) => ({ s: 'Times', 'bit/s': 'Rates', ratio: 'Parts', '°C': 'Temperatures', B: 'Bytes', duration: 'Durations', '': 'Values' })[unit] ?? unit;
