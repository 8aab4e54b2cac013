// People: who may log in, and what they may do.

import { api } from '../../api.js';
import { h } from '../../dom.js';
import { form, textField } from '../../forms.js';
import { can, session } from '../../session.js';
import { button, dialog, toast } from '../../ui.js';
import { passwordFields } from '../passwords.js';
import { permissionsDialog } from './permissions.js';
import { listOf, records } from './records.js';

const isMe = ({ user_id: id }) => id === session.person.user_id;

export async function show({ body, signal, params }) {
  await records({
    body, signal, params, section: 'people', topics: ['persons'], keyOf: ({ user_id: id }) => id,
    what: { one: 'person', many: 'people' },
    lead: 'Who may log in. A new person may do nothing until it is granted something.',
    nothing: 'Add those who shall see or manage devices.',
    load: () => listOf('persons', signal),
    columns: [
      { name: 'Name', cell: (person) => h('span', h('b', person.name || person.username), isMe(person) ? h('span.tag.you', 'you') : null) },
      { name: 'User name', cell: ({ username }) => username },
      { name: 'E-mail', cell: ({ email }) => email || h('span.dim', '–') },
    ],
    edit: personForm,
    extra: (person) => [
      can('GET', `persons/${person.user_id}/permissions`) ? button('Permissions', () => permissionsDialog(person.name || person.username, `persons/${person.user_id}/permissions`), { kind: 'small' }) : null,
      !isMe(person) && can('POST', `persons/${person.user_id}/password`) ? button('Password', () => resetPassword(person), { kind: 'small', icon: 'key', 'aria-label': `Set a password for ${person.username}` }) : null,
    ],
    remove: ({ user_id: id }) => api.delete(`persons/${id}`),
    removal: ({ username }) => `${username} is logged out and cannot log in any more.`,
    may: (action, person) => (person ? can({ edit: 'PUT', delete: 'DELETE' }[action], `persons/${person.user_id}`) && !(action === 'delete' && isMe(person)) : can('POST', 'persons')),
  });
}

function personForm(person, done, cancel) {
  const username = textField('User name', person?.username ?? '', { required: true, check: (value) => (/\s/.test(value) ? 'Without blanks, please.' : null) });
  const name = textField('Name', person?.name ?? '', { required: true });
  const email = textField('E-mail', person?.email ?? '', { type: 'email', check: (value) => (value.includes('@') ? null : 'An address such as me@example.org is expected.') });
  const password = person ? null : passwordFields();
  return form({
    content: [name.element, username.element, email.element, password?.elements],
    fields: () => [name, username, email, ...(password?.fields ?? [])], cancel, submit: person ? 'Save' : 'Add the person',
    save: async () => {
      const record = { name: name.value(), username: username.value(), email: email.value() || `${username.value()}@localhost` };
      if (person) {
        await api.put(`persons/${person.user_id}`, { ...record, timezone: person.timezone ?? 'UTC' });
        toast('Saved');
        return done(person.user_id);
      }
      const { id } = await api.post('persons', { ...record, password: password.value() });
      done(id);
      if (can('POST', `persons/${id}/permissions`)) await permissionsDialog(record.name, `persons/${id}/permissions`);
      return undefined;
    },
  });
}

function resetPassword(person) {
  return dialog(`A new password for ${person.name || person.username}`, (close) => {
    const password = passwordFields('New password');
    return form({
      content: [h('p.dim', 'They are logged out everywhere, and log in with this one. They can change it in their profile.'), password.elements],
      fields: () => password.fields, cancel: () => close(), submit: 'Set the password',
      save: async () => {
        await api.post(`persons/${person.user_id}/password`, { new_password: password.value() });
        toast('The password is set');
        close();
      },
    });
  });
}
