// The charts of a device, by what they show. Each function gives sections; none where there is nothing.

import { Chart } from '../charts.js';
import { h } from '../dom.js';
import { link } from '../session.js';
import { unitOfPath } from './device_model.js';

/** Lines that can be told from each other in one chart. */
const MOST_LINES = 12;
const BITS_OF_A_MINUTE = 8 / 60;

const section = (title, more, ...content) => h('section', h('div.section-head', h('h2', title), more), content);

export function pingCharts({ model: { ping }, group }) {
  if (!ping.rtts.length && !ping.success) return [];
  const charts = [];
  if (ping.rtts.length) {
    charts.push(new Chart(group, {
      title: 'Round trip', unit: 's', bottom: 0, height: 190, help: 'The mean of the packets of each run; the band is from the fastest to the slowest.',
      series: [{ label: 'mean of the packets', paths: ping.rtts }],
    }));
  }
  if (ping.success) {
    charts.push(new Chart(group, { title: 'Answered', unit: 'ratio', bottom: 0, top: 1.02, height: ping.rtts.length ? 190 : 120, series: [{ label: 'answered packets', paths: [ping.success], colour: '--c3' }] }));
  }
  return section('Ping', null, h('div.chart-grid.ping', charts.map(({ element }) => element)));
}

export function netflowCharts({ entity, group }) {
  if (!entity.protocols?.netflow) return [];
  const path = (direction) => `netflow.1min.${direction}.entity.${entity.id}`;
  const chart = new Chart(group, {
    title: 'Flows', unit: 'bit/s', bottom: 0, step: 60,
    series: [{ label: 'in', paths: [path('ingress')], factor: BITS_OF_A_MINUTE }, { label: 'out', paths: [path('egress')], factor: BITS_OF_A_MINUTE }],
  });
  return section('NetFlow', h('a', { href: link('traffic', { device: entity.id }) }, 'Who talks to whom'), chart.element);
}

export function sensorCharts({ model, group }) {
  const charts = model.sensors.filter(({ rows, direction }) => rows.length && !direction).map((sensor) => {
    const shown = sensor.rows.slice(0, MOST_LINES);
    const chart = new Chart(group, {
      title: sensor.name, unit: sensor.unit, step: sensor.interval,
      series: shown.map(({ path, label }) => ({ label, paths: [path], factor: sensor.factor })),
    });
    const rest = sensor.rows.length - shown.length;
    return h('div', chart.element, rest ? h('p.dim.small', `The first ${shown.length} of ${sensor.rows.length} rows. `, h('a', { href: link('explore', { p: sensor.rows.map(({ path }) => path).slice(0, 40) }) }, 'More in Explore')) : null);
  });
  return charts.length ? section('Sensors', null, h('div.chart-grid', charts)) : [];
}

/** What no sensor explains: those that were removed, and what other programs have stored. */
export function otherCharts({ model, group, id }) {
  const paths = [...model.other, ...model.ping.more];
  if (!paths.length) return [];
  const bundles = new Map();
  for (const path of paths) {
    const stem = path.split('.').slice(2, -1).join('.') || 'values';
    bundles.set(stem, [...(bundles.get(stem) ?? []), path]);
  }
  const charts = [...bundles].slice(0, 24).map(([stem, list]) => new Chart(group, {
    title: stem, unit: unitOfPath(list[0]),
    series: list.slice(0, MOST_LINES).map((path) => ({ label: path.split('.').at(-1), paths: [path] })),
  }).element);
  return h('section', h('details', { open: !model.ping.rtts.length && !model.interfaces.length }, h('summary', `Other values (${paths.length})`),
    h('div.chart-grid', charts), h('p', h('a', { href: link('explore', { p: `entity.${id}.*` }) }, 'All in Explore'))));
}
