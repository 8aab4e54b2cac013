// Sensors: what can be measured. Devices choose from them.

import { api } from '../../api.js';
import { h } from '../../dom.js';
import { duration } from '../../format.js';
import { can, inAccount } from '../../session.js';
import { toast } from '../../ui.js';
import { protocolName } from '../protocols.js';
import { listOf, records } from './records.js';
import { sensorForm } from './sensor_form.js';
import { usedBy, users } from './usage.js';

export async function show({ body, signal, params }) {
  const used = await users('sensors', signal);
  await records({
    body, signal, params, section: 'sensors', wide: true, topics: [inAccount('sensors')],
    what: { one: 'sensor', many: 'sensors' },
    lead: 'What can be measured. Each device chooses from these, and may have intervals of its own.',
    nothing: 'A sensor says what is measured, how often, and under which path it is stored.',
    load: () => listOf(inAccount('sensors'), signal),
    columns: [
      { name: 'Name', cell: ({ name }) => h('b', name) },
      { name: 'Protocol', cell: ({ protocol }) => h('span.tag', protocolName(protocol)) },
      { name: 'Interval', cell: ({ protocol, default_interval: interval }) => (interval ? duration(interval) : protocol === 'netflow' ? 'as it arrives' : h('span.dim', 'each device its own')) },
      { name: 'Output path', cell: ({ details }) => (details?.output_path ? h('code', details.output_path) : h('span.dim', '–')) },
      { name: 'Used by', cell: ({ id }) => usedBy(used.get(id)) },
    ],
    edit: (sensor, done, cancel) => sensorForm({ sensor, cancel, onSaved: (id) => { toast('Saved'); done(id); } }),
    remove: ({ id }) => api.delete(inAccount('sensors', id)),
    removal: ({ id }) => `${used.get(id)?.length ? `${used.get(id).length} devices use it: it is not measured there any more. ` : ''}Values that are stored stay.`,
    may: (action, record) => can({ add: 'POST', edit: 'PUT', delete: 'DELETE' }[action], record ? inAccount('sensors', record.id) : inAccount('sensors')),
  });
}
