// Thousands of rows, of which only those on the screen exist. Rows are used again while the page scrolls; a row is
// written only where its device has changed, at most once per frame.

import { fill, h, onFrame, setText } from '../dom.js';
import { ago, bits, percent, value } from '../format.js';
import { link } from '../session.js';
import { colour, drawSparkline } from '../sparkline.js';
import { themeChanged } from '../theme.js';
import { setStateIcon, stateIcon } from '../ui.js';

const WIDE = 44;
const NARROW = 66;
/** Rows beyond the screen that are there already. */
const OVERSCAN = 6;
const SPARK_HEIGHT = 26;
const narrow = matchMedia('(max-width: 860px)');
const sparkWidth = () => (narrow.matches ? 60 : 92);

export class DeviceList {
  constructor(signal) {
    this.items = [];
    this.rows = [];
    this.body = h('div.device-rows', { role: 'rowgroup' });
    this.instead = h('div', { hidden: true });
    this.head = h('div.device-head', { role: 'row' }, ['State', 'Device', 'Problem', 'Ping', 'Round trip', 'Traffic', 'Last seen'].map((name) => h('div', { role: 'columnheader' }, name === 'State' ? h('span.sr', name) : name)));
    this.table = h('div.device-table.card', { role: 'table', 'aria-label': 'Devices' }, this.head, this.body);
    this.element = h('div', this.table, this.instead);
    const place = onFrame(() => this.place());
    window.addEventListener('scroll', place, { signal, passive: true });
    window.addEventListener('resize', place, { signal });
    narrow.addEventListener('change', () => { this.show(this.items); this.refresh(true); }, { signal });
    themeChanged.addEventListener('change', () => this.refresh(true), { signal });
  }

  show(items) {
    this.items = items;
    this.height = narrow.matches ? NARROW : WIDE;
    this.table.hidden = items.length === 0;
    this.instead.hidden = items.length > 0;
    this.table.setAttribute('aria-rowcount', String(items.length + 1));
    this.body.style.height = `${items.length * this.height}px`;
    this.place();
  }

  showInstead(content) {
    fill(this.instead, content);
  }

  /** Gives the rows on the screen to their devices. A row keeps its device where it can. */
  place() {
    if (!this.items.length || !this.body.isConnected) {
      for (const row of this.rows) row.free();
      return;
    }
    const top = this.body.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / this.height) - OVERSCAN);
    const last = Math.min(this.items.length, Math.ceil((window.innerHeight - top) / this.height) + OVERSCAN);
    const wanted = new Map();
    for (let at = first; at < last; at += 1) wanted.set(this.items[at], at);
    const free = [];
    let moved = false;
    for (const row of this.rows) {
      if (row.item && wanted.has(row.item)) {
        moved = row.move(wanted.get(row.item), this.height) || moved;
        wanted.delete(row.item);
      } else if (row.element.contains(document.activeElement)) {
        // What has the focus is not taken away.
        moved = row.park(this.items.indexOf(row.item), this.height) || moved;
      } else {
        free.push(row);
      }
    }
    for (const [item, at] of wanted) {
      const row = free.pop() ?? this.more();
      row.item = item;
      moved = row.move(at, this.height) || moved;
      row.write();
    }
    for (const row of free) row.free();
    if (moved) this.arrange();
    this.refresh();
  }

  /** Puts rows into the order in which they are seen: the keyboard goes by it. As few as can be are moved. */
  arrange() {
    const { body } = this;
    const byElement = new Map(this.rows.filter(({ item }) => item).map((row) => [row.element, row]));
    const there = [...body.children].map((element) => byElement.get(element)).filter(Boolean);
    if (there.every(({ top }, at) => at === 0 || there[at - 1].top < top)) return;
    const staying = longestRising(there);
    let next = null;
    for (const row of [...there].sort((a, b) => b.top - a.top)) {
      if (!staying.has(row)) body.insertBefore(row.element, next);
      next = row.element;
    }
  }

  more() {
    const row = new Row();
    this.rows.push(row);
    this.body.append(row.element);
    return row;
  }

  /** Writes the rows whose devices have changed, or all of them. */
  refresh(all = false) {
    for (const row of this.rows) {
      if (!row.item) continue;
      if (row.item.dirty || all) row.write();
    }
  }
}

/** The most rows that are in their order already; the one with the focus is among them, as moving it would lose it. */
function longestRising(rows) {
  const best = rows.map(() => 0);
  const before = rows.map(() => -1);
  let end = -1;
  rows.forEach(({ top, element }, at) => {
    for (let k = 0; k < at; k += 1) {
      if (rows[k].top < top && best[k] > best[at]) {
        best[at] = best[k];
        before[at] = k;
      }
    }
    best[at] += element.contains(document.activeElement) ? rows.length : 1;
    if (end < 0 || best[at] > best[end]) end = at;
  });
  const kept = new Set();
  for (let at = end; at >= 0; at = before[at]) kept.add(rows[at]);
  return kept;
}

class Row {
  constructor() {
    this.item = null;
    this.icon = stateIcon('unknown');
    this.name = h('a.device-name');
    this.address = h('span.dim.device-address');
    this.problem = h('div.device-problem', { role: 'cell' });
    this.success = h('div.number.device-success', { role: 'cell' });
    this.rtt = h('span.number');
    this.rttSpark = h('canvas.spark', { 'aria-hidden': 'true' });
    this.in = h('span.number');
    this.out = h('span.number');
    this.trafficSpark = h('canvas.spark', { 'aria-hidden': 'true' });
    this.traffic = h('div.device-traffic', { role: 'cell' }, h('span.in-out', h('span', h('i.arrow.in', { title: 'in' }, '↓'), this.in), h('span', h('i.arrow.out', { title: 'out' }, '↑'), this.out)), this.trafficSpark);
    this.seen = h('div.number.dim.device-seen', { role: 'cell' });
    this.element = h('div.device-row', { role: 'row', onclick: (event) => { if (!event.target.closest('a') && !getSelection().toString()) this.name.click(); } },
      h('div.device-state', { role: 'cell' }, this.icon), h('div.device-title', { role: 'cell' }, this.name, this.address), this.problem, this.success,
      this.rttCell = h('div.device-rtt', { role: 'cell' }, this.rtt, this.rttSpark), this.traffic, this.seen);
  }

  /** Says whether it was elsewhere. */
  move(at, height) {
    this.element.hidden = false;
    const top = at * height;
    if (this.top === top) return false;
    this.top = top;
    this.element.style.transform = `translateY(${top}px)`;
    this.element.setAttribute('aria-rowindex', String(at + 2));
    return true;
  }

  park(at, height) {
    return at >= 0 && this.move(at, height);
  }

  free() {
    this.item = null;
    this.element.hidden = true;
  }

  write() {
    const { item } = this;
    item.dirty = false;
    this.sizeSparks();
    if (this.state !== item.state) {
      this.state = item.state;
      setStateIcon(this.icon, item.state);
      this.element.dataset.state = item.state;
    }
    setText(this.name, item.name);
    if (this.id !== item.id) {
      this.id = item.id;
      this.name.href = link(`device/${item.id}`);
    }
    setText(this.address, item.address && item.address !== item.name ? item.address : '');
    setText(this.problem, item.problem ?? (item.state === 'down' ? 'does not answer' : item.state === 'off' ? 'nothing is measured' : ''));
    this.problem.title = item.problem ?? '';
    setText(this.seen, item.last_seen ? ago(item.last_seen) : item.state === 'off' ? '' : 'never');
    this.writePing(item.ping);
    this.writeTraffic(item.traffic);
  }

  sizeSparks() {
    const width = sparkWidth();
    if (this.width === width) return;
    this.width = width;
    for (const canvas of [this.rttSpark, this.trafficSpark]) Object.assign(canvas.style, { width: `${width}px`, height: `${SPARK_HEIGHT}px` });
  }

  writePing(ping) {
    setText(this.success, ping ? percent(ping.success) : '');
    this.success.dataset.state = !ping || ping.success === 1 ? '' : ping.success === 0 ? 'down' : 'warning';
    setText(this.rtt, ping ? value(ping.rtt, 's') : '');
    this.rttSpark.hidden = !ping?.rtts?.length;
    if (ping?.rtts?.length) drawSparkline(this.rttSpark, [{ values: ping.rtts, colour: colour('--spark'), fill: colour('--spark-fill') }], this.width, SPARK_HEIGHT);
  }

  writeTraffic(traffic) {
    this.traffic.dataset.empty = String(!traffic);
    setText(this.in, traffic ? bits(traffic.in) : '');
    setText(this.out, traffic ? bits(traffic.out) : '');
    this.trafficSpark.hidden = !traffic?.ins?.length;
    if (traffic?.ins?.length) {
      drawSparkline(this.trafficSpark, [
        { values: traffic.ins, colour: colour('--spark'), fill: colour('--spark-fill') },
        { values: traffic.outs, colour: colour('--spark-2') },
      ], this.width, SPARK_HEIGHT);
    }
  }
}

