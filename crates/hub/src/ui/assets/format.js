// Numbers, units, durations and dates as people read them. Times are seconds since the epoch; dates are shown in the
// viewer's time zone and language.

import { now } from './clock.js';

const PREFIXES = [[1e15, 'P'], [1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k'], [1, '']];
const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;

/** Three significant digits, without trailing zeros. */
function digits(v) {
  const size = Math.abs(v);
  if (size === 0) return '0';
  if (size >= 100) return v.toFixed(0);
  return String(Number(v.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : 3)));
}

/** With an SI prefix: `12.3 kb/s`. */
function scaled(v, unit) {
  const size = Math.abs(v);
  if (size === 0) return unit ? `0 ${unit}` : '0';
  // Nobody says millibits: what is smaller than one is written out.
  const [factor, prefix] = PREFIXES.find(([one]) => size >= one * 0.9995) ?? PREFIXES.at(-1);
  const text = digits(v / factor);
  return prefix || unit ? `${text} ${prefix}${unit}` : text;
}

/** A value with its unit. Units are those of `unitOf`. */
export function value(v, unit = '') {
  if (v === null || v === undefined || !Number.isFinite(v)) return '–';
  switch (unit) {
    case 's': return seconds(v);
    case 'ratio': return `${digits(v * 100)} %`;
    case '%': return `${digits(v)} %`;
    case '°C': return `${digits(v)} °C`;
    case 'duration': return duration(v);
    case 'bit/s': return scaled(v, 'b/s');
    case 'B/s': return scaled(v, 'B/s');
    case 'B': return scaled(v, 'B');
    case '': return Math.abs(v) >= 1e-2 || v === 0 ? scaled(v, '') : tiny(v);
    default: return `${digitsOrScaled(v)} ${unit}`;
  }
}

/** 4.2 × 10⁻⁵ */
function tiny(v) {
  const [mantissa, exponent] = v.toExponential(1).split('e-');
  return `${mantissa} × 10⁻${[...exponent].map((digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[digit]).join('')}`;
}

const digitsOrScaled = (v) => (Math.abs(v) >= 1e4 ? scaled(v, '') : digits(v));

export const bits = (v) => value(v, 'bit/s');
export const bytes = (v) => value(v, 'B');
export const percent = (v) => value(v, 'ratio');
export const count = (n) => new Intl.NumberFormat().format(n);

/** A short time: 850 µs, 12.3 ms, 1.5 s. */
function seconds(v) {
  const size = Math.abs(v);
  if (size === 0) return '0 ms';
  if (size < 1e-3) return `${digits(v * 1e6)} µs`;
  if (size < 1) return `${digits(v * 1e3)} ms`;
  return `${digits(v)} s`;
}

/** A long time: 45 s, 12 min, 3 h 5 min, 12 d 4 h. */
export function duration(v) {
  if (v < 0) return `-${duration(-v)}`;
  if (v < MINUTE) return `${Math.round(v)} s`;
  if (v < HOUR) return `${Math.round(v / MINUTE)} min`;
  if (v < DAY) return pair(v, HOUR, 'h', MINUTE, 'min');
  return pair(v, DAY, 'd', HOUR, 'h');
}

function pair(v, big, bigName, small, smallName) {
  const whole = Math.floor(v / big);
  const rest = Math.floor((v - whole * big) / small);
  return rest && whole < 100 ? `${whole} ${bigName} ${rest} ${smallName}` : `${whole} ${bigName}`;
}

/** How long ago: "now", "12 s ago", "3 h ago"; a date when it is long ago. */
export function ago(t, time = now()) {
  if (!t) return 'never';
  const past = time - t;
  if (past < 5) return 'now';
  if (past < MINUTE) return `${Math.floor(past)} s ago`;
  if (past < HOUR) return `${Math.floor(past / MINUTE)} min ago`;
  if (past < 2 * DAY) return `${Math.floor(past / HOUR)} h ago`;
  if (past < 14 * DAY) return `${Math.floor(past / DAY)} d ago`;
  return date(t);
}

const formats = {
  date: new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' }),
  full: new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' }),
  minute: new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short', hourCycle: 'h23' }),
  clock: new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
  clockSeconds: new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }),
  day: new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' }),
  month: new Intl.DateTimeFormat(undefined, { month: 'short', year: 'numeric' }),
};

const at = (t) => new Date(t * 1000);
export const date = (t) => formats.date.format(at(t));
export const dateTime = (t) => formats.full.format(at(t));
export const dateMinute = (t) => formats.minute.format(at(t));
export const clock = (t) => formats.clock.format(at(t));
export const clockSeconds = (t) => formats.clockSeconds.format(at(t));

/** A tick of a time axis whose ticks are `step` seconds apart. */
export function tick(t, step) {
  const when = at(t);
  const midnight = when.getHours() === 0 && when.getMinutes() === 0 && when.getSeconds() === 0;
  if (step >= 28 * DAY) return formats.month.format(when);
  if (step >= DAY || midnight) return formats.day.format(when);
  return step < MINUTE ? formats.clockSeconds.format(when) : formats.clock.format(when);
}

/** For `<input type=datetime-local>`, in the viewer's time zone. */
export function toInput(t) {
  const when = at(t - at(t).getTimezoneOffset() * 60);
  return when.toISOString().slice(0, 16);
}
export const fromInput = (text) => new Date(text).getTime() / 1000;

/** The name of the viewer's time zone. */
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A segment of a path as people write it: `10%2e0%2e0%2e1` is 10.0.0.1. */
export const unescapeSegment = (segment) => segment.replaceAll('%2e', '.').replaceAll('%3a', ':');
