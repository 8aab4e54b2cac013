// Values of paths in a range: raw where the range is short, else roll-ups of the level that a chart can show.

import { now } from './clock.js';
import { api } from './api.js';
import { inAccount } from './session.js';

const HOUR = 3600;
const DAY = 86400;
/** Up to this range, raw values are read. */
const RAW_RANGE = 3 * DAY + HOUR;
/** Buckets that a chart shows at most: about one per pixel. */
const MOST_BUCKETS = 800;
const LAST_LEVEL = 6;
/** Raw values of one path in one answer, at most. */
const MOST_VALUES = 100000;
/** Paths in one request. */
const MOST_PATHS = 60;

/** The level for a range: null is raw, n is buckets of 3^n hours. Raw values are kept for `rawDays`. */
export function levelFor(from, to, rawDays = null) {
  const span = to - from;
  const kept = rawDays === null || from >= now() - rawDays * DAY;
  if (span <= RAW_RANGE && kept) return null;
  for (let level = 0; level < LAST_LEVEL; level += 1) {
    if (span / HOUR / 3 ** level <= MOST_BUCKETS) return level;
  }
  return LAST_LEVEL;
}

export const bucketSeconds = (level) => 3 ** level * HOUR;

/** Charts that ask in the same moment for the same range share a request. */
const waiting = new Map();

/**
 * The values of `paths`, a Map from path to `{ t, v, low, high }` (arrays; `low` and `high` only of roll-ups).
 * A path that has no values is there with empty arrays.
 */
export function read(paths, from, to, level) {
  const key = `${inAccount()}|${from}|${to}|${level}`;
  let batch = waiting.get(key);
  if (!batch) {
    batch = { paths: new Set() };
    batch.answer = new Promise((resolve) => { setTimeout(resolve, 5); }).then(() => {
      waiting.delete(key);
      return ask([...batch.paths], from, to, level);
    });
    waiting.set(key, batch);
  }
  paths.forEach((path) => batch.paths.add(path));
  return batch.answer.then((all) => new Map(paths.map((path) => [path, all.get(path)])));
}

async function ask(paths, from, to, level) {
  const parts = [];
  for (let at = 0; at < paths.length; at += MOST_PATHS) parts.push(paths.slice(at, at + MOST_PATHS));
  const answers = await Promise.all(parts.map((part) => askPart(part, from, to, level)));
  return new Map(answers.flatMap((answer) => [...answer]));
}

async function askPart(paths, from, to, level) {
  // A bucket that began before the range shows in it.
  const t0 = level === null ? from : from - bucketSeconds(level);
  const question = { p: paths.join(','), t0: Math.max(1, Math.floor(t0)), t1: Math.ceil(to), limit: MOST_VALUES };
  const route = level === null ? 'getvalues' : 'getaggrvalues';
  if (level !== null) question.a = level;
  let answer;
  try {
    answer = await api.post(inAccount(route), question);
  } catch (error) {
    // A path that nothing was ever stored under: where that is an error, the others are asked alone.
    if (error.status !== 404 || paths.length === 1) {
      if (error.status === 404) return new Map([[paths[0], columns([])]]);
      throw error;
    }
    const each = await Promise.all(paths.map((path) => askPart([path], from, to, level)));
    return new Map(each.flatMap((one) => [...one]));
  }
  const cut = level === null && Object.values(answer.paths).some(({ next_data_point: next }) => next !== null);
  // More raw values than one answer holds: hours tell as much on a screen.
  if (cut) return askPart(paths, from, to, 0);
  return new Map(paths.map((path) => [path, columns(answer.paths[path]?.data ?? [])]));
}

function columns(data) {
  const rolled = data.length > 0 && data[0].minv !== undefined;
  return {
    t: data.map(({ t }) => t),
    v: data.map(({ v }) => v),
    low: rolled ? data.map(({ minv }) => minv) : null,
    high: rolled ? data.map(({ maxv }) => maxv) : null,
  };
}

/** Several paths as one: at each time the mean, the least and the most of them. */
export function merged(all) {
  const at = new Map();
  for (const { t, v, low, high } of all) {
    for (let i = 0; i < t.length; i += 1) {
      const entry = at.get(t[i]) ?? { sum: 0, n: 0, low: Infinity, high: -Infinity };
      entry.sum += v[i];
      entry.n += 1;
      entry.low = Math.min(entry.low, low ? low[i] : v[i]);
      entry.high = Math.max(entry.high, high ? high[i] : v[i]);
      at.set(t[i], entry);
    }
  }
  const times = [...at.keys()].sort((a, b) => a - b);
  const entries = times.map((t) => at.get(t));
  return {
    t: times,
    v: entries.map(({ sum, n }) => sum / n),
    low: entries.map(({ low }) => low),
    high: entries.map(({ high }) => high),
  };
}

/** Several paths added up, at the times that they share. */
export function summed(all) {
  const at = new Map();
  for (const { t, v } of all) for (let i = 0; i < t.length; i += 1) at.set(t[i], (at.get(t[i]) ?? 0) + v[i]);
  const times = [...at.keys()].sort((a, b) => a - b);
  return { t: times, v: times.map((t) => at.get(t)), low: null, high: null };
}

/** The usual distance of values: the median, of a sample. */
export function usualStep(t) {
  if (t.length < 3) return null;
  const stride = Math.max(1, Math.floor(t.length / 200));
  const steps = [];
  for (let i = stride; i < t.length; i += stride) steps.push(t[i] - t[i - 1]);
  steps.sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)];
}

/** The same with a null wherever values are missing: a line must not cross what was not measured. */
export function withGaps({ t, v, low, high }, step = usualStep(t)) {
  if (!step) return { t, v, low, high };
  const longest = step * 2.5;
  const out = { t: [], v: [], low: low && [], high: high && [] };
  for (let i = 0; i < t.length; i += 1) {
    if (i > 0 && t[i] - t[i - 1] > longest) {
      out.t.push(t[i - 1] + step);
      out.v.push(null);
      out.low?.push(null);
      out.high?.push(null);
    }
    out.t.push(t[i]);
    out.v.push(v[i]);
    out.low?.push(low[i]);
    out.high?.push(high[i]);
  }
  return out;
}
