// The interfaces of a device, busiest first; each opens into its chart.

import { Chart } from '../charts.js';
import { now } from '../clock.js';
import { h, setText } from '../dom.js';
import { bits, percent } from '../format.js';
import { icon } from '../ui.js';
import { freshFor } from './device_model.js';

const MANY = 12;

export class InterfaceList {
  constructor(page) {
    const { model, group } = page;
    this.page = page;
    // Which are open outlasts that the list is built anew.
    page.openInterfaces ??= null;
    // What was measured long ago is no rate of now.
    const newest = (path) => {
      const last = page.last.get(path);
      return last && now() - last.t <= freshFor(model) ? last.v : null;
    };
    this.rows = model.interfaces.map((one) => new InterfaceRow(one, group, newest, () => this.remember()));
    this.element = this.rows.length ? this.build() : null;
  }

  build() {
    for (const row of this.rows) row.showLast();
    this.rows.sort((a, b) => b.load - a.load);
    const { openInterfaces: open } = this.page;
    for (const [at, row] of this.rows.entries()) if (open ? open.has(row.one.key) : at === 0) row.toggle(true);
    const list = h('div.interfaces.card', h('div.interface-head', { 'aria-hidden': 'true' }, ['Interface', 'Speed', 'In', 'Out'].map((name) => h('span', name))), this.rows.map(({ element }) => element));
    const search = h('input', { type: 'search', placeholder: 'Find an interface', 'aria-label': 'Find an interface', oninput: () => this.find(search.value.trim().toLowerCase()) });
    return h('section', h('div.section-head', h('h2', 'Interfaces'), h('span.dim', `${this.rows.length}, busiest first`), h('span.spacer'), this.rows.length > MANY ? h('div.small-search', search) : null), list);
  }

  remember() {
    this.page.openInterfaces = new Set(this.rows.filter((row) => !row.panel.hidden).map(({ one }) => one.key));
  }

  find(text) {
    for (const row of this.rows) row.element.hidden = !row.haystack.includes(text);
  }

  showLast() {
    for (const row of this.rows) row.showLast();
  }
}

class InterfaceRow {
  constructor(one, group, newest, toggled) {
    Object.assign(this, { one, group, newest, load: 0 });
    this.haystack = [one.name, one.short, one.alias].join(' ').toLowerCase();
    this.in = meter('in', '--c1');
    this.out = meter('out', '--c2');
    const measured = Boolean(one.in || one.out);
    this.button = h('button.interface', { type: 'button', 'aria-expanded': 'false', disabled: !measured, onclick: () => { this.toggle(); toggled(); } },
      h('span.interface-name', measured ? icon('right') : null, h('b', one.name), one.alias || one.short ? h('span.dim', one.alias || one.short) : null),
      h('span.dim.number', one.speed ? bits(one.speed) : ''), measured ? this.in.element : h('span.dim', 'no traffic sensor'), measured ? this.out.element : h('span'));
    this.panel = h('div.interface-panel', { hidden: true });
    this.element = h('div', this.button, this.panel);
  }

  toggle(open = this.panel.hidden) {
    this.panel.hidden = !open;
    this.button.setAttribute('aria-expanded', String(open));
    if (!open) {
      this.chart?.destroy();
      this.panel.replaceChildren();
      return;
    }
    const { one } = this;
    const line = (label, path) => (path ? [{ label, paths: [path], factor: one.factors[label], colour: label === 'in' ? '--c1' : '--c2' }] : []);
    this.chart = new Chart(this.group, { title: one.alias ? `${one.name}: ${one.alias}` : one.name, unit: 'bit/s', bottom: 0, bare: true, height: 190, series: [...line('in', one.in), ...line('out', one.out)] });
    this.panel.append(this.chart.element);
  }

  showLast() {
    const { one } = this;
    const rate = (direction) => {
      const v = one[direction] ? this.newest(one[direction]) : null;
      return v === null ? null : v * one.factors[direction];
    };
    const [incoming, outgoing] = [rate('in'), rate('out')];
    this.load = Math.max(incoming ?? -1, outgoing ?? -1);
    this.in.show(incoming, one.speed);
    this.out.show(outgoing, one.speed);
  }
}

/** A rate, and how much of the line's speed that is. */
function meter(name, colour) {
  const number = h('span.number');
  const fillBar = h('i', { css: { background: `var(${colour})` } });
  const track = h('span.meter-track', fillBar);
  const element = h('span.meter', h('span.sr', `${name} `), number, track);
  return {
    element,
    show(v, speed) {
      setText(number, bits(v));
      const part = v !== null && speed ? Math.min(1, v / speed) : null;
      track.hidden = part === null;
      if (part === null) return;
      fillBar.style.width = `${Math.max(part * 100, v > 0 ? 1 : 0)}%`;
      element.title = `${percent(part)} of ${bits(speed)}`;
    },
  };
}
