// How a chart looks and what the pointer does in it, as uPlot wants to be told.

import { tick, value as formatValue } from './format.js';
import { colour } from './sparkline.js';

/** Whole pixels: uPlot scales them for the screen. */
const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';
/** Ticks of times that people would choose, in seconds. */
const STEPS = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000, 7776000, 31536000];

const withAlpha = (text, alpha) => `color-mix(in srgb, ${text} ${alpha * 100}%, transparent)`;

export function plotOptions(chart, width) {
  const { group } = chart;
  const text = colour('--chart-text');
  const grid = { stroke: colour('--chart-grid'), width: 1 };
  const series = [{}];
  const bands = [];
  chart.series.forEach((one, at) => {
    const line = colour(one.colour);
    const show = one.shown;
    series.push({ stroke: null, width: 0, points: { show: false }, show }, { stroke: null, width: 0, points: { show: false }, show });
    series.push({
      label: one.label, show, stroke: line, width: 1.5, spanGaps: false,
      fill: chart.series.length === 1 ? withAlpha(line, 0.08) : null,
      points: { show: false, filter: alone, size: 4, fill: line, stroke: line },
    });
    bands.push({ series: [at * 3 + 2, at * 3 + 1], fill: withAlpha(line, 0.16) });
  });
  return {
    width, height: chart.height, series, bands,
    padding: [8, 16, 0, 0],
    legend: { show: false },
    scales: { x: { time: true, auto: false, range: () => group.preview ?? group.range.bounds() }, y: { range: (u, min, max) => verticalRange(chart, min, max) } },
    axes: [
      { stroke: text, font: FONT, grid, ticks: { ...grid, size: 4 }, size: 26, gap: 4, space: 62, incrs: STEPS, values: (u, splits, axis, space, step) => splits.map((t) => tick(t, step)) },
      { stroke: text, font: FONT, grid, ticks: { show: false }, size: (u, values) => axisWidth(u, values), gap: 6, space: 34, incrs: chart.unit === 'duration' ? [1, 10, 60, 600, 3600, 21600, 86400, 604800, 2592000, 31536000] : undefined, values: (u, splits) => splits.map((v) => formatValue(v, chart.unit)) },
    ],
    cursor: {
      sync: { key: group.key, setSeries: false, scales: ['x', null] },
      drag: { x: true, y: false, setScale: false },
      points: { size: 7, width: 1.5, show: (u, k) => (k > 0 && k % 3 === 0 ? document.createElement('div') : undefined) },
      bind: { mousedown: (u, target, handler) => (event) => (event.button === 0 && event.shiftKey ? pan(u, chart, event) : handler(event)), dblclick: () => () => { group.back(); } },
    },
    hooks: {
      setCursor: [(u) => chart.showLegend(u.cursor.idx ?? null)],
      setSelect: [(u) => select(u, group)],
      draw: [(u) => drawMark(u, chart.marked)],
      ready: [(u) => bindPointer(u, chart)],
    },
  };
}

/** Values with no neighbour would be invisible: they are drawn as points. What is undefined belongs to other series. */
function alone(u, k) {
  const column = u.data[k];
  const found = [];
  let run = 0;
  let last = 0;
  for (let i = 0; i <= column.length; i += 1) {
    const v = i === column.length ? null : column[i];
    if (v === null) {
      if (run === 1) found.push(last);
      run = 0;
    } else if (v !== undefined) {
      run += 1;
      last = i;
    }
  }
  return found.length ? found : null;
}

function verticalRange({ top, bottom }, least, most) {
  if (least === null || most === null || least === undefined) return [bottom ?? 0, top ?? 1];
  let low = bottom ?? Math.min(0, least);
  let high = top ?? most;
  // What hardly moves far from 0, such as a temperature, is shown where it is.
  if (bottom === null && least > 0 && most - least < most * 0.25) low = Math.max(0, least - (most - least || most * 0.1) * 0.6);
  if (top === null) high += (high - low) * 0.08;
  if (high <= low) high = low + Math.max(Math.abs(low) * 0.1, 1e-9);
  return [low, high];
}

/** As wide as the longest of its texts. */
function axisWidth(u, values) {
  if (!values) return 50;
  const longest = values.reduce((a, b) => (b.length > a.length ? b : a), '');
  u.ctx.font = FONT.replace('12px', `${12 * devicePixelRatio}px`);
  return Math.max(u.width < 480 ? 48 : 64, Math.ceil(u.ctx.measureText(longest).width / devicePixelRatio) + 14);
}

function drawMark(u, t) {
  if (t === null) return;
  const x = Math.round(u.valToPos(t, 'x', true));
  const { left, top, width, height } = u.bbox;
  if (x < left || x > left + width) return;
  u.ctx.save();
  u.ctx.strokeStyle = colour('--c2');
  u.ctx.lineWidth = 2 * devicePixelRatio;
  u.ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  u.ctx.beginPath();
  u.ctx.moveTo(x, top);
  u.ctx.lineTo(x, top + height);
  u.ctx.stroke();
  u.ctx.restore();
}

function select(u, group) {
  const { left, width } = u.select;
  if (width < 4) return;
  const [from, to] = [u.posToVal(left, 'x'), u.posToVal(left + width, 'x')];
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  group.setRange(group.range.between(from, to));
}

function pan(u, chart, begin) {
  const { group } = chart;
  const [from, to] = group.range.bounds();
  const perPixel = (to - from) / u.over.clientWidth;
  let { range } = group;
  chart.plot.classList.add('panning');
  const move = (event) => {
    const by = (begin.clientX - event.clientX) * perPixel;
    range = group.range.between(from + by, to + by);
    group.preview = range.bounds();
    group.charts.forEach((one) => one.showRange());
  };
  const end = () => {
    document.removeEventListener('mousemove', move);
    chart.plot.classList.remove('panning');
    group.preview = null;
    if (range !== group.range) group.setRange(range);
  };
  document.addEventListener('mousemove', move);
  document.addEventListener('mouseup', end, { once: true });
}

function bindPointer(u, chart) {
  const { group } = chart;
  u.over.addEventListener('wheel', (event) => {
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const rect = u.over.getBoundingClientRect();
      group.setRange(group.range.zoomed(event.deltaY > 0 ? 1.25 : 0.8, u.posToVal(event.clientX - rect.left, 'x')));
    } else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      event.preventDefault();
      group.setRange(group.range.moved(sideways / u.over.clientWidth), { remember: false });
    }
  }, { passive: false });
  // A finger moves the crosshair; up and down scrolls the page.
  const touch = (event) => {
    const [finger] = event.touches;
    if (!finger) return;
    const rect = u.over.getBoundingClientRect();
    u.setCursor({ left: finger.clientX - rect.left, top: 10 });
  };
  u.over.addEventListener('touchstart', touch, { passive: true });
  u.over.addEventListener('touchmove', touch, { passive: true });
}

