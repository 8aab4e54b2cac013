// Accounts: each holds devices, sensors, credentials and values of its own.

import { api } from '../../api.js';
import { h } from '../../dom.js';
import { form, numberField, textField } from '../../forms.js';
import { can, chooseAccount, session, setAccounts } from '../../session.js';
import { button, toast } from '../../ui.js';
import { listOf, records } from './records.js';

const LONGEST_KEPT = 36500;
const mayAdd = () => can('POST', 'accounts') || can('POST', 'admin/accounts');

export async function show({ body, signal, params }) {
  await records({
    body, signal, params, section: 'accounts', topics: ['accounts'],
    what: { one: 'account', many: 'accounts' },
    lead: 'Each account holds devices, sensors, credentials and values of its own. Most people need one.',
    nothing: 'An account holds devices, their sensors and their values.',
    load: async () => {
      const list = await listOf('accounts', signal);
      setAccounts(list);
      return session.accounts;
    },
    columns: [
      { name: 'Name', cell: ({ id, name }) => h('span', h('b', name), id === session.account?.id && session.accounts.length > 1 ? h('span.tag.you', 'shown') : null) },
      { name: 'Number', cell: ({ id }) => h('span.number', id) },
      { name: 'Keeps each value', cell: ({ raw_days: days }) => (days ? `${days} days, then averages by the hour and longer` : h('span.dim', '–')) },
    ],
    extra: ({ id }) => (id !== session.account?.id ? button('Show', () => { chooseAccount(id); location.hash = `#/?a=${id}`; }, { kind: 'small' }) : null),
    edit: accountForm,
    remove: ({ id }) => api.delete(`accounts/${id}`),
    removal: ({ name }) => `All devices, sensors, credentials, bots and values of ${name} are deleted with it, for good. Make a backup first if in doubt.`,
    may: (action, account) => (account ? can({ edit: 'PUT', delete: 'DELETE' }[action], `accounts/${account.id}`) : mayAdd()),
  });
}

function accountForm(account, done, cancel) {
  const name = textField('Name', account?.name ?? '', { required: true });
  const days = numberField('Keep each value for so many days', account?.raw_days ?? 90, {
    required: true, min: 1, max: LONGEST_KEPT, whole: true, help: 'After that there are averages, minima and maxima of each hour and longer, for ever.',
  });
  return form({
    content: [name.element, account ? days.element : null],
    fields: () => (account ? [name, days] : [name]), cancel, submit: account ? 'Save' : 'Add the account',
    save: async () => {
      if (account) await api.put(`accounts/${account.id}`, { name: name.value(), raw_days: days.value() });
      const id = account?.id ?? (await api.post('accounts', { name: name.value() })).id;
      toast(account ? 'Saved' : 'The account was added, with the usual sensors and credentials');
      done(id);
    },
  });
}
