// A new password, written twice.

import { textField } from '../forms.js';

const SHORTEST = 8;

export function passwordFields(label = 'Password') {
  const options = { type: 'password', required: true, autocomplete: 'new-password', read: (input) => input.value };
  const first = textField(label, '', { ...options, help: `At least ${SHORTEST} characters. A few words in a row are good.`, check: (value) => (value.length < SHORTEST ? `At least ${SHORTEST} characters: it has ${value.length}.` : null) });
  const second = textField('The same again', '', { ...options, check: (value) => (value === first.value() ? null : 'The two are not the same.') });
  return { elements: [first.element, second.element], fields: [first, second], value: () => first.value() };
}
