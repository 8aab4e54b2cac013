// Bots: who measures. Their tokens are shown once.

import { now } from '../../clock.js';
import { api } from '../../api.js';
import { h } from '../../dom.js';
import { ago, dateTime } from '../../format.js';
import { checkbox, form, selectField, textField } from '../../forms.js';
import { can, inAccount, session } from '../../session.js';
import { button, confirm, copyField, dialog, notice, showError, stateIcon, toast } from '../../ui.js';
import { PROTOCOLS, protocolName } from '../protocols.js';
import { permissionsDialog } from './permissions.js';
import { listIfAllowed, records } from './records.js';
import { usedBy, users } from './usage.js';

const SEEN_LATELY = 180;
const isSystemwide = ({ tied_to_account: tied }) => tied === null || tied === undefined;
/** The route of a bot: of its account, or of all. */
const routeOf = (bot) => (isSystemwide(bot) ? `bots/${bot.id}` : inAccount('bots', bot.id));
const online = ({ last_login: last }) => Boolean(last) && now() - last < SEEN_LATELY;

export async function show({ body, signal, params }) {
  const used = await users('bots', signal);
  await records({
    body, signal, params, section: 'bots', topics: [inAccount('bots'), 'bots'],
    what: { one: 'bot', many: 'bots' },
    lead: 'Bots measure, and log in with a token. One inside this process or elsewhere: it has to reach its devices and this hub.',
    nothing: 'Without a bot nothing is measured. Add one, and start it with its token.',
    load: async () => {
      const [own, systemwide] = await Promise.all([session.account ? listIfAllowed(inAccount('bots'), signal) : [], listIfAllowed('bots', signal)]);
      return [...own, ...systemwide];
    },
    columns: [
      { name: 'Name', cell: (bot) => h('span.bot', stateIcon(online(bot) ? 'ok' : bot.last_login ? 'down' : 'unknown'), h('b', bot.name)) },
      { name: 'Protocol', cell: ({ protocol }) => (protocol ? h('span.tag', protocolName(protocol)) : h('span.dim', 'any')) },
      { name: 'Serves', cell: (bot) => (isSystemwide(bot) ? 'all accounts that it may' : session.account.name) },
      { name: 'Last seen', cell: ({ last_login: last }) => h('span.nowrap', { title: last ? dateTime(last) : null }, last ? ago(last) : 'never') },
      { name: 'Used by', cell: ({ id }) => usedBy(used.get(id)) },
    ],
    edit: botForm,
    extra: (bot) => [
      can('GET', `${routeOf(bot)}/permissions`) ? button('Permissions', () => permissionsDialog(bot.name, `${routeOf(bot)}/permissions`), { kind: 'small' }) : null,
      can('POST', `${routeOf(bot)}/token`) ? button('New token', () => newToken(bot), { kind: 'small', icon: 'key' }) : null,
    ],
    remove: (bot) => api.delete(routeOf(bot)),
    removal: ({ id }) => `Its token ends at once.${used.get(id)?.length ? ` ${used.get(id).length} devices are measured by it: nothing is, until they have another one.` : ''}`,
    may: (action, bot) => (bot ? can({ edit: 'PUT', delete: 'DELETE' }[action], routeOf(bot)) : can('POST', inAccount('bots')) || can('POST', 'bots')),
  });
}

function botForm(bot, done, cancel) {
  const name = textField('Name', bot?.name ?? '', { required: true });
  const protocol = selectField('Protocol', Object.keys(PROTOCOLS).map((slug) => [slug, protocolName(slug)]), bot?.protocol ?? 'snmp');
  const scopes = [[inAccount('bots'), 'account', `Only ${session.account?.name}`], ['bots', 'all', 'All accounts that it is granted']].filter(([route]) => can('POST', route));
  const scope = selectField('Serves', scopes.map(([, key, text]) => [key, text]), scopes[0]?.[1], { help: 'A bot of one account cannot see any other.' });
  const grant = checkbox('Grant what it needs', true, { help: 'To read this account, to store values, and for SNMP and NetFlow to write interfaces and suggestions.' });
  return form({
    content: [name.element, protocol.element, bot ? null : [scope.element, grant.element]],
    fields: () => [name, protocol], cancel, submit: bot ? 'Save' : 'Add the bot',
    save: async () => {
      const record = { name: name.value(), protocol: protocol.value() };
      if (bot) {
        await api.put(routeOf(bot), record);
        toast('Saved');
        return done(bot.id);
      }
      const route = scope.value() === 'all' ? 'bots' : inAccount('bots');
      const made = await api.post(route, record);
      let failed = null;
      if (grant.value()) failed = await grantNeeded(`${route}/${made.id}/permissions`).catch((error) => error);
      done(made.id);
      await showToken(made.name ?? record.name, made.token, record.protocol, failed);
      return undefined;
    },
  });
}

/** What bots do: read their jobs, store values, write interfaces and suggestions, report problems. */
async function grantNeeded(route) {
  const needed = [
    { resource_prefix: inAccount(), methods: ['GET'] },
    { resource_prefix: inAccount('values'), methods: ['POST', 'PUT'] },
    { resource_prefix: inAccount('entities'), methods: ['POST', 'PUT', 'DELETE'] },
  ];
  const there = await listIfAllowed(route);
  for (const permission of needed) {
    const has = there.some(({ resource_prefix: prefix, methods }) => (prefix === null || permission.resource_prefix === prefix || permission.resource_prefix.startsWith(`${prefix}/`)) && (methods === null || permission.methods.every((one) => methods.includes(one))));
    if (!has) await api.post(route, permission);
  }
}

async function newToken(bot) {
  if (!await confirm(`A new token for ${bot.name}?`, 'The old one ends at once: the bot cannot log in until it has the new one.', 'Make a new token', { kind: 'primary' })) return;
  try {
    const { token } = await api.post(`${routeOf(bot)}/token`);
    await showToken(bot.name, token, bot.protocol);
  } catch (error) {
    showError(error);
  }
}

function showToken(name, token, protocol, failed = null) {
  return dialog(`The token of ${name}`, (close) => [
    failed ? notice('warning', `The bot was added, but its permissions could not be granted: ${failed.message}`) : null,
    notice('info', 'This is the only time that it is shown. Keep it like a password; if it is lost, make a new one.'),
    copyField('Token', token),
    copyField('To start the bot elsewhere', `BACKEND_URL=${new URL('api', document.baseURI).href.replace(/\/$/, '')} BOT_TOKEN=${token} grafolean-${protocol}-bot`),
    h('div.dialog-actions', button('Done', () => close(), { kind: 'primary' }))], { wide: true, stays: true });
}
