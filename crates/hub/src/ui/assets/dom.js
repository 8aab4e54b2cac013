// Builds DOM from data. Text only ever becomes text nodes or attribute values: nothing here parses HTML.

const SVG = 'http://www.w3.org/2000/svg';
/** Set as properties: their attributes are only initial values. */
const PROPERTIES = new Set(['value', 'checked', 'disabled', 'selected', 'indeterminate', 'hidden', 'open', 'readOnly', 'required', 'multiple', 'htmlFor', 'tabIndex']);

/**
 * An element: `h('a.button.primary', { href: '#/', onclick: go }, 'Go')`.
 * Keys of `props`: `on…` are listeners, `css` are styles (through the CSSOM, which a strict policy allows),
 * `data` is the dataset, null and undefined are left out.
 */
export function h(tag, props, ...children) {
  const [name, ...classes] = tag.split('.');
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(' ');
  if (props && (typeof props !== 'object' || props instanceof Node || Array.isArray(props))) {
    children.unshift(props);
    props = null;
  }
  if (props) assign(element, props);
  append(element, children);
  return element;
}

/** The same for SVG, whose attributes are all attributes. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children);
  return element;
}

function assign(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'class') element.classList.add(...String(value).split(' ').filter(Boolean));
    else if (name === 'css') Object.assign(element.style, value);
    else if (name === 'data') Object.assign(element.dataset, value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else if (typeof value === 'boolean' && !name.startsWith('aria-')) element.toggleAttribute(name, value);
    else element.setAttribute(name, String(value));
  }
}

export function append(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** Replaces what is inside. */
export function fill(element, ...children) {
  element.replaceChildren();
  return append(element, children);
}

/** Sets a text only where it has changed: a live page writes the same texts again and again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let counter = 0;
/** An id that no other element has. */
export const uid = (prefix = 'e') => `${prefix}-${++counter}`;

/** Calls `work` once per animation frame at most, however often it is asked to. */
export function onFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}

/** Calls `work` when `wait` ms have passed without another call. */
export function debounce(work, wait) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...args), wait);
  };
}

/** Repeats `work` until the view is left. */
export function every(milliseconds, work, signal) {
  const timer = setInterval(work, milliseconds);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}
