// Devices as the overview shows them, and what a value that has just been measured changes of them.

import { now } from '../clock.js';

/** Values that the overview follows. */
export const LIVE_FILTERS = ['entity.?.ping.success', 'entity.?.ping.?.rtt', 'entity.?.snmp.if.in-octets.*', 'entity.?.snmp.if.out-octets.*'];

const MINUTE = 60;
const BITS = 8;

/** What the hub tells of all devices; items that are known stay the same objects. */
export function absorb(known, { devices }) {
  const items = new Map();
  for (const device of devices) {
    const item = known.get(device.id) ?? { open: new Map() };
    Object.assign(item, device, {
      minute: Math.floor(now() / MINUTE),
      dirty: true,
      haystack: [device.name, device.address, device.problem].filter(Boolean).join('\n').toLowerCase(),
    });
    items.set(item.id, item);
  }
  return items;
}

/** Takes one value; says whether the state of its device has changed. */
export function takeValue(items, { p, t, v }) {
  const parts = p.split('.');
  const item = items.get(Number(parts[1]));
  if (!item || t < (item.last_seen ?? 0) - MINUTE) return false;
  item.dirty = true;
  const [, , protocol, what] = parts;
  // That it does not answer is no sight of it.
  if (what !== 'success' || v > 0) item.last_seen = Math.max(item.last_seen ?? 0, t);
  if (protocol === 'ping') return parts.at(-1) === 'rtt' ? takeRtt(item, t, v) : takeSuccess(item, v);
  if (protocol === 'snmp' && what === 'if') takeOctets(item, parts[4] === 'in-octets' ? 'in' : 'out', t, v);
  return false;
}

function takeSuccess(item, v) {
  item.ping ??= { success: v, rtt: null, rtts: [] };
  item.ping.success = v;
  const state = v === 0 ? 'down' : v < 1 || item.problem ? 'warning' : 'ok';
  if (state === item.state || item.state === 'off') return false;
  item.state = state;
  return true;
}

/** Packets of one run carry one time: their mean is shown. */
function takeRtt(item, t, v) {
  item.ping ??= { success: 1, rtt: null, rtts: [] };
  const mean = gather(item, 'rtt', t, v, (sum, n) => sum / n);
  item.ping.rtt = mean;
  put(item, [item.ping.rtts], t, [mean]);
  return false;
}

/** Interfaces of one poll carry one time: their sum is shown. */
function takeOctets(item, direction, t, v) {
  item.traffic ??= { in: null, out: null, ins: [], outs: [] };
  item.traffic[direction] = gather(item, direction, t, v, (sum) => sum) * BITS;
  const { ins, outs } = item.traffic;
  put(item, [ins, outs], t, direction === 'in' ? [item.traffic.in, undefined] : [undefined, item.traffic.out]);
}

function gather(item, name, t, v, result) {
  let open = item.open.get(name);
  if (!open || open.t !== t) {
    open = { t, sum: 0, n: 0 };
    item.open.set(name, open);
  }
  open.sum += v;
  open.n += 1;
  return result(open.sum, open.n);
}

/** The last column of a sparkline is the minute that goes on. */
function put(item, columns, t, values) {
  const minute = Math.floor(t / MINUTE);
  const passed = Math.min(30, minute - item.minute);
  if (passed > 0) {
    item.minute = minute;
    for (const column of [item.ping?.rtts, item.traffic?.ins, item.traffic?.outs]) {
      for (let i = 0; column && i < passed; i += 1) {
        column.push(null);
        if (column.length > 30) column.shift();
      }
    }
  }
  if (minute !== item.minute) return;
  columns.forEach((column, k) => {
    if (values[k] === undefined) return;
    if (column.length === 0) column.push(...Array(30).fill(null));
    column[column.length - 1] = values[k];
  });
}
