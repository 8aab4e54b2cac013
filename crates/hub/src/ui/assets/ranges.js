// The range of time that charts show: the last so many seconds, which goes on by itself, or from here to there.

import { now } from './clock.js';
import { fill, h } from './dom.js';
import { dateMinute, fromInput, toInput, zone } from './format.js';
import { field, form } from './forms.js';
import { button, dialog, segmented } from './ui.js';

const PRESETS = [[900, '15 min'], [3600, '1 h'], [6 * 3600, '6 h'], [86400, '24 h'], [3 * 86400, '3 d'], [7 * 86400, '7 d'], [30 * 86400, '30 d'], [365 * 86400, '1 y']];
const SHORTEST = 60;
/** Values that fill less of a range than this look like nothing. */
const MUCH = 0.15;
const LONGEST = 20 * 365 * 86400;

export class Range {
  constructor({ last = 6 * 3600, from = null, to = null } = {}) {
    Object.assign(this, { last, from, to });
  }

  /** From an address: `last=3600`, or `from=…&to=…`. */
  static of(query, standard) {
    const [last, from, to] = ['last', 'from', 'to'].map((name) => Number(query.get(name)) || null);
    if (from && to && to > from) return new Range({ last: null, from, to });
    return new Range({ last: last && last >= SHORTEST && last <= LONGEST ? last : standard });
  }

  into(query) {
    ['last', 'from', 'to'].forEach((name) => query.delete(name));
    if (this.last) query.set('last', this.last);
    else {
      query.set('from', Math.round(this.from));
      query.set('to', Math.round(this.to));
    }
    return query;
  }

  get live() { return this.last !== null; }

  bounds() {
    return this.live ? [now() - this.last, now()] : [this.from, this.to];
  }

  between(from, to) {
    const present = now();
    const span = Math.min(LONGEST, Math.max(SHORTEST, to - from));
    // Nothing is in the future: what would reach into it stays at its side.
    if (from + span >= present) return new Range({ last: null, from: present - span, to: present });
    return new Range({ last: null, from: Math.max(1, from), to: Math.max(1, from) + span });
  }

  moved(part) {
    const [from, to] = this.bounds();
    const by = (to - from) * part;
    return this.between(from + by, to + by);
  }

  zoomed(factor, centre = null) {
    const [from, to] = this.bounds();
    if (this.live && centre === null) return new Range({ last: Math.round(Math.min(LONGEST, Math.max(SHORTEST, this.last * factor))) });
    const middle = centre ?? (from + to) / 2;
    return this.between(middle - (middle - from) * factor, middle + (to - middle) * factor);
  }
}

/** The shortest preset that shows all since `first`, when the range is nearly empty; else null. */
export function fitting(range, first) {
  const age = now() - first;
  if (!range.live || age > range.last * MUCH) return null;
  const [seconds] = PRESETS.find(([preset]) => preset >= age * 1.2) ?? [range.last];
  return seconds < range.last ? new Range({ last: seconds }) : null;
}

/** The bar above charts. `group` is a ChartGroup; the bar follows its range. */
export function rangeBar(group, ...more) {
  const presets = segmented('Range', PRESETS, group.range.last ?? '', (seconds) => group.setRange(new Range({ last: seconds })));
  const text = h('span.range-text', { 'aria-live': 'polite' });
  const step = (title, name, make) => button('', () => group.setRange(make(group.range)), { icon: name, title });
  const bar = h('div.range-bar', presets.element,
    h('div.button-group',
      step('Earlier', 'left', (range) => range.moved(-0.5)),
      step('Later', 'right', (range) => range.moved(0.5)),
      step('Zoom in', 'zoomIn', (range) => range.zoomed(0.5)),
      step('Zoom out', 'zoomOut', (range) => range.zoomed(2))),
    button('Dates …', () => askDates(group), { title: 'From one date to another' }), text, h('span.spacer'), more);
  const show = () => {
    const { range } = group;
    presets.set(range.last ?? '');
    const [from, to] = range.bounds();
    fill(text, range.live ? null : `${dateMinute(from)} – ${dateMinute(to)}`);
  };
  group.addEventListener('range', show);
  show();
  return bar;
}

function askDates(group) {
  const [from, to] = group.range.bounds();
  return dialog('Show from one date to another', (close) => {
    const input = (t) => h('input', { type: 'datetime-local', value: toInput(t) });
    const begin = field('From', input(from), { required: true });
    const end = field('To', input(to), {
      required: true, help: `Your time zone: ${zone}`,
      check: (value) => (fromInput(value) <= fromInput(begin.value()) ? 'The end has to be after the beginning.' : null),
    });
    return form({
      content: [begin.element, end.element], fields: () => [begin, end], submit: 'Show', cancel: () => close(),
      save: async () => {
        group.setRange(new Range().between(fromInput(begin.value()), fromInput(end.value())));
        close();
      },
    });
  });
}
