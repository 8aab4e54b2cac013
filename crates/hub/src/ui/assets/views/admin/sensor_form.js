// The form of a sensor: what is measured, how often, and where it goes. SNMP's are checked while they are typed.

import { api } from '../../api.js';
import { fill, h, uid } from '../../dom.js';
import { field, form, numberField, selectField, textField } from '../../forms.js';
import { inAccount } from '../../session.js';
import { checkExpression, checkOid, checkOutputPath, functionNames, valuesOf } from '../../snmp_check.js';
import { button, notice } from '../../ui.js';
import { PROTOCOLS, protocolName } from '../protocols.js';
import { unknownPart } from './credential_form.js';

const LONGEST_INTERVAL = 7 * 86400;
const MOST_OIDS = 256;
/** Objects that are often wanted, to begin with. */
const EXAMPLES = [
  ['', 'An example …'],
  ['uptime', 'Uptime', { name: 'Uptime', oids: [['1.3.6.1.2.1.1.3.0', 'get']], expression: '$1 / 100', output_path: 'uptime' }],
  ['load', 'Linux load, 1 minute', { name: 'Load, 1 minute', oids: [['1.3.6.1.4.1.2021.10.1.5.1', 'get']], expression: '$1 / 100', output_path: 'load.1min' }],
  ['in', 'Traffic in, 64-bit counters', { name: 'Traffic IN, 64 bit [bps]', oids: [['1.3.6.1.2.1.31.1.1.1.1', 'walk'], ['1.3.6.1.2.1.31.1.1.1.6', 'walk']], expression: '$2', output_path: 'if.in-octets.{$index}.{$1}' }],
  ['out', 'Traffic out, 64-bit counters', { name: 'Traffic OUT, 64 bit [bps]', oids: [['1.3.6.1.2.1.31.1.1.1.1', 'walk'], ['1.3.6.1.2.1.31.1.1.1.10', 'walk']], expression: '$2', output_path: 'if.out-octets.{$index}.{$1}' }],
  ['errors', 'Errors of interfaces', { name: 'Interface errors, in', oids: [['1.3.6.1.2.1.31.1.1.1.1', 'walk'], ['1.3.6.1.2.1.2.2.1.14', 'walk']], expression: '$2', output_path: 'if.in-errors.{$index}.{$1}' }],
  ['disk', 'Disk usage', { name: 'Storage used [%]', oids: [['1.3.6.1.2.1.25.2.3.1.3', 'walk'], ['1.3.6.1.2.1.25.2.3.1.5', 'walk'], ['1.3.6.1.2.1.25.2.3.1.6', 'walk']], expression: '$3 / $2 * 100', output_path: 'storage.{$index}.{$1}.used' }],
  ['cpu', 'CPU load of each core', { name: 'CPU load [%]', oids: [['1.3.6.1.2.1.25.3.3.1.2', 'walk']], expression: '$1', output_path: 'cpu.{$index}' }],
];

export function sensorForm({ sensor, protocol: fixed, onSaved, cancel, extra }) {
  const details = { ...(sensor?.details ?? {}) };
  let protocol = sensor?.protocol ?? fixed ?? 'snmp';
  const name = textField('Name', sensor?.name ?? '', { required: true, help: 'A unit in brackets at the end, such as “Temperature [°C]”, is shown with the values.' });
  const interval = numberField('Interval', sensor ? sensor.default_interval : 60, {
    min: 1, max: LONGEST_INTERVAL, unit: 's', whole: true, help: 'Seconds from one measurement to the next. Each device may have its own; empty: only devices that have their own are measured.',
  });
  const choice = selectField('Protocol', Object.keys(PROTOCOLS).map((slug) => [slug, protocolName(slug)]), protocol, { onchange: () => { protocol = choice.value(); show(); } });
  const place = h('div');
  let part;
  const show = () => {
    part = (PARTS[protocol] ?? unknownPart)(details, name);
    interval.element.hidden = protocol === 'netflow';
    fill(place, part.elements);
  };
  show();
  return form({
    content: [sensor || fixed ? null : choice.element, name.element, interval.element, place],
    fields: () => [name, interval, ...part.fields()],
    cancel, extra,
    save: async () => {
      const record = { name: name.value(), protocol, default_interval: protocol === 'netflow' ? null : interval.value(), details: { ...details, ...part.details() } };
      if (sensor) await api.put(inAccount('sensors', sensor.id), record);
      const id = sensor?.id ?? (await api.post(inAccount('sensors'), record)).id;
      await onSaved(id);
    },
  });
}

const nothingToSet = (text) => () => ({ elements: notice('info', text), fields: () => [], details: () => ({}) });

const PARTS = {
  ping: nothingToSet('A ping sensor has nothing to set but its interval: how many packets are sent, and how patiently, is in the credential.'),
  netflow: nothingToSet('A NetFlow sensor has nothing to set: what exporters send is added up in windows of 1 minute to 24 hours.'),
  snmp: snmpPart,
};

function snmpPart(details, name) {
  const rows = h('ol.oid-rows');
  let entries = [];
  const expression = textField('Expression', details.expression ?? '$1', {
    mono: true, check: (text) => checkExpression(text, entries.length),
    help: ['What becomes of the values: ', h('code', '$1'), ', ', h('code', '$2'), ' … are the OIDs above, in their order. Counters arrive as rates per second. ', h('code', '$2 * 8'), ', ', h('code', '($1 - $2) / $1 * 100'), ', ', h('code', '$1 > 80 ? 1 : 0'), '.'],
  });
  const path = textField('Output path', details.output_path ?? '', {
    mono: true, required: true, check: (text) => checkOutputPath(text, entries.length) ?? missingIndex(),
    help: ['Where it goes, below ', h('code', 'entity.<id>.snmp.'), ' In a walk ', h('code', '{$index}'), ' is the row, ', h('code', '{$1}'), ' the text of the first OID.'],
  });
  const byZero = selectField('A division by zero', [['zero', 'gives 0'], ['skip', 'gives no value']], details.division_by_zero ?? 'zero');
  const preview = h('p.preview.mono', { 'aria-live': 'polite' });

  const walks = () => entries.some(({ method }) => method.value() === 'walk');
  const missingIndex = () => (walks() && !/\{\$/.test(path.value()) ? 'A walk has many rows: without {$index} or {$1} they would all have the same path.' : null);
  const renumber = () => {
    entries.forEach((entry, at) => { entry.number.textContent = `$${at + 1}`; entry.remove.disabled = entries.length === 1; });
    showPreview();
  };
  const showPreview = () => {
    const wrong = entries.some(({ oid }) => oid.value() && oid.problem()) || expression.problem() || path.problem();
    const unused = valuesOf(`${expression.value()} ${path.value()}`);
    const idle = entries.map((_, at) => at + 1).filter((n) => !unused.includes(n));
    preview.classList.toggle('good', !wrong && path.value() !== '');
    preview.textContent = wrong || !path.value() ? '' : `${walks() ? 'For each row: ' : ''}entity.<id>.snmp.${path.value().replaceAll('{$index}', '7').replace(/\{\$(\d+)\}/g, (_, n) => `text-${n}`)} = ${expression.value() || '$1'}${idle.length ? `   (not used: ${idle.map((n) => `$${n}`).join(', ')})` : ''}`;
  };
  const add = (oid = '', method = 'walk') => {
    const entry = oidRow(oid, method, { changed: () => showPreview(), remove: () => { entries = entries.filter((one) => one !== entry); entry.element.remove(); renumber(); } });
    entries.push(entry);
    rows.append(entry.element);
    renumber();
    return entry;
  };
  const load = (list) => { entries = []; rows.replaceChildren(); list.forEach(([oid, method]) => add(oid, method)); };
  load((details.oids ?? [{ oid: '', fetch_method: 'get' }]).map(({ oid, fetch_method: method }) => [oid, method]));
  for (const one of [expression, path]) one.input.addEventListener('input', showPreview);

  const examples = h('select', { 'aria-label': 'Begin with an example', onchange: () => {
    const example = EXAMPLES.find(([key]) => key === examples.value)?.[2];
    if (!example) return;
    load(example.oids);
    expression.input.value = example.expression;
    path.input.value = example.output_path;
    if (!name.value()) name.input.value = example.name;
    renumber();
  } }, EXAMPLES.map(([key, text]) => h('option', { value: key }, text)));
  return {
    elements: [
      h('fieldset', h('legend', 'OIDs'), h('div.help.dim.small', h('code', 'get'), ' reads one object, ', h('code', 'walk'), ' a column of a table: a value for each row. ', examples), rows,
        h('div.field', button('Add an OID', () => add().oid.input.focus(), { icon: 'plus', kind: 'small' }))),
      expression.element, path.element, preview,
      h('details', h('summary', 'Functions, and division by zero'), h('p.small.dim.lead-in', `Functions: ${functionNames}. Operators: + - * / % ^, comparisons, and, or, not, ? :`), byZero.element)],
    fields: () => [...entries.map(({ oid }) => oid), expression, path],
    details: () => ({
      oids: entries.slice(0, MOST_OIDS).map(({ oid, method }) => ({ oid: oid.value().replace(/^\./, ''), fetch_method: method.value() })),
      expression: expression.value() || '$1', output_path: path.value(),
      ...(byZero.value() === 'skip' || details.division_by_zero ? { division_by_zero: byZero.value() } : {}),
    }),
  };
}

function oidRow(text, fetch, { changed, remove }) {
  const number = h('span.mono.oid-number');
  const oid = textField('OID', text, { mono: true, required: true, check: checkOid, placeholder: '1.3.6.1.2.1.1.3.0' });
  const method = field('Method', h('select', { id: uid('method') }, [['get', 'get'], ['walk', 'walk']].map(([key, label]) => h('option', { value: key, selected: key === fetch }, label))), { read: (input) => input.value });
  for (const one of [oid, method]) {
    one.element.querySelector('label').classList.add('sr');
    one.input.addEventListener('input', changed);
  }
  const away = button('', remove, { icon: 'close', kind: 'quiet', title: 'Remove this OID' });
  return { oid, method, number, remove: away, element: h('li.oid-row', number, oid.element, method.element, away) };
}
