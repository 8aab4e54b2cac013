// From the paths of a device to what people know: ping, interfaces, sensors. Pure: it only sorts what it is given.

import { now } from '../clock.js';

const BITS = 8;
/** Counters of octets, by the objects that MIB-II and its successor name. */
const IN_OCTETS = ['1.3.6.1.2.1.2.2.1.10', '1.3.6.1.2.1.31.1.1.1.6'];
const OUT_OCTETS = ['1.3.6.1.2.1.2.2.1.16', '1.3.6.1.2.1.31.1.1.1.10'];
/** An object alone, or as bits. */
const PLAIN = /^\s*(8\s*\*)?\s*\$(\d+)\s*(\*\s*8(?:\.0)?)?\s*$/;
const UPTIMES = ['1.3.6.1.2.1.1.3.0', '1.3.6.1.2.1.25.1.1.0'];
/** A device is not judged by what was measured before this, at least: seconds. */
const FRESH = 180;
/** Where traffic goes when its sensor is not known (any more). */
const USUAL_TRAFFIC = /^if\.(in|out)-octets\.(?:(\d+)\.)?(.+)$/;

/**
 * `last` is a Map from path to `{ t, v }`. Gives `{ ping, interfaces, sensors, other }`; each path is in one of them.
 */
export function deviceModel(entity, sensors, last, interfaceEntities) {
  const prefix = `entity.${entity.id}.`;
  const model = { ping: { rtts: [], success: null, more: [] }, interfaces: new Map(), sensors: [], other: [] };
  const mine = sensorsOf(entity, sensors);
  for (const path of [...last.keys()].sort(naturally)) {
    if (!path.startsWith(prefix)) continue;
    const [protocol, ...rest] = path.slice(prefix.length).split('.');
    const tail = rest.join('.');
    if (protocol === 'ping') putPing(model.ping, tail, path);
    else if (protocol !== 'snmp' || !putSnmp(model, mine, tail, path)) model.other.push(path);
  }
  model.sensors = mine;
  model.interfaces = named([...model.interfaces.values()], interfaceEntities);
  return model;
}

const naturally = new Intl.Collator(undefined, { numeric: true }).compare;

/** The sensors of a device with their intervals, each with a pattern of its paths. */
function sensorsOf(entity, sensors) {
  const known = new Map(sensors.map((sensor) => [sensor.id, sensor]));
  return Object.entries(entity.protocols ?? {}).flatMap(([protocol, { sensors: used = [] }]) => used.map(({ sensor: id, interval }) => {
    const sensor = known.get(Number(id));
    return {
      id, protocol, name: sensor?.name ?? `sensor ${id}`, interval: interval ?? sensor?.default_interval ?? null, rows: [],
      pattern: protocol === 'snmp' && sensor ? patternOf(sensor.details?.output_path) : null,
      direction: directionOf(sensor),
      ...measureOf(sensor),
    };
  }));
}

/** `if.{$index}.{$1}.in` as a pattern that finds the index and the texts. */
export function patternOf(template) {
  if (!template) return null;
  const parts = template.split(/(\{\$index\}|\{\$\d+\})/);
  const text = parts.map((part) => {
    if (part === '{$index}') return '(?<index>\\d+(?:-\\d+)*)';
    if (part.startsWith('{$')) return '([A-Za-z0-9_-]+)';
    return part.replace(/[^A-Za-z0-9_]/g, '\\$&');
  }).join('');
  try {
    return new RegExp(`^${text}$`);
  } catch {
    return null; // the same placeholder twice
  }
}

/**
 * What a sensor tells of traffic: which way, and what makes bits of it. Null where it is no counter of octets, or
 * something else is made of one, such as a part of the line's speed.
 */
function octetsOf(details) {
  const [, before, number, after] = PLAIN.exec(details?.expression ?? '') ?? [];
  const oid = details?.oids?.[number - 1]?.oid.replace(/^\./, '');
  if (!oid) return null;
  const isOf = (columns) => columns.some((column) => oid === column || oid.startsWith(`${column}.`));
  const direction = isOf(IN_OCTETS) ? 'in' : isOf(OUT_OCTETS) ? 'out' : null;
  return direction && { direction, factor: before || after ? 1 : BITS, column: [...IN_OCTETS, ...OUT_OCTETS].includes(oid) };
}

/** Which way the traffic of interfaces goes that a sensor reads; one of a single object is none of these. */
function directionOf(sensor) {
  const octets = octetsOf(sensor?.details);
  return octets?.column ? octets.direction : null;
}

/**
 * The unit of a sensor, and what its values are multiplied with to have it. Octets are shown as bits, whatever the name
 * says: those of the usual sensors are called bps, and are octets.
 */
export function measureOf(sensor) {
  const octets = sensor?.protocol === 'snmp' ? octetsOf(sensor.details) : null;
  return octets ? { unit: 'bit/s', factor: octets.factor } : { unit: unitOf(sensor), factor: 1 };
}

/** The unit that people write behind the name of a sensor: `Temperature [°C]`. */
function unitOf(sensor) {
  if (!sensor) return '';
  if (sensor.protocol === 'snmp' && (sensor.details?.oids ?? []).some(({ oid }) => UPTIMES.includes(oid.replace(/^\./, ''))) && /\/\s*100\b/.test(sensor.details.expression ?? '')) return 'duration';
  const unit = /\[([^\]]{1,12})\]/.exec(sensor.name)?.[1]?.trim() ?? '';
  return { bps: 'bit/s', 'bit/s': 'bit/s', 'b/s': 'bit/s', bytes: 'B', Bps: 'B/s', C: '°C' }[unit] ?? unit;
}

/** The unit of a path alone. */
export function unitOfPath(path) {
  if (/\.ping\.(p\d+\.rtt|rtt\.\w+)$/.test(path)) return 's';
  if (/\.ping\.(success|loss)$/.test(path)) return 'ratio';
  if (/\.if\.(in|out)-octets\./.test(path)) return 'B/s';
  if (/^netflow\./.test(path)) return 'B';
  if (/\.temp(erature)?\./.test(path)) return '°C';
  if (/\.duration$/.test(path)) return 's';
  return '';
}

function putPing(ping, tail, path) {
  if (/^p\d+\.rtt$/.test(tail)) ping.rtts.push(path);
  else if (tail === 'success') ping.success = path;
  else if (!/^p\d+\.ok$/.test(tail)) ping.more.push(path);
}

function putSnmp(model, sensors, tail, path) {
  for (const sensor of sensors) {
    const match = sensor.pattern?.exec(tail);
    if (!match) continue;
    const index = match.groups?.index ?? null;
    const label = match.slice(1).filter((text) => text !== undefined && text !== index).join(' ') || index || tail;
    sensor.rows.push({ path, label });
    if (sensor.direction) putTraffic(model.interfaces, sensor.direction, index, label, path, sensor.factor);
    return true;
  }
  const usual = USUAL_TRAFFIC.exec(tail);
  if (!usual) return false;
  putTraffic(model.interfaces, usual[1], usual[2] ?? null, usual[3], path, BITS);
  return true;
}

function putTraffic(interfaces, direction, index, name, path, factor) {
  const key = index ?? name;
  const found = interfaces.get(key) ?? { key, index, name, factors: {} };
  found[direction] ??= path;
  found.factors[direction] ??= factor;
  interfaces.set(key, found);
}

const slug = (text) => text.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/-+/g, '-').replace(/^-|-$/g, '');

/** Interfaces that have traffic, and those that only are known to be there. */
function named(list, entities) {
  const left = new Set(entities);
  const find = ({ index, name }) => entities.find(({ details, name: text }) => (index !== null && String(details?.snmp_index) === index) || (index === null && slug(text) === name));
  const all = list.map((one) => {
    const entity = find(one);
    left.delete(entity);
    return { ...one, ...about(entity) };
  });
  for (const entity of left) all.push({ key: `entity-${entity.id}`, index: String(entity.details?.snmp_index ?? ''), ...about(entity) });
  return all.sort((a, b) => naturally(a.index ?? a.name, b.index ?? b.name));
}

function about(entity) {
  if (!entity) return {};
  const { snmp_index: index, speed_bps: speed, ifAlias: alias, ifName: short } = entity.details ?? {};
  return { id: entity.id, name: entity.name, short: short && short !== entity.name ? short : '', alias: alias ?? '', speed: Number(speed) || null, snmpIndex: index };
}

/** How old the newest value may be. Three measurements may be missing before it counts as silence. */
export const freshFor = ({ sensors }) => Math.max(FRESH, 3 * Math.max(0, ...sensors.map(({ interval }) => interval ?? 0)));

/** The state of a device, judged as the hub judges it: by what was measured lately, and by what its bots report. */
export function stateOfDevice(entity, model, last, problems) {
  const protocols = Object.keys(entity.protocols ?? {});
  if (!protocols.length) return 'off';
  const isFresh = (t) => now() - t <= freshFor(model);
  const pings = protocols.includes('ping');
  const success = pings && model.ping.success ? last.get(model.ping.success) : null;
  const troubled = problems.length > 0;
  if (success && isFresh(success.t)) return success.v <= 0 ? 'down' : success.v < 1 || troubled ? 'warning' : 'ok';
  if (troubled) return 'warning';
  const seen = lastSeen(last);
  return seen && isFresh(seen) && !pings ? 'ok' : 'unknown';
}

export function lastSeen(last) {
  let newest = null;
  for (const { t } of last.values()) if (newest === null || t > newest) newest = t;
  return newest;
}
