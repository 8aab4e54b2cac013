// The first person: by the link that the hub prints once.

import { api, setCsrf } from '../api.js';
import { fill, h } from '../dom.js';
import { form, textField } from '../forms.js';
import { session } from '../session.js';
import { empty, linkButton, toast } from '../ui.js';
import { passwordFields } from './passwords.js';

export async function show({ main, params, title, signal }) {
  title('Welcome');
  const status = await api.get('status/info', { signal, quiet: true });
  if (!status.setup_needed) {
    fill(main, empty('Already set up', 'This link works once, and somebody has used it. Log in with the name and password that were chosen then.', linkButton('Log in', '#/login', { kind: 'primary' })));
    return;
  }
  const token = textField('Setup token', params.token ?? '', { required: true, mono: true, help: 'The last part of the link that the hub printed.' });
  const username = textField('User name', 'admin', { required: true, autocomplete: 'username', check: (value) => (/\s/.test(value) ? 'Without blanks, please.' : null) });
  const name = textField('Your name', '', { help: 'As others see it.', autocomplete: 'name' });
  const email = textField('E-mail', '', { type: 'email', help: 'Nothing is sent there.', autocomplete: 'email', check: (value) => (value.includes('@') ? null : 'An address such as me@example.org is expected.') });
  const password = passwordFields();
  const element = form({
    content: [params.token ? null : token.element, username.element, password.elements, h('details', h('summary', 'Name and e-mail'), name.element, email.element)],
    fields: () => [token, username, ...password.fields, name, email],
    submit: 'Set the password',
    save: async () => {
      try {
        const answer = await api.post('admin/first', {
          name: name.value() || username.value(), username: username.value(), password: password.value(), email: email.value() || `${username.value()}@localhost`, setup: token.value(),
        }, { quiet: true });
        setCsrf(answer.csrf ?? null);
      } catch (error) {
        if (error.status === 401) error.message = 'Somebody else was faster: the first password is set already. Log in with it.';
        else if (error.status === 403) error.message = 'This link is not valid (any more). The hub prints a new one each time it is started, until a password is set.';
        throw error;
      }
      session.person = null;
      toast('Welcome! The hub is yours.');
      // The link is used up: nobody has to come back to it.
      location.replace('#/');
    },
  });
  fill(main, h('div.card.outside-card', h('h1', 'Welcome to Grafolean'), h('p.dim.lead', 'Choose how you log in. You can do everything here; others can be added later.'), element));
  password.fields[0].input.focus();
}
