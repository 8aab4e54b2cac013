// How each protocol of a device does: who measures, with which credential, every sensor with its newest value, and
// what is wrong with it right there.

import { now } from '../clock.js';
import { fill, h, setText } from '../dom.js';
import { ago, dateTime, duration, value } from '../format.js';
import { can, inAccount, link } from '../session.js';
import { icon, notice, stateIcon } from '../ui.js';
import { hintFor, PROTOCOLS, protocolName } from './protocols.js';

/** A sensor is late when nothing came for so many intervals. */
const LATE = 3;
const SEEN_LATELY = 180;

export class SensorTable {
  constructor(page) {
    this.page = page;
    const { entity } = page;
    this.cards = Object.entries(entity.protocols ?? {}).map(([protocol, use]) => this.card(protocol, use));
    this.element = this.cards.length ? h('section', h('div.section-head', h('h2', 'How it is measured')), h('div.columns', this.cards.map(({ element }) => element))) : h('div');
    this.showProblems();
  }

  card(protocol, { credential, bot, sensors = [] }) {
    const { page } = this;
    const problem = h('div');
    const rows = page.model.sensors.filter((sensor) => sensor.protocol === protocol).map((sensor) => new SensorRow(sensor, page));
    const found = page.credentials.find(({ id }) => id === Number(credential));
    const credentialText = found ? (can('PUT', inAccount('credentials', found.id)) ? h('a', { href: link(`admin/credentials/${found.id}`) }, found.name) : found.name) : `credential ${credential}`;
    const element = h('div.card', h('div.card-head', h('h3', protocolName(protocol)), h('span.dim.small', PROTOCOLS[protocol] ? '' : 'a protocol that this page does not know')),
      h('div.card-body', problem,
        h('dl.facts', h('dt', 'Bot'), h('dd', this.bot(bot)), h('dt', 'Credential'), h('dd', credentialText)),
        sensors.length ? h('ul.sensor-rows', rows.map((row) => row.element)) : h('p.dim', 'No sensor is chosen: nothing is measured.')));
    return { protocol, element, problem, rows };
  }

  bot(id) {
    if (id === null || id === undefined) return 'any of this protocol';
    const bot = this.page.bots.find((one) => one.id === Number(id));
    if (!bot) return `bot ${id}`;
    const online = bot.last_login && now() - bot.last_login < SEEN_LATELY;
    return h('span.bot', stateIcon(online ? 'ok' : 'down'), bot.name, h('span.nowrap', { class: online ? 'dim' : 'state-down' }, bot.last_login ? `seen ${ago(bot.last_login)}` : 'never seen'));
  }

  showProblems() {
    for (const { protocol, problem } of this.cards) {
      const wrong = this.page.problems.filter((one) => one.protocol === protocol);
      fill(problem, wrong.map(({ error, since }) => notice('error', h('b', error), h('div', hintFor(protocol, error)), since ? h('div.small.dim', `since ${dateTime(since)}`) : null)));
    }
  }

  showLast() {
    for (const { rows } of this.cards) for (const row of rows) row.showLast();
  }
}

class SensorRow {
  constructor(sensor, page) {
    Object.assign(this, { sensor, page });
    this.paths = this.pathsOf();
    this.value = h('span.number');
    this.when = h('span.dim.small.nowrap');
    this.late = h('span.late', { hidden: true }, icon('warning'), 'late');
    this.element = h('li', h('span.sensor-name', sensor.name, h('span.dim.small', sensor.interval ? ` every ${duration(sensor.interval)}` : sensor.protocol === 'netflow' ? ' as it arrives' : ' no interval: never')), this.value, this.when, this.late);
  }

  pathsOf() {
    const { sensor, page } = this;
    const { ping } = page.model;
    if (sensor.protocol === 'ping') return [ping.success, ...ping.rtts].filter(Boolean);
    return sensor.rows.map(({ path }) => path);
  }

  showLast() {
    const { sensor, page } = this;
    let newest = null;
    for (const path of this.paths) {
      const one = page.last.get(path);
      if (one && (!newest || one.t > newest.t)) newest = { ...one, path };
    }
    if (!newest) {
      setText(this.value, '');
      setText(this.when, sensor.protocol === 'netflow' ? '' : 'no value yet');
      return;
    }
    setText(this.value, sensor.protocol === 'ping' ? value(page.last.get(this.paths[0])?.v, 'ratio') : this.paths.length > 1 ? `${this.paths.length} values` : value(newest.v * sensor.factor, sensor.unit));
    setText(this.when, ago(newest.t));
    this.late.hidden = !sensor.interval || now() - newest.t < sensor.interval * LATE + 30;
  }
}
