// A device's name, address, and what is measured of it: for a new one, a found one, and one that is there.

import { api } from '../api.js';
import { fill, h } from '../dom.js';
import { form, onLeave, textField } from '../forms.js';
import { can, inAccount, link } from '../session.js';
import { failure, icon, linkButton, notice, toast } from '../ui.js';
import { ProtocolSection } from './device_protocol.js';
import { PROTOCOLS } from './protocols.js';

const HOST = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62}))*\.?$/;

export async function show({ main, params, signal, title }) {
  const id = params.id ? Number(params.id) : null;
  const need = id ? ['PUT', inAccount('entities', id)] : ['POST', inAccount('entities')];
  if (!can(...need)) return fill(main, failure({ status: 403, message: `It needs the permission ${need.join(' ')}. Ask an administrator to grant it.` }));
  const list = (path) => api.get(path, { signal }).then(({ list: all }) => all);
  const optional = (path) => list(path).catch((error) => { if (error.status === 403) return []; throw error; });
  const [entity, sensors, credentials, bots, systemBots, problems] = await Promise.all([
    id ? api.get(inAccount('entities', id), { signal }) : { name: '', entity_type: 'device', parent: null, details: {}, protocols: {} },
    list(inAccount('sensors')), list(inAccount('credentials')), list(inAccount('bots')), optional('bots'), optional(inAccount('problems')),
  ]);
  const heading = !id ? 'Add a device' : entity.suggested_by ? `Set up ${entity.name}` : `Edit ${entity.name}`;
  title(heading);
  fill(main,
    h('div.crumbs', h('a', { href: id ? link(`device/${id}`) : link('') }, icon('back'), id ? entity.name : 'Overview')),
    h('div.page-head', h('h1', heading)),
    h('div.narrow', editor({ id, entity, sensors, credentials, bots: [...bots, ...systemBots], problems: problems.filter((one) => one.entity === id) })));
  if (!id) main.querySelector('input').focus();
  return undefined;
}

function editor({ id, entity, sensors, credentials, bots, problems }) {
  const details = entity.details ?? {};
  // Most people call a device as they reach it.
  const name = textField('Name', entity.name, { required: Boolean(id), help: id ? 'As you call it.' : 'As you call it. Left empty: as its address.', maxlength: 200 });
  const address = textField('Address', details.ipv4, {
    required: true, check: checkAddress, placeholder: '10.0.0.7',
    help: 'An IPv4 or IPv6 address, or a name. For NetFlow: the address from which the device sends.',
  });
  if (!id) address.input.addEventListener('input', () => { name.input.placeholder = address.value(); });
  const isNew = !id || Boolean(entity.suggested_by);
  const slugs = [...new Set([...Object.keys(PROTOCOLS), ...Object.keys(entity.protocols ?? {})])];
  const sections = slugs.map((protocol) => new ProtocolSection(protocol, {
    use: entity.protocols?.[protocol] ?? null, isNew, on: standardOn(protocol, entity, isNew),
    sensors: sensors.filter((one) => one.protocol === protocol), credentials: credentials.filter((one) => one.protocol === protocol), bots: bots.filter((one) => one.protocol === protocol),
    problem: problems.find((one) => one.protocol === protocol),
  }));
  const more = moreDetails(details);
  return form({
    content: [
      entity.suggested_by ? notice('info', 'A bot has found this device. Choose what is measured of it; it is yours when you save.') : null,
      h('div.card.form-card', id ? [name.element, address.element] : [address.element, name.element]),
      sections.map(({ element }) => element), h('div.card.form-card', more.element)],
    fields: () => [name, address, ...sections.flatMap((section) => section.fields()), ...more.fields],
    submit: id ? 'Save' : 'Add the device',
    extra: linkButton('Cancel', id ? link(`device/${id}`) : link('')),
    save: async () => {
      const record = {
        name: name.value() || address.value(), entity_type: entity.entity_type ?? 'device', parent: entity.parent ?? null,
        details: { ...more.value(), ipv4: address.value() },
        protocols: Object.fromEntries(sections.filter((section) => section.isOn()).map((section) => [section.protocol, section.value()])),
      };
      if (id) await api.put(inAccount('entities', id), record);
      const saved = id ?? (await api.post(inAccount('entities'), record)).id;
      toast(id ? 'Saved' : `${record.name} was added: the first values arrive within seconds`);
      location.hash = link(`device/${saved}`);
    },
  });
}

/** A device that sends flows was found by them; every other is pinged at first. */
function standardOn(protocol, entity, isNew) {
  if (entity.protocols?.[protocol]) return true;
  return isNew && (protocol === 'ping' || (protocol === 'netflow' && Boolean(entity.suggested_by)));
}

function checkAddress(text) {
  if (/^\d+(\.\d+){3}$/.test(text)) return text.split('.').every((part) => Number(part) < 256) ? null : 'Each part of an IPv4 address is at most 255.';
  if (/^\d+(\.\d+)*$/.test(text)) return 'An IPv4 address has four numbers, such as 10.0.0.7.';
  if (/^[^:]+:\d+$/.test(text)) return 'The port does not belong here, but into the further details below.';
  if (text.includes(':')) return /^[0-9a-f:.]+(%\w+)?$/i.test(text) && (text.match(/:/g).length >= 2) ? null : 'That is no IPv6 address.';
  return HOST.test(text) ? null : 'An address such as 10.0.0.7, 2001:db8::7 or switch.example.org is expected.';
}

/** Further keys: what single bots understand, such as another port. */
function moreDetails(details) {
  const rest = Object.entries(details).filter(([key]) => key !== 'ipv4');
  const area = textField('Further details', '', {
    help: ['One a line, such as ', h('code', 'port = 1161'), '. SNMP: ', h('code', 'port, timeout, retries, max_repetitions, context'), '; NetFlow: ', h('code', 'ipv6, netflow_domain, netflow_sampling, netflow_boundary, netflow_nsel'), '.'],
  });
  const text = h('textarea.mono', { value: rest.map(([key, value]) => `${key} = ${typeof value === 'object' ? JSON.stringify(value) : value}`).join('\n'), id: area.input.id, spellcheck: 'false', rows: 3, 'aria-describedby': area.input.getAttribute('aria-describedby') });
  area.input.replaceWith(text);
  const known = new Map(rest.map(([key, value]) => [key, value]));
  const made = {
    input: text,
    validate() {
      let problem = null;
      try { parseDetails(text.value); } catch (error) { problem = error.message; }
      area.setError(problem);
      text.setAttribute('aria-invalid', String(Boolean(problem)));
      return !problem;
    },
  };
  onLeave(text, () => made.validate());
  return {
    element: h('details', { open: rest.length > 0 }, h('summary', 'Further details'), area.element), fields: [made],
    // What was not touched keeps its type.
    value: () => Object.fromEntries(parseDetails(text.value).map(([key, value]) => [key, known.has(key) && String(known.get(key)) === value ? known.get(key) : value])),
  };
}

function parseDetails(text) {
  return text.split('\n').map((line) => line.trim()).filter(Boolean).map((line) => {
    const at = line.indexOf('=');
    if (at < 1) throw new Error(`“${line}”: a line such as key = value is expected.`);
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  });
}
