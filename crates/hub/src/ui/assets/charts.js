// One style of chart for all. Charts of a group share a range and a crosshair: what is zoomed in one is zoomed in all.
//
// Drag zooms, shift and drag (or a wheel's sideways turn) pans, ctrl and wheel zooms, a double click goes back; with
// the keyboard: arrows pan, + and - zoom, Backspace goes back.

import uPlot from './vendor/uplot.js';
import { debounce, h, onFrame } from './dom.js';
import { plotOptions } from './chart_options.js';
import { fitting } from './ranges.js';
import { bucketSeconds, levelFor, merged, read, summed, usualStep, withGaps } from './series.js';
import { session } from './session.js';
import { colour } from './sparkline.js';
import { themeChanged } from './theme.js';
import { clockSeconds, dateMinute, dateTime, value as formatValue } from './format.js';

/** Values that arrive redraw a chart this often at most. */
const LIVE_PAUSE = 500;
const RELOAD_PAUSE = 120;
/** A range that goes on is read anew so often: roll-ups grow, and what has left the range is let go. */
const STALE = 300000;
/** A gap reaches to the next value of the same series, whatever the others have in between. */
const EXPAND_NULLS = 2;
let groups = 0;

export class ChartGroup extends EventTarget {
  constructor(range, signal) {
    super();
    this.range = range;
    this.signal = signal;
    this.key = `charts-${groups += 1}`;
    this.charts = new Set();
    this.history = [];
    /** Whether the range is only the usual one: nobody has asked for it. */
    this.isUsual = false;
    /** While it is dragged: bounds that are not the range yet. */
    this.preview = null;
    this.loaded = Date.now();
    this.reload = debounce(() => {
      this.loaded = Date.now();
      this.charts.forEach((chart) => chart.load());
    }, RELOAD_PAUSE);
    const redraw = () => this.charts.forEach((chart) => chart.rebuild());
    themeChanged.addEventListener('change', redraw, { signal });
    this.follow();
    signal.addEventListener('abort', () => {
      clearTimeout(this.timer);
      [...this.charts].forEach((chart) => chart.destroy());
    }, { once: true });
  }

  setRange(range, { remember = true } = {}) {
    this.isUsual = false;
    if (remember) {
      this.history.push(this.range);
      if (this.history.length > 50) this.history.shift();
    }
    this.range = range;
    // What is there already is shown at once; what is missing comes when it has been read.
    this.charts.forEach((chart) => chart.showRange());
    this.reload();
    this.dispatchEvent(new Event('range'));
  }

  /** A range that nobody has asked for is made shorter where values have only begun. */
  fit(first) {
    if (!this.isUsual || first === null) return;
    this.isUsual = false;
    const range = fitting(this.range, first);
    if (range) this.setRange(range, { remember: false });
  }

  back() {
    const last = this.history.pop();
    if (last) this.setRange(last, { remember: false });
  }

  /** A range that goes on moves its charts, by a pixel or so at a time. */
  follow() {
    const [from, to] = this.range.bounds();
    const pause = Math.min(30, Math.max(1, (to - from) / 900)) * 1000;
    this.timer = setTimeout(() => {
      if (this.range.live && !document.hidden) {
        this.charts.forEach((chart) => chart.showRange());
        if (Date.now() - this.loaded > STALE) this.reload();
      }
      this.follow();
    }, pause);
  }

  /** Values that have just been measured. */
  take(values) {
    this.charts.forEach((chart) => chart.take(values));
  }
}

/**
 * A chart. `series` are `{ label, paths, combine: 'mean' | 'sum', factor, colour }`: one path, or several that become
 * one line. `unit` is one of `format.value`; `top` and `bottom` fix the scale.
 */
export class Chart {
  constructor(group, { title, series, unit = '', height = 180, top = null, bottom = null, bare = false, heading = 'h3', help, step = null }) {
    Object.assign(this, { group, title, unit, height, top, bottom, step });
    this.series = series.map((one, at) => ({ factor: 1, combine: 'mean', shown: true, ...one, colour: one.colour ?? `--c${(at % 8) + 1}` }));
    this.paths = [...new Set(this.series.flatMap(({ paths }) => paths))];
    this.data = new Map();
    this.level = null;
    this.time = h('span.chart-time');
    /** A moment that is pointed out; null when there is none. */
    this.marked = null;
    this.plot = h('div.chart-plot', { tabIndex: 0, role: 'img', 'aria-label': `Chart: ${title}` });
    this.message = h('div.chart-message', { hidden: true });
    this.legend = h('div.legend');
    this.element = h(`figure.chart${bare ? '.bare' : ''}`,
      h('figcaption.chart-head', h(heading, { title: help ?? null }, title), this.time), this.plot, this.legend);
    this.plot.append(this.message);
    this.buildLegend();
    this.bindKeys();
    this.drawLive = onFrame(() => this.draw());
    this.resizer = new ResizeObserver(onFrame(() => this.resize()));
    this.resizer.observe(this.plot);
    // Only what is near the screen is read.
    this.watcher = new IntersectionObserver(([entry]) => {
      this.seen = entry.isIntersecting;
      if (this.seen && this.stale) this.load();
    }, { rootMargin: '300px' });
    this.watcher.observe(this.element);
    this.plot.style.minHeight = `${height}px`;
    this.stale = true;
    group.charts.add(this);
  }

  destroy() {
    this.group.charts.delete(this);
    this.resizer.disconnect();
    this.watcher.disconnect();
    this.uplot?.destroy();
    this.uplot = null;
  }

  async load() {
    if (!this.seen) {
      this.stale = true;
      return;
    }
    this.stale = false;
    const [from, to] = this.group.range.bounds();
    const level = levelFor(from, to, session.account?.raw_days ?? null);
    const turn = (this.turn = (this.turn ?? 0) + 1);
    this.element.classList.add('busy');
    try {
      const data = await read(this.paths, Math.floor(from), Math.ceil(to), level);
      if (turn !== this.turn || this.group.signal.aborted) return;
      this.level = level;
      this.data = data;
      this.draw();
      this.group.fit(this.first());
    } catch (error) {
      if (turn === this.turn && error.name !== 'AbortError') this.say(error.message);
    } finally {
      if (turn === this.turn) this.element.classList.remove('busy');
    }
  }

  first() {
    const times = [...this.data.values()].map(({ t }) => t[0]).filter((t) => t !== undefined);
    return times.length ? Math.min(...times) : null;
  }

  /** Adds values that belong to it; only raw values go on by themselves. */
  take(values) {
    if (this.level !== null || !this.group.range.live || !this.seen) return;
    let any = false;
    for (const { p, t, v } of values) {
      const column = this.data.get(p);
      if (!column) continue;
      const last = column.t.at(-1) ?? 0;
      if (t > last) {
        column.t.push(t);
        column.v.push(v);
        any = true;
      } else if (t === last) {
        column.v[column.v.length - 1] = v;
        any = true;
      }
    }
    if (!any || this.pending) return;
    this.pending = setTimeout(() => {
      this.pending = 0;
      if (!this.group.signal.aborted) this.drawLive();
    }, LIVE_PAUSE);
  }

  /** What uPlot draws: for each series its least, its most, and the line. */
  tables() {
    const step = this.level === null ? this.step : bucketSeconds(this.level);
    return this.series.map(({ paths, combine, factor }) => {
      const columns = paths.map((path) => this.data.get(path)).filter(Boolean);
      const one = columns.length === 1 ? columns[0] : combine === 'sum' ? summed(columns) : merged(columns);
      const gapped = withGaps(one, step ?? usualStep(one.t));
      const scale = (list) => (list && factor !== 1 ? list.map((v) => (v === null ? null : v * factor)) : list);
      const v = scale(gapped.v);
      return [gapped.t, scale(gapped.low) ?? v.map(() => undefined), scale(gapped.high) ?? v.map(() => undefined), v];
    });
  }

  draw() {
    const tables = this.tables();
    this.joined = tables.length ? uPlot.join(tables, tables.map((table) => table.map(() => EXPAND_NULLS))) : [[]];
    const count = tables.reduce((sum, [t]) => sum + t.length, 0);
    this.say(count ? null : 'No values in this range');
    if (this.uplot) this.uplot.setData(this.joined, true);
    else this.create();
    this.showLegend(null);
    this.describe();
  }

  create() {
    const width = this.plot.clientWidth;
    if (!width || !this.joined) return;
    this.uplot = new uPlot(plotOptions(this, width), this.joined, this.plot);
  }

  rebuild() {
    this.uplot?.destroy();
    this.uplot = null;
    this.create();
    for (const { swatch, colour: name } of this.series) swatch.style.background = colour(name);
  }

  resize() {
    const width = this.plot.clientWidth;
    if (!width) return;
    if (!this.uplot) this.create();
    else if (this.uplot.width !== width) this.uplot.setSize({ width, height: this.height });
  }

  showRange() {
    if (!this.uplot || !this.seen) return;
    const [min, max] = this.group.preview ?? this.group.range.bounds();
    this.uplot.setScale('x', { min, max });
  }

  mark(t) {
    this.marked = t;
    this.uplot?.redraw(false, false);
  }

  say(text) {
    this.message.hidden = !text;
    this.message.textContent = text ?? '';
  }

  buildLegend() {
    for (const one of this.series) {
      one.swatch = h('i', { css: { background: colour(one.colour) } });
      one.number = h('span.number');
      one.button = h('button', { type: 'button', 'aria-pressed': 'true', title: one.paths.length === 1 ? one.paths[0] : one.label, onclick: () => this.toggle(one) },
        one.swatch, h('b', one.label), one.number);
      this.legend.append(one.button);
    }
  }

  toggle(one) {
    if (this.series.length === 1) return;
    one.shown = !one.shown;
    one.button.setAttribute('aria-pressed', String(one.shown));
    const at = this.series.indexOf(one);
    this.uplot?.batch(() => {
      for (let part = 1; part <= 3; part += 1) this.uplot.setSeries(at * 3 + part, { show: one.shown });
    });
  }

  /** The values under the crosshair; the newest ones when there is none. */
  showLegend(index) {
    const at = index !== null && this.joined[0][index] !== undefined ? this.joined[0][index] : null;
    this.time.textContent = at === null ? (this.level === null ? '' : `average, least and most of ${spanName(this.level)}`) : dateTime(at);
    this.series.forEach((one, k) => {
      const column = this.joined[k * 3 + 3];
      let v = null;
      if (column && at !== null) v = near(column, index);
      else if (column) v = lastOf(column);
      one.number.textContent = formatValue(v ?? null, this.unit);
    });
  }

  bindKeys() {
    this.plot.addEventListener('keydown', (event) => {
      const { range } = this.group;
      const moves = {
        ArrowLeft: () => range.moved(-0.25), ArrowRight: () => range.moved(0.25), '+': () => range.zoomed(0.5), '=': () => range.zoomed(0.5), '-': () => range.zoomed(2),
      };
      if (event.key === 'Backspace') this.group.back();
      else if (moves[event.key] && !event.ctrlKey && !event.metaKey) this.group.setRange(moves[event.key]());
      else return;
      event.preventDefault();
    });
  }

  /** What a reader of the screen hears of a chart. */
  describe() {
    const [from, to] = this.group.range.bounds();
    const texts = this.series.map(({ label, number }) => `${label} ${number.textContent}`);
    this.plot.setAttribute('aria-label', `Chart: ${this.title}, ${dateMinute(from)} to ${clockSeconds(to)}. Newest: ${texts.join(', ')}. Arrow keys move, plus and minus zoom.`);
  }
}

const spanName = (level) => (level === 0 ? 'each hour' : `each ${bucketSeconds(level) / 3600} hours`);

function near(column, index) {
  // Series that are measured at other times have nothing right here: their last value before is meant.
  for (let i = index; i >= 0 && i > index - 12; i -= 1) {
    if (column[i] !== undefined) return column[i];
  }
  return null;
}

function lastOf(column) {
  for (let i = column.length - 1; i >= 0; i -= 1) if (column[i] !== null && column[i] !== undefined) return column[i];
  return null;
}

