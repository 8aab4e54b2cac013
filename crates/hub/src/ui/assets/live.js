// What changes at the hub, as it changes: one stream of events for the page, shared by all that listen.
//
// A listener says which topics and which values it is interested in. When the stream has been away, or the hub had to
// leave something out, every listener is told that it `lost` something, and reads its data again.

import { api, ApiError, url } from './api.js';
import { session } from './session.js';

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30000;
/** The hub says something each 15 s; after this long the connection is taken for dead. */
const SILENCE = 40000;

/** A page that nobody looks at for so long lets go of its connection: browsers have few of them for one host. */
const HIDDEN = 20000;

const listeners = new Set();
let source = null;
let connected = '';
let pause = FIRST_PAUSE;
let timer = 0;
let watchdog = 0;
let interrupted = false;
let away = false;
let hiding = 0;

/** `state` is 'live', 'connecting' or 'off'. */
export const liveState = Object.assign(new EventTarget(), { state: 'off' });

function setState(state) {
  if (liveState.state === state) return;
  liveState.state = state;
  liveState.dispatchEvent(new Event('change'));
}

/**
 * Listens until `signal` aborts. `values` is a list of path filters of the account that is looked at.
 * `onChanged({ topic, id })`, `onValues([{ p, t, v }, …])`, `onLost()`.
 */
export function listen({ topics = [], values = [], onChanged, onValues, onLost }, signal) {
  const listener = { topics, values, onChanged, onValues, onLost, account: session.account?.id };
  listeners.add(listener);
  signal?.addEventListener('abort', () => {
    listeners.delete(listener);
    soon();
  }, { once: true });
  soon();
  return {
    /** Other values from now on. */
    setValues(filters) {
      listener.values = filters;
      soon();
    },
  };
}

/** Views that are left and entered change what is listened to several times in a row. */
function soon() {
  clearTimeout(timer);
  timer = setTimeout(connect, 30);
}

function wanted() {
  const values = new Set();
  for (const listener of listeners) {
    if (listener.account === session.account?.id) listener.values.forEach((filter) => values.add(filter));
  }
  const parameters = new URLSearchParams();
  if (values.size && session.account) {
    parameters.set('account', session.account.id);
    parameters.set('values', [...values].sort().join(','));
  }
  const address = url('changes');
  address.search = parameters;
  return address.href;
}

function connect() {
  if (!session.person || !listeners.size) {
    close();
    return;
  }
  const address = wanted();
  if (away || (source && address === connected)) return;
  source?.close();
  connected = address;
  setState('connecting');
  const stream = new EventSource(address);
  source = stream;
  stream.addEventListener('hello', () => {
    pause = FIRST_PAUSE;
    setState('live');
    alive();
    if (interrupted) tellLost();
    interrupted = false;
  });
  stream.addEventListener('changed', (event) => {
    alive();
    const change = JSON.parse(event.data);
    for (const listener of listeners) if (concerns(listener, change.topic)) listener.onChanged?.(change);
  });
  stream.addEventListener('values', (event) => {
    alive();
    const { account, values } = JSON.parse(event.data);
    for (const listener of listeners) if (listener.account === account) listener.onValues?.(values);
  });
  stream.addEventListener('lost', () => {
    alive();
    tellLost();
  });
  stream.onerror = () => {
    if (source !== stream) return;
    interrupted = true;
    stream.close();
    source = null;
    setState('connecting');
    retry();
  };
}

function concerns(listener, topic) {
  return listener.topics.some((wantedTopic) => topic === wantedTopic || topic.startsWith(`${wantedTopic}/`));
}

function tellLost() {
  for (const listener of listeners) listener.onLost?.();
}

/** An EventSource does not say why it failed: whether the session has ended is asked in another way. */
function retry() {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    try {
      await api.get('profile');
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return;
    }
    connect();
  }, pause * (0.75 + Math.random() / 2));
  pause = Math.min(pause * 2, LONGEST_PAUSE);
}

/** Comments of the stream are not seen here, so silence is only judged where values are expected. */
function alive() {
  clearTimeout(watchdog);
  if (!connected.includes('values=')) return;
  watchdog = setTimeout(async () => {
    // Quiet may be all there is: only where the hub does not answer either is the stream taken for dead.
    try {
      await api.get('status/info', { quiet: true });
      alive();
    } catch {
      source?.onerror?.();
    }
  }, SILENCE);
}

export function close() {
  clearTimeout(timer);
  clearTimeout(watchdog);
  source?.close();
  source = null;
  connected = '';
  interrupted = false;
  setState('off');
}

function leave() {
  away = true;
  close();
}

function comeBack() {
  if (!away) return;
  away = false;
  interrupted = listeners.size > 0;
  connect();
}

document.addEventListener('visibilitychange', () => {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(leave, HIDDEN);
  else comeBack();
});
// A page that the browser keeps for its back button would keep its connection too.
window.addEventListener('pagehide', leave);
window.addEventListener('pageshow', comeBack);
