// Forms that explain and check: each field has a label, a help text, and a place where its own error stands.

import { append, fill, h, uid } from './dom.js';
import { button, icon } from './ui.js';

let pressed = false;
const left = [];
const settle = () => setTimeout(() => left.splice(0).forEach((action) => action()));
document.addEventListener('pointerdown', () => { pressed = true; }, { capture: true });
for (const end of ['pointerup', 'pointercancel']) document.addEventListener(end, () => { pressed = false; settle(); }, { capture: true });

/** Acts when `input` was left, after the click that left it: what comes and goes would move a button from under it. */
export function onLeave(input, action) {
  input.addEventListener('blur', () => {
    left.push(action);
    if (!pressed) settle();
  });
}

/**
 * A field. `input` is the control; `check(value)` returns what is wrong with it, or null. Returns
 * `{ element, input, value(), error() , setError(text) }`.
 */
export function field(label, input, { help, check, required = false, read = (control) => control.value.trim() } = {}) {
  input.id ||= uid('field');
  const errorId = `${input.id}-error`;
  const helpId = `${input.id}-help`;
  const error = h('div.error', { id: errorId, 'aria-live': 'polite' });
  const element = h('div.field', h('label', { htmlFor: input.id }, label), input,
    help ? h('div.help', { id: helpId }, help) : null, error);
  input.setAttribute('aria-describedby', help ? `${helpId} ${errorId}` : errorId);
  let touched = false;
  const result = {
    element, input, label,
    value: () => read(input),
    problem() {
      const value = read(input);
      if (required && (value === '' || value === null)) return 'This is needed.';
      return value === '' || value === null ? null : check?.(value) ?? null;
    },
    setError(text) {
      fill(error, text ? [icon('warning'), text] : null);
      input.setAttribute('aria-invalid', String(Boolean(text)));
    },
    /** Shows its problem, and says whether it has none. */
    validate() {
      touched = true;
      const problem = result.problem();
      result.setError(problem);
      return !problem;
    },
  };
  // Nobody is told of a mistake while still typing for the first time.
  onLeave(input, () => { if (read(input) !== '' || touched) result.validate(); });
  input.addEventListener('input', () => { if (touched) result.validate(); });
  return result;
}

export const textField = (label, value, options = {}) => field(label, h('input', {
  type: options.type ?? 'text', value: value ?? '', autocomplete: options.autocomplete ?? 'off', placeholder: options.placeholder,
  class: options.mono ? 'mono' : null, spellcheck: 'false', inputmode: options.inputmode, autofocus: options.autofocus, maxlength: options.maxlength, name: options.name, autocapitalize: 'off',
}), options);

/** A number, or null when nothing is written. Numbers may come as text: `"3"`. */
export function numberField(label, value, { min, max, whole = false, unit, ...options } = {}) {
  return textField(label, value === null || value === undefined ? '' : String(value), {
    inputmode: whole ? 'numeric' : 'decimal',
    ...options,
    read: (control) => {
      const text = control.value.trim().replace(',', '.');
      return text === '' ? null : Number(text);
    },
    check: (number) => {
      if (!Number.isFinite(number)) return 'A number is expected here.';
      if (whole && !Number.isInteger(number)) return 'A whole number is expected here.';
      if ((min !== undefined && number < min) || (max !== undefined && number > max)) return `From ${min} to ${max}${unit ? ` ${unit}` : ''}.`;
      return options.check?.(number) ?? null;
    },
  });
}

export function selectField(label, choices, value, options = {}) {
  const input = h('select', { onchange: options.onchange },
    options.prompt ? h('option', { value: '' }, options.prompt) : null,
    choices.map(([key, text]) => h('option', { value: key, selected: String(key) === String(value ?? '') }, text)));
  return field(label, input, { ...options, read: (control) => control.value });
}

export function checkbox(label, checked, { help, onchange } = {}) {
  const input = h('input', { type: 'checkbox', checked, onchange });
  const element = h('label.check', input, h('span', label, help ? h('div.help.dim.small', help) : null));
  return { element, input, value: () => input.checked };
}

/** A password or key: hidden, can be looked at. `stored`: there is one at the hub that is not told. */
export function secretField(label, value, options = {}) {
  const { stored = false, ...rest } = options;
  const made = textField(label, value, {
    type: 'password', autocomplete: 'new-password', ...rest,
    placeholder: stored ? 'unchanged' : rest.placeholder,
    required: rest.required && !stored,
  });
  const show = button('Show', () => {
    const hidden = made.input.type === 'password';
    made.input.type = hidden ? 'text' : 'password';
    show.textContent = hidden ? 'Hide' : 'Show';
  }, { kind: 'quiet', 'aria-label': `Show ${label}` });
  const row = h('div.with-button');
  made.input.replaceWith(row);
  row.append(made.input, show);
  return made;
}

/**
 * A form. `fields` is a function that lists those that count now; `save` does the work and may throw; what it throws
 * is shown above the buttons. Returns the form element.
 */
export function form({ content, fields, save, submit = 'Save', cancel, extra, onDirty }) {
  const failed = h('div', { 'aria-live': 'assertive' });
  const send = h('button.button.primary', { type: 'submit' }, submit);
  const element = h('form', { novalidate: true, autocomplete: 'off' });
  append(element, [content, failed, h('div.dialog-actions', extra ?? null, cancel ? button('Cancel', cancel) : null, send)]);
  element.addEventListener('input', () => onDirty?.());
  element.addEventListener('submit', async (event) => {
    event.preventDefault();
    failed.replaceChildren();
    const wrong = fields().filter((one) => !one.validate());
    if (wrong.length) {
      wrong[0].input.focus();
      return;
    }
    send.disabled = true;
    element.setAttribute('aria-busy', 'true');
    try {
      await save();
    } catch (error) {
      if (error.name !== 'ApiError') console.error(error);
      fill(failed, h('div.notice.error', icon('warning'), h('div', error.message)));
    } finally {
      send.disabled = false;
      element.removeAttribute('aria-busy');
    }
  });
  return element;
}
