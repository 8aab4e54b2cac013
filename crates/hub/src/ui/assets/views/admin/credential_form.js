// The form of a credential: what each protocol needs to ask a device, explained and checked.

import { api } from '../../api.js';
import { fill, h } from '../../dom.js';
import { form, numberField, secretField, selectField, textField } from '../../forms.js';
import { inAccount } from '../../session.js';
import { notice } from '../../ui.js';
import { PROTOCOLS, protocolName } from '../protocols.js';

const VERSIONS = [['snmpv2c', 'SNMPv2c'], ['snmpv3', 'SNMPv3: with users and keys'], ['snmpv1', 'SNMPv1: for old devices']];
const LEVELS = [['authPriv', 'Authentication and privacy (authPriv)'], ['authNoPriv', 'Authentication only (authNoPriv)'], ['noAuthNoPriv', 'Neither (noAuthNoPriv)']];
const AUTH = ['SHA-256', 'SHA', 'SHA-224', 'SHA-384', 'SHA-512', 'MD5'];
const PRIVACY = [['AES', 'AES (128 bit)'], ['AES-192', 'AES-192'], ['AES-256', 'AES-256'], ['AES-192-C', 'AES-192 as Cisco lengthens keys'], ['AES-256-C', 'AES-256 as Cisco lengthens keys'], ['DES', 'DES']];
const SHORTEST_KEY = 8;
const LONGEST_COMMUNITY = 255;
const LONGEST_NAME = 32;

/**
 * `credential` is null for a new one; `protocol` then is the one that is asked for, if it is fixed. `onSaved(id)`.
 */
export function credentialForm({ credential, protocol: fixed, onSaved, cancel, extra }) {
  const details = { ...(credential?.details ?? {}) };
  const stored = Boolean(credential) && Boolean(credential.secrets_hidden);
  const name = textField('Name', credential?.name ?? '', { required: true, help: 'As you find it again, such as “Core switches, v3”.' });
  let protocol = credential?.protocol ?? fixed ?? 'snmp';
  const choice = selectField('Protocol', Object.keys(PROTOCOLS).map((slug) => [slug, protocolName(slug)]), protocol, { onchange: () => { protocol = choice.value(); show(); } });
  const place = h('div');
  let part;
  const show = () => {
    part = (PARTS[protocol] ?? unknownPart)(details, stored);
    fill(place, part.elements);
  };
  show();
  return form({
    content: [name.element, credential || fixed ? null : choice.element, place],
    fields: () => [name, ...part.fields()],
    cancel, extra,
    save: async () => {
      const record = { name: name.value(), protocol, details: { ...details, ...part.details() } };
      for (const [key, value] of Object.entries(record.details)) if (value === null || value === '') delete record.details[key];
      if (credential) await api.put(inAccount('credentials', credential.id), record);
      const id = credential?.id ?? (await api.post(inAccount('credentials'), record)).id;
      await onSaved(id);
    },
  });
}

const PARTS = {
  ping(details) {
    const packets = numberField('Packets', details.n_packets, { min: 1, max: 100, whole: true, placeholder: '3', help: 'Echo requests in each run.' });
    const timeout = numberField('Timeout', details.timeout, { min: 0.01, max: 60, unit: 's', placeholder: '2', help: 'Seconds for each packet, all its tries together.' });
    const retry = numberField('Further tries', details.retry, { min: 0, max: 10, whole: true, placeholder: '0', help: 'Of a packet that is not answered.' });
    const pause = numberField('Pause', details.sleep_packets, { min: 0, max: 60, unit: 's', placeholder: '1', help: 'Seconds from one packet to the next.' });
    const fields = [packets, timeout, retry, pause];
    return {
      elements: h('div.row', fields.map(({ element }) => element)), fields: () => fields,
      details: () => ({ n_packets: packets.value(), timeout: timeout.value(), retry: retry.value(), sleep_packets: pause.value() }),
    };
  },
  snmp: snmpPart,
  netflow() {
    return { elements: notice('info', 'NetFlow needs none of this: exporters send by themselves. The credential only has to be there.'), fields: () => [], details: () => ({}) };
  },
};

function snmpPart(details, stored) {
  const place = h('div');
  const version = selectField('Version', VERSIONS, details.version ?? 'snmpv2c', { onchange: () => show() });
  const community = secretField('Community', details.snmpv12_community, {
    stored, required: true, help: 'The password of v1 and v2c: as configured at the device, often “public” for reading. It travels unencrypted.',
    check: (text) => (new TextEncoder().encode(text).length > LONGEST_COMMUNITY ? `At most ${LONGEST_COMMUNITY} bytes.` : null),
  });
  const user = textField('User (security name)', details.snmpv3_securityName, { required: true, check: (text) => (new TextEncoder().encode(text).length > LONGEST_NAME ? `At most ${LONGEST_NAME} bytes.` : null) });
  const level = selectField('Security level', LEVELS, details.snmpv3_securityLevel ?? 'authPriv', { onchange: () => show() });
  const longEnough = (text) => (new TextEncoder().encode(text).length < SHORTEST_KEY ? `At least ${SHORTEST_KEY} characters: SNMPv3 allows no shorter ones.` : null);
  const authProtocol = selectField('Authentication', AUTH.map((one) => [one, one]), nameOf(details.snmpv3_authProtocol, AUTH) ?? 'SHA-256');
  const authKey = secretField('Authentication key', details.snmpv3_authKey, { stored, required: true, check: longEnough, read: (input) => input.value });
  const privProtocol = selectField('Privacy', PRIVACY, nameOf(details.snmpv3_privProtocol, PRIVACY.map(([one]) => one)) ?? 'AES');
  const privKey = secretField('Privacy key', details.snmpv3_privKey, { stored, required: true, check: longEnough, read: (input) => input.value });
  const tuning = [
    numberField('Port', details.port, { min: 1, max: 65535, whole: true, placeholder: '161' }),
    numberField('Timeout', details.timeout, { min: 0.01, max: 60, unit: 's', placeholder: '2', help: 'Seconds for each try.' }),
    numberField('Further tries', details.retries, { min: 0, max: 10, whole: true, placeholder: '3' }),
    numberField('Rows at once', details.max_repetitions, { min: 1, max: 10000, whole: true, placeholder: 'found out', help: 'Of a table (max-repetitions).' }),
  ];
  const tuned = tuning.some((field) => field.value() !== null);
  const more = h('details', { open: tuned }, h('summary', 'Port, timeout, tries'), h('div.row', tuning.map(({ element }) => element)));
  const shown = () => {
    if (version.value() !== 'snmpv3') return [community];
    const fields = [user, level];
    if (level.value() !== 'noAuthNoPriv') fields.push(authProtocol, authKey);
    if (level.value() === 'authPriv') fields.push(privProtocol, privKey);
    return fields;
  };
  const show = () => fill(place, shown().map(({ element }) => element));
  show();
  return {
    elements: [stored ? h('p.dim.small.lead-in', 'Keys that are stored are not shown to you. Leave a field empty to keep what is stored.') : null, version.element, place, more],
    fields: () => [version, ...shown(), ...tuning],
    details() {
      const [port, timeout, retries, rows] = tuning.map((field) => field.value());
      const all = { version: version.value(), port, timeout, retries, max_repetitions: rows };
      if (version.value() !== 'snmpv3') return { ...all, snmpv12_community: community.value() };
      return {
        ...all, snmpv3_securityName: user.value(), snmpv3_securityLevel: level.value(),
        ...(level.value() === 'noAuthNoPriv' ? {} : { snmpv3_authProtocol: authProtocol.value(), snmpv3_authKey: authKey.value() }),
        ...(level.value() === 'authPriv' ? { snmpv3_privProtocol: privProtocol.value(), snmpv3_privKey: privKey.value() } : {}),
      };
    },
  };
}

/** A protocol by any of its names: `sha256` is SHA-256. */
function nameOf(text, names) {
  const plain = (one) => String(one ?? '').toUpperCase().replace(/[-_ ]/g, '');
  const wanted = { SHA1: 'SHA', AES128: 'AES' }[plain(text)] ?? plain(text);
  return names.find((one) => plain(one) === wanted) ?? null;
}

/** A protocol that the page does not know: its details as they are. */
export function unknownPart(details) {
  const json = textField('Details (JSON)', JSON.stringify(details), {
    mono: true, check: (text) => {
      try {
        const parsed = JSON.parse(text);
        return parsed && typeof parsed === 'object' && !Array.isArray(parsed) ? null : 'An object such as {"key": "value"} is expected.';
      } catch (error) {
        return `This is no JSON: ${error.message}`;
      }
    },
  });
  return { elements: json.element, fields: () => [json], details: () => JSON.parse(json.value()) };
}
