// What a person or a bot may do: a list of resources with methods. To grant a permission, one needs it oneself.

import { api } from '../../api.js';
import { fill, h } from '../../dom.js';
import { field, form, selectField, textField } from '../../forms.js';
import { can, inAccount, session } from '../../session.js';
import { button, dialog, empty, notice, showError, table } from '../../ui.js';
import { listOf } from './records.js';

const METHODS = [['GET', 'read'], ['POST', 'add'], ['PUT', 'change'], ['DELETE', 'delete']];

/** `route` is where the permissions are, such as `persons/5/permissions`. */
export function permissionsDialog(name, route) {
  return dialog(`What ${name} may do`, (close) => {
    const place = h('div');
    const again = async () => {
      const list = await listOf(route);
      fill(place, list.length ? permissionTable(list, route, again) : empty('Nothing', 'Grant a permission below.'));
    };
    again().catch((error) => fill(place, notice('error', error.message)));
    return [place, can('POST', route) ? grantForm(route, again) : null, h('div.dialog-actions', button('Done', () => close()))];
  }, { wide: true });
}

function permissionTable(list, route, again) {
  return table([
    { name: 'On', cell: ({ resource_prefix: prefix }) => describe(prefix) },
    { name: 'May', cell: ({ methods }) => (methods === null ? 'everything' : methods.map((method) => METHODS.find(([key]) => key === method)?.[1] ?? method).join(', ')) },
    { name: '', class: 'actions-cell', cell: ({ id }) => (can('DELETE', route) ? button('', async () => {
      try {
        await api.delete(`${route}/${id}`);
        await again();
      } catch (error) {
        showError(error);
      }
    }, { kind: 'small.danger', icon: 'trash', title: 'Revoke' }) : null) },
  ], list);
}

function describe(prefix) {
  if (prefix === null) return 'everything';
  const match = /^accounts\/(\d+)(?:\/(.+))?$/.exec(prefix);
  const account = match && session.accounts.find(({ id }) => id === Number(match[1]));
  return h('span', h('code', prefix), account ? h('span.dim', ` ${account.name}${match[2] ? '' : ', all of it'}`) : null);
}

function grantForm(route, again) {
  const account = inAccount();
  const presets = [
    ['read', `See ${session.account?.name}`, account, ['GET']],
    ['operate', `Manage the devices of ${session.account?.name}`, account, null],
    ['entities', 'Add and change devices only', `${account}/entities`, ['GET', 'POST', 'PUT', 'DELETE']],
    ['values', 'Store values (bots)', `${account}/values`, ['POST', 'PUT']],
    ['all', 'Everything: an administrator', null, null],
    ['own', 'Something else …', '', ['GET']],
  ].filter(([, , prefix]) => session.account || !prefix?.startsWith('accounts/0'));
  const resource = textField('Resource', account, { mono: true, help: ['As in the API, such as ', h('code', `${account}/sensors`), '; it holds for all below it. Empty: everything.'], check: (text) => (/^[a-zA-Z0-9_/-]+$/.test(text) ? null : 'Segments with / between them, such as accounts/1/entities.') });
  const boxes = METHODS.map(([key, text]) => [key, h('input', { type: 'checkbox' }), text]);
  const methods = field('Methods', h('div.checks', boxes.map(([key, box, text]) => h('label.check', box, `${text} (${key})`))), {
    read: () => boxes.filter(([, box]) => box.checked).map(([key]) => key), check: (list) => (list.length ? null : 'Choose one at least.'),
  });
  const own = h('div', resource.element, methods.element);
  const preset = selectField('Grant', presets.map(([key, text]) => [key, text]), 'read', { onchange: () => show() });
  const show = () => {
    const [key, , prefix, list] = presets.find(([one]) => one === preset.value());
    own.hidden = key !== 'own';
    if (key !== 'own') {
      resource.input.value = prefix ?? '';
      for (const [name, box] of boxes) box.checked = list === null || list.includes(name);
    }
  };
  show();
  return h('fieldset', h('legend', 'Grant a permission'), form({
    content: [preset.element, own], submit: 'Grant', fields: () => (preset.value() === 'own' ? [resource, methods] : []),
    save: async () => {
      const chosen = methods.value();
      await api.post(route, { resource_prefix: resource.value() || null, methods: chosen.length === METHODS.length ? null : chosen });
      await again();
    },
  }));
}
