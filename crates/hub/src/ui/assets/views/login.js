// Name and password, and back to where one was going.

import { api, setCsrf } from '../api.js';
import { fill, h } from '../dom.js';
import { form, textField } from '../forms.js';
import { session } from '../session.js';
import { notice } from '../ui.js';

export async function show({ main, query, title, signal }) {
  title('Log in');
  const username = textField('User name', '', { required: true, autocomplete: 'username', name: 'username' });
  const password = textField('Password', '', { type: 'password', required: true, autocomplete: 'current-password', name: 'password', read: (input) => input.value });
  const element = form({
    content: [username.element, password.element],
    fields: () => [username, password],
    submit: 'Log in',
    save: async () => {
      try {
        const answer = await api.post('auth/login', { username: username.value(), password: password.value() }, { quiet: true });
        setCsrf(answer.csrf);
      } catch (error) {
        if (error.status === 401) {
          password.input.select();
          error.message = 'User name or password is wrong.';
        }
        throw error;
      }
      session.person = null;
      location.hash = safe(query.get('next'));
    },
  });
  const hint = h('div');
  fill(main, h('div.card.outside-card', h('h1', 'Log in'), hint, element));
  username.input.focus();
  try {
    const status = await api.get('status/info', { signal, quiet: true });
    if (status.setup_needed) {
      fill(hint, notice('info', h('b', 'Nobody has an account here yet. '), 'Open the link that was printed when the hub was started; it looks like ', h('code', `${location.origin}/#/setup/…`), ' and sets the first password.'));
    }
  } catch (error) {
    if (error.name !== 'AbortError') fill(hint, notice('warning', error.message));
  }
}

/** Only views of this page: a link must not lead elsewhere. */
const safe = (next) => (next?.startsWith('#/') ? next : '#/');
