// Credentials: how devices are asked. Their keys are shown to those who may change them, and to the bots that need them.

import { api } from '../../api.js';
import { h } from '../../dom.js';
import { can, inAccount } from '../../session.js';
import { toast } from '../../ui.js';
import { protocolName } from '../protocols.js';
import { credentialForm } from './credential_form.js';
import { listOf, records } from './records.js';
import { usedBy, users } from './usage.js';

export async function show({ body, signal, params }) {
  const used = await users('credentials', signal);
  await records({
    body, signal, params, section: 'credentials', topics: [inAccount('credentials')],
    what: { one: 'credential', many: 'credentials' },
    lead: 'How devices are asked: communities, users and keys. One may serve many devices.',
    nothing: 'A credential holds what a device wants to know before it answers, such as an SNMP community.',
    load: () => listOf(inAccount('credentials'), signal),
    columns: [
      { name: 'Name', cell: ({ name }) => h('b', name) },
      { name: 'Protocol', cell: ({ protocol }) => h('span.tag', protocolName(protocol)) },
      { name: 'What it says', cell: summary },
      { name: 'Used by', cell: ({ id }) => usedBy(used.get(id)) },
    ],
    edit: (credential, done, cancel) => credentialForm({ credential, cancel, onSaved: (id) => { toast('Saved: devices are asked with it from the next time on'); done(id); } }),
    remove: ({ id }) => api.delete(inAccount('credentials', id)),
    removal: ({ id }) => (used.get(id)?.length ? `${used.get(id).length} devices use it: they cannot be asked without it. Give them another one first.` : 'No device uses it.'),
    may: (action, record) => can({ add: 'POST', edit: 'PUT', delete: 'DELETE' }[action], record ? inAccount('credentials', record.id) : inAccount('credentials')),
  });
}

/** What can be said without telling a secret. */
function summary({ protocol, details = {} }) {
  if (protocol === 'ping') return `${details.n_packets ?? 3} packets, ${details.timeout ?? 2} s timeout`;
  if (protocol !== 'snmp') return h('span.dim', '–');
  const version = { snmpv1: 'v1', snmpv2c: 'v2c', snmpv3: 'v3' }[details.version] ?? details.version;
  const who = details.version === 'snmpv3' ? `user ${details.snmpv3_securityName}, ${details.snmpv3_securityLevel}` : 'with a community';
  return `${version}, ${who}${details.port ? `, port ${details.port}` : ''}`;
}
