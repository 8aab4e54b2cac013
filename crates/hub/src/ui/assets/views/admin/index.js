// The administration: what this person may see of it, as tabs.

import { append, fill, h } from '../../dom.js';
import { can, inAccount, link, session } from '../../session.js';
import { empty, tabs } from '../../ui.js';

const ofAccount = (kind) => () => session.account && can('GET', inAccount(kind));
const SECTIONS = [
  ['sensors', 'Sensors', ofAccount('sensors'), () => import('./sensors.js')],
  ['credentials', 'Credentials', ofAccount('credentials'), () => import('./credentials.js')],
  ['bots', 'Bots', () => ofAccount('bots')() || can('POST', 'bots'), () => import('./bots.js')],
  ['people', 'People', () => can('GET', 'persons'), () => import('./people.js')],
  ['accounts', 'Accounts', () => session.account !== null || can('POST', 'accounts') || can('POST', 'admin/accounts'), () => import('./accounts.js')],
];

export async function show(context) {
  const { main, params, title } = context;
  const allowed = SECTIONS.filter(([, , may]) => may());
  const wanted = SECTIONS.find(([key]) => key === params.section);
  const section = params.section ? wanted && allowed.includes(wanted) ? wanted : null : allowed[0];
  const head = [h('div.page-head', h('h1', 'Administration'), session.account ? h('span.dim', session.account.name) : null),
    tabs('Administration', allowed.map(([key, text]) => ({ text, href: link(`admin/${key}`), current: key === section?.[0] })))];
  if (!section) {
    title('Administration');
    append(fill(main, head), [empty(wanted ? 'You may not see this' : 'Not found', wanted ? 'Ask an administrator to grant you the permission to read it.' : 'There is no such part of the administration.')]);
    return;
  }
  title(section[1], 'Administration');
  const module = await section[3]();
  const body = h('div');
  await module.show({ ...context, body });
  if (context.signal.aborted) return;
  fill(main, head, body);
}
