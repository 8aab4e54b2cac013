// Requests to the hub. Errors say what went wrong and what to do; an ended session is told to the application.

import { compare } from './clock.js';

let csrf = null;
/** The header of every request that changes something; login and profile tell it. */
export const setCsrf = (token) => { csrf = token; };

/** What there is to say when there was no answer. */
export const AWAY = 'The hub does not answer. Check that it runs and that you are connected.';

/** What a request failed with. `status` is 0 when there was no answer. */
export class ApiError extends Error {
  constructor(status, message, { retryAfter = null, method = '', path = '' } = {}) {
    super(message);
    Object.assign(this, { name: 'ApiError', status, retryAfter, method, path });
  }
}

/** Told when a request is refused because nobody is logged in (any more). */
export const sessionEnded = new EventTarget();

export const url = (path) => new URL(`api/${path}`, document.baseURI);

async function request(method, path, body, { signal, quiet = false, again = false } = {}) {
  const headers = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET' && csrf) headers['X-CSRF-Token'] = csrf;
  let response;
  try {
    response = await fetch(url(path), {
      method, headers, signal, credentials: 'same-origin', redirect: 'error',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, AWAY, { method, path });
  }
  compare(response.headers.get('Date'));
  if (response.ok) return answer(response);
  const error = await refusal(response, method, path, quiet);
  // Somebody has logged in anew in another tab: its token counts for this one too.
  if (error.status === 403 && /csrf/i.test(error.message) && !again) {
    const profile = await request('GET', 'profile', undefined, { signal });
    setCsrf(profile.csrf);
    return request(method, path, body, { signal, quiet, again: true });
  }
  throw error;
}

async function answer(response) {
  if (response.status === 204) return null;
  const text = await response.text();
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    throw new ApiError(response.status, 'What came back is not from the hub: its answer is no JSON. Is something between this page and the hub?');
  }
}

async function refusal(response, method, path, quiet) {
  const { status } = response;
  const text = await response.text().catch(() => '');
  let detail = text;
  try {
    detail = JSON.parse(text).detail ?? text;
  } catch { /* plain text */ }
  if (typeof detail !== 'string') detail = JSON.stringify(detail);
  const retryAfter = Number(response.headers.get('Retry-After')) || null;
  const facts = { retryAfter, method, path };
  if (status === 401 && !quiet) {
    sessionEnded.dispatchEvent(new Event('ended'));
    return new ApiError(status, 'Your session has ended. Log in again.', facts);
  }
  return new ApiError(status, meaning(status, detail, method, path, retryAfter), facts);
}

function meaning(status, detail, method, path, retryAfter) {
  switch (status) {
    case 403:
      return /insufficient permissions/i.test(detail) || !detail
        ? `You may not do that: it needs the permission ${method} ${path.split('?')[0]}. Ask an administrator to grant it.`
        : detail;
    case 404: return detail || 'There is no such thing (any more).';
    case 413: return 'That is too much at once. Ask for less, or send less.';
    case 429: return `Too many attempts. Try again in ${retryAfter ?? 60} seconds.`;
    default:
      if (status >= 500) return `The hub failed (${status}). Its log says why.${detail.length < 200 && detail ? ` It said: ${detail}` : ''}`;
      return detail || `The hub refused this (${status}).`;
  }
}

export const api = {
  get: (path, options) => request('GET', path, undefined, options),
  post: (path, body, options) => request('POST', path, body, options),
  put: (path, body, options) => request('PUT', path, body, options),
  delete: (path, options) => request('DELETE', path, undefined, options),
};

/** `{ a: 1, b: null }` as `?a=1`. */
export function query(parameters) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== '') search.set(name, value);
  }
  const text = search.toString();
  return text ? `?${text}` : '';
}
