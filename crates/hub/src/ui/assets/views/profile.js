// The own name and password.

import { api } from '../api.js';
import { fill, h } from '../dom.js';
import { form, textField } from '../forms.js';
import { load, session } from '../session.js';
import { table, toast } from '../ui.js';
import { passwordFields } from './passwords.js';

export async function show({ main, title }) {
  title('Profile');
  const { person } = session;
  fill(main, h('div.page-head', h('h1', 'Profile')),
    h('div.columns', aboutCard(person), passwordCard(person)), permissionsCard());
}

function aboutCard(person) {
  const name = textField('Name', person.name, { required: true, autocomplete: 'name' });
  const username = textField('User name', person.username, { required: true, autocomplete: 'username', check: (value) => (/\s/.test(value) ? 'Without blanks, please.' : null) });
  const email = textField('E-mail', person.email, { type: 'email', autocomplete: 'email' });
  const element = form({
    content: [name.element, username.element, email.element],
    fields: () => [name, username, email],
    save: async () => {
      await api.put(`persons/${person.user_id}`, { name: name.value(), username: username.value(), email: email.value(), timezone: person.timezone ?? 'UTC' });
      await load();
      toast('Saved');
    },
  });
  return h('section.card', h('div.card-head', h('h2', 'About you')), h('div.card-body', element));
}

function passwordCard(person) {
  const old = textField('Current password', '', { type: 'password', required: true, autocomplete: 'current-password', read: (input) => input.value });
  const fresh = passwordFields('New password');
  const element = form({
    content: [old.element, fresh.elements],
    fields: () => [old, ...fresh.fields],
    submit: 'Change the password',
    save: async () => {
      try {
        await api.post(`persons/${person.user_id}/password`, { old_password: old.value(), new_password: fresh.value() });
      } catch (error) {
        if (error.status === 400 && /change failed/i.test(error.message)) error.message = 'The current password is wrong.';
        throw error;
      }
      for (const { input } of [old, ...fresh.fields]) input.value = '';
      toast('The password is changed');
    },
  });
  return h('section.card', h('div.card-head', h('h2', 'Password')), h('div.card-body', element));
}

function permissionsCard() {
  return h('section.card', h('div.card-head', h('h2', 'What you may do')),
    session.permissions.length ? table([
      { name: 'Resource', cell: ({ resource_prefix: prefix }) => (prefix === null ? 'everything' : h('code', prefix)) },
      { name: 'Methods', cell: ({ methods }) => (methods === null ? 'all' : methods.join(', ')) },
    ], session.permissions) : h('p.dim.card-body', 'Nothing yet. Ask an administrator.'));
}
