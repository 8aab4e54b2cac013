// Which devices use what.

import { h } from '../../dom.js';
import { inAccount, link } from '../../session.js';
import { listIfAllowed } from './records.js';

/** From the id of a sensor, credential or bot to the devices that use it. */
export async function users(kind, signal) {
  const entities = await listIfAllowed(`${inAccount('entities')}?entity_type=device`, signal);
  const used = new Map();
  for (const entity of entities) {
    const ids = new Set();
    for (const { credential, bot, sensors = [] } of Object.values(entity.protocols ?? {})) {
      if (kind === 'credentials') ids.add(Number(credential));
      else if (kind === 'bots') ids.add(Number(bot));
      else sensors.forEach(({ sensor }) => ids.add(Number(sensor)));
    }
    for (const id of ids) used.set(id, [...(used.get(id) ?? []), entity]);
  }
  return used;
}

export function usedBy(devices) {
  if (!devices?.length) return h('span.dim', 'nothing');
  const [first] = devices;
  if (devices.length === 1) return h('a', { href: link(`device/${first.id}`) }, first.name);
  return h('span', { title: devices.slice(0, 20).map(({ name }) => name).join('\n') }, `${devices.length} devices`);
}
