// One protocol of a device: whether it is on, who measures, with which credential, and which sensors how often.

import { api } from '../api.js';
import { fill, h, uid } from '../dom.js';
import { duration } from '../format.js';
import { field, numberField } from '../forms.js';
import { can, inAccount, link } from '../session.js';
import { button, dialog, notice, showError, toast } from '../ui.js';
import { credentialForm } from './admin/credential_form.js';
import { sensorForm } from './admin/sensor_form.js';
import { hintFor, PROTOCOLS, protocolName } from './protocols.js';

export class ProtocolSection {
  /** `use` is what the device has of it, null when it has not. */
  constructor(protocol, { use, isNew, on, sensors, credentials, bots, problem }) {
    Object.assign(this, { protocol, sensors, credentials, bots, isNew });
    this.chosen = new Map((use?.sensors ?? []).map(({ sensor, interval }) => [Number(sensor), interval]));
    // The usual: all sensors that a new account has are wanted.
    if (!use) for (const { id } of sensors.filter(({ name }) => protocol !== 'snmp' || /traffic/i.test(name))) this.chosen.set(id, null);
    this.toggle = h('input', { type: 'checkbox', checked: on, id: uid('protocol'), onchange: () => this.showOn() });
    this.bot = field('Bot', h('select', this.botOptions(use)), { required: true, help: bots.length ? 'Who measures. It has to reach the device.' : null });
    this.credential = field('Credential', h('select'), { required: true });
    this.fillCredentials(use?.credential ?? credentials[0]?.id);
    this.rows = h('div.sensor-choices');
    this.missing = h('div.field', h('div.error', { 'aria-live': 'polite' }));
    this.fillSensors();
    this.body = h('div.card-body', problem ? notice('error', h('b', problem.error), h('div', hintFor(protocol, problem.error))) : null,
      bots.length ? null : notice('warning', `There is no ${protocolName(protocol)} bot. `, can('POST', inAccount('bots')) ? h('a', { href: link('admin/bots') }, 'Add one') : 'Ask an administrator to add one', ', and run it: until then nothing is measured.'),
      h('div.row', this.bot.element, h('div', this.credential.element, this.credentialActions())),
      h('h3', 'Sensors'), this.rows, this.missing,
      can('POST', inAccount('sensors')) && protocol === 'snmp' ? button('New sensor', () => this.editSensor(null), { icon: 'plus', kind: 'small' }) : null);
    this.element = h('section.card.protocol', h('label.card-head.protocol-head', { htmlFor: this.toggle.id }, this.toggle,
      h('div', h('h2', protocolName(protocol)), h('p.dim.small', PROTOCOLS[protocol]?.about ?? ''))), this.body);
    this.showOn();
  }

  isOn() { return this.toggle.checked; }

  showOn() {
    this.body.hidden = !this.isOn();
  }

  botOptions(use) {
    const wanted = use?.bot ?? this.bots[0]?.id;
    const options = this.bots.map(({ id, name, tied_to_account: tied }) => h('option', { value: id, selected: id === Number(wanted) }, tied === null ? `${name} (all accounts)` : name));
    if (use?.bot && !this.bots.some(({ id }) => id === Number(use.bot))) options.push(h('option', { value: use.bot, selected: true }, `bot ${use.bot}`));
    return options;
  }

  fillCredentials(chosen) {
    fill(this.credential.input, this.credentials.map(({ id, name }) => h('option', { value: id, selected: id === Number(chosen) }, name)));
  }

  credentialActions() {
    if (this.protocol === 'netflow') return null;
    return h('div.actions.below-field',
      can('PUT', inAccount('credentials')) ? button('Edit', () => this.editCredential(this.credentials.find(({ id }) => id === Number(this.credential.value()))), { kind: 'small', 'aria-label': 'Edit this credential' }) : null,
      can('POST', inAccount('credentials')) ? button('New', () => this.editCredential(null), { kind: 'small', icon: 'plus', 'aria-label': 'New credential' }) : null);
  }

  async editCredential(credential) {
    const id = await dialog(credential ? `Credential “${credential.name}”` : `New ${protocolName(this.protocol)} credential`, (close) => [
      credential ? h('p.dim.small', 'All devices that use this credential are asked with it.') : null,
      credentialForm({ credential, protocol: this.protocol, cancel: () => close(), onSaved: close })]);
    if (id === undefined) return;
    await this.again('credentials', () => this.fillCredentials(id));
  }

  async editSensor(sensor) {
    const id = await dialog(sensor ? sensor.name : 'New SNMP sensor', (close) => sensorForm({ sensor, protocol: this.protocol, cancel: () => close(), onSaved: close }), { wide: true });
    if (id === undefined) return;
    if (!sensor) this.chosen.set(id, null);
    await this.again('sensors', () => this.fillSensors());
  }

  async again(kind, show) {
    try {
      const { list } = await api.get(inAccount(kind));
      this[kind] = list.filter(({ protocol }) => protocol === this.protocol);
      show();
      toast('Saved');
    } catch (error) {
      showError(error);
    }
  }

  fillSensors() {
    // What was typed until now stays.
    for (const row of this.sensorRows ?? []) row.keep(this.chosen);
    this.sensorRows = this.sensors.map((sensor) => sensorRow(sensor, this.chosen, this.protocol));
    fill(this.rows, this.sensorRows.length ? this.sensorRows.map(({ element }) => element) : h('p.dim', 'There is no sensor of this protocol.'));
  }

  fields() {
    if (!this.isOn()) return [];
    return [this.bot, this.credential, ...this.sensorRows.filter((row) => row.isOn()).map(({ interval }) => interval), { input: this.toggle, validate: () => this.checkSensors() }];
  }

  checkSensors() {
    const ok = this.sensorRows.some((row) => row.isOn());
    this.missing.firstChild.textContent = ok ? '' : 'Choose a sensor at least, or switch the protocol off.';
    return ok;
  }

  value() {
    return {
      bot: Number(this.bot.value()), credential: Number(this.credential.value()),
      sensors: this.sensorRows.filter((row) => row.isOn()).map((row) => ({ sensor: row.id, interval: row.interval.value() })),
    };
  }
}

function sensorRow({ id, name, default_interval: usual }, chosen, protocol) {
  const check = h('input', { type: 'checkbox', checked: chosen.has(id), id: uid('sensor') });
  const interval = numberField(`Interval of ${name}`, chosen.get(id), {
    min: 1, max: 604800, whole: true, unit: 's', placeholder: usual ? String(usual) : '60',
    check: () => null, required: protocol !== 'netflow' && !usual,
  });
  interval.element.querySelector('label').classList.add('sr');
  const wrap = h('div.interval', { hidden: protocol === 'netflow' }, 'every', interval.element, 's');
  const show = () => wrap.classList.toggle('idle', !check.checked);
  check.addEventListener('change', show);
  show();
  return {
    id, interval,
    isOn: () => check.checked,
    keep(map) { if (check.checked) map.set(id, interval.value()); else map.delete(id); },
    element: h('div.sensor-choice', check, h('label', { htmlFor: check.id }, name, usual ? h('span.dim.small', ` usually every ${duration(usual)}`) : null), wrap),
  };
}
