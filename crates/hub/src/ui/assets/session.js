// Who is logged in, what they may do, and which account is looked at.

import { api, setCsrf } from './api.js';

const REMEMBERED = 'grafolean.account';

export const session = {
  /** The person: `{ user_id, username, name, email, … }`; null when nobody is logged in. */
  person: null,
  permissions: [],
  accounts: [],
  /** The account that is looked at: `{ id, name }`; null when there is none that this person may see. */
  account: null,
};

/** Reads all of it. Throws an `ApiError` of status 401 when nobody is logged in. */
export async function load() {
  const [profile, permissions, accounts] = await Promise.all([
    api.get('profile', { quiet: true }),
    api.get('profile/permissions', { quiet: true }),
    api.get('accounts', { quiet: true }),
  ]);
  if (profile.csrf) setCsrf(profile.csrf);
  session.person = { ...profile.record, user_id: profile.user_id };
  session.permissions = permissions.list;
  setAccounts(accounts.list);
}

export function setAccounts(list) {
  session.accounts = [...list].sort((a, b) => a.name.localeCompare(b.name));
  const wanted = session.account?.id ?? Number(remembered());
  session.account = session.accounts.find(({ id }) => id === wanted) ?? oldest(session.accounts);
}

/** Links that were made when there was but one account name none: that one is meant. */
const oldest = (accounts) => accounts.reduce((first, one) => (first && first.id < one.id ? first : one), null);

export function chooseAccount(id) {
  const found = session.accounts.find((account) => account.id === Number(id));
  if (!found) return false;
  session.account = found;
  try {
    localStorage.setItem(REMEMBERED, String(found.id));
  } catch { /* no storage: not remembered */ }
  return true;
}

function remembered() {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null;
  }
}

export function forget() {
  Object.assign(session, { person: null, permissions: [], accounts: [] });
  setCsrf(null);
}

/** A resource of the account that is looked at: `inAccount('entities', 5)` is `accounts/1/entities/5`. */
export const inAccount = (...parts) => ['accounts', session.account?.id ?? 0, ...parts].join('/');

/** Whether this person may do that. A permission is a prefix of whole segments, and methods; null means all. */
export function can(method, resource) {
  return session.permissions.some(({ resource_prefix: prefix, methods }) =>
    (prefix === null || prefix === resource || resource.startsWith(`${prefix}/`))
    && (methods === null || methods.includes(method)));
}

/** `#/device/5`, with the account where there are several, so that links can be shared. */
export function link(path, parameters = {}) {
  const all = { ...parameters };
  if (session.accounts.length > 1) all.a = session.account?.id;
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(all)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined && one !== '') search.append(name, one);
    }
  }
  const text = search.toString();
  return `#/${path}${text ? `?${text}` : ''}`;
}
