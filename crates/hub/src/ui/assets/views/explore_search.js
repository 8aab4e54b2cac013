// Finds paths: by a filter (`?` is one segment, `*` is many), by a part of a segment, or by the name of a device.

import { api, query as search } from '../api.js';
import { debounce, fill, h } from '../dom.js';
import { inAccount } from '../session.js';
import { icon, notice } from '../ui.js';
import { partsOf } from './explore_names.js';

const SHOWN = 300;
const MOST_DEVICES = 8;
const FILTER = /^([a-zA-Z0-9_%-]+|[*?])([.]([a-zA-Z0-9_%-]+|[*?]))*$/;
const EXAMPLES = [['entity.?.ping.success', 'answered pings of all devices'], ['entity.?.snmp.if.*', 'traffic of all interfaces'], ['netflow.1min.?.entity.?', 'flows by device'], ['system.*', 'what the hub itself counts']];

export class PathSearch {
  constructor({ entities, chosen, signal, filter, onToggle, most }) {
    Object.assign(this, { entities, chosen, signal, onToggle, most });
    this.input = h('input.mono', { type: 'search', value: filter, placeholder: 'device, rtt, or entity.?.ping.*', 'aria-label': 'Search paths', spellcheck: 'false', autocapitalize: 'off', oninput: debounce(() => this.find(), 200) });
    this.status = h('p.dim.small', { role: 'status' });
    this.list = h('ul.path-list', { 'aria-label': 'Paths found' });
    this.element = h('div.card.path-search', h('div.search', icon('search'), this.input), this.status, this.list);
  }

  start() {
    if (!this.chosen.size) this.input.focus({ preventScroll: true });
    return this.find();
  }

  async find() {
    const text = this.input.value.trim();
    const turn = (this.turn = (this.turn ?? 0) + 1);
    if (!text) {
      this.paths = null;
      fill(this.status, 'Such as:');
      fill(this.list, EXAMPLES.map(([filter, what]) => h('li', h('button.path-example', { type: 'button', onclick: () => { this.input.value = filter; this.find(); this.input.focus(); } }, h('span.mono', filter), h('span.dim.small', what)))));
      return;
    }
    const filters = this.filtersOf(text);
    if (!filters) {
      fill(this.status, notice('warning', 'A filter is segments joined by dots: ', h('code', '?'), ' stands for one, ', h('code', '*'), ' for many.'));
      return;
    }
    try {
      const answer = await api.get(inAccount('paths') + search({ filter: filters.join(','), limit: SHOWN, failover_trailing: /[?*]/.test(text) ? null : 'true' }), { signal: this.signal });
      if (turn !== this.turn) return;
      const found = Object.values(Object.keys(answer.paths).length ? answer.paths : answer.paths_with_trailing ?? {}).flat().map(({ path }) => path);
      this.paths = [...new Set(found)].slice(0, SHOWN);
      this.show(answer.limit_reached || found.length > SHOWN);
    } catch (error) {
      if (error.name !== 'AbortError' && turn === this.turn) fill(this.status, notice('error', error.message));
    }
  }

  /** The filters that a text means; null when it can be none. */
  filtersOf(text) {
    if (/[?*]/.test(text)) return FILTER.test(text) ? [text] : null;
    const devices = [...this.entities.values()].filter(({ name, entity_type: type, details }) => type === 'device' && (name.toLowerCase().includes(text.toLowerCase()) || details?.ipv4 === text)).slice(0, MOST_DEVICES);
    const byDevice = devices.map(({ id }) => `entity.${id}.*`);
    if (!FILTER.test(text)) return byDevice.length ? byDevice : null;
    // A whole segment anywhere, or the beginning of a path.
    return [...byDevice, text, `${text}.*`, `*.${text}`, `*.${text}.*`];
  }

  show(more) {
    const { paths } = this;
    fill(this.status, paths.length ? `${more ? 'the first ' : ''}${paths.length} ${paths.length === 1 ? 'path' : 'paths'}${more ? ': search for more of it to see less' : ''}` : 'Nothing found. A part of a name is enough for devices; of a path, a whole segment or its beginning.');
    this.boxes = new Map();
    const rest = paths.filter((path) => !this.chosen.has(path));
    if (!more && rest.length > 1 && rest.length + this.chosen.size <= this.most) this.status.append(' ', h('button.as-link', { type: 'button', onclick: () => rest.forEach((path) => this.onToggle(path, true)) }, 'Show all of them'));
    fill(this.list, paths.map((path) => {
      const box = h('input', { type: 'checkbox', checked: this.chosen.has(path), onchange: () => { if (!this.onToggle(path, box.checked)) box.checked = false; } });
      this.boxes.set(path, box);
      const parts = partsOf(path, this.entities);
      return h('li', h('label.path', { title: path }, box, h('span', parts.map((part, at) => [at ? h('span.dim', ' · ') : null, part]))));
    }));
  }

  mark() {
    for (const [path, box] of this.boxes ?? []) box.checked = this.chosen.has(path);
  }
}
