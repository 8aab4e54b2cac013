// A list of records with forms to add, change and delete: what sensors, credentials, bots, people and accounts share.

import { api } from '../../api.js';
import { debounce, fill, h } from '../../dom.js';
import { listen } from '../../live.js';
import { replaceQuery } from '../../router.js';
import { button, confirm, dialog, empty, showError, table, toast } from '../../ui.js';

/**
 * `what` names one and many. `load()` gives the records; `columns` show them; `edit(record | null, done, cancel)` gives
 * the form; `remove(record)` deletes one; `may(action, record)` says what is allowed. `topics` tell of changes.
 */
export async function records({ body, signal, params, section, what, load, columns, edit, remove, removal, may, topics, extra, wide, nothing, lead, keyOf = ({ id }) => id }) {
  const place = h('div');
  const open = async (record) => {
    const done = await dialog(record ? record.name || what.one : `New ${what.one}`, (close) => edit(record, close, () => close()), { wide });
    if (done !== undefined) await again();
    return done;
  };
  const ask = async (record) => {
    if (!await confirm(`Delete ${record.name || what.one}?`, removal(record), 'Delete')) return;
    try {
      await remove(record);
      toast(`${record.name || what.one} was deleted`);
      await again();
    } catch (error) {
      showError(error);
    }
  };
  const actions = (record) => h('div.row-actions', [
    extra?.(record, again) ?? null,
    may('edit', record) ? button('Edit', () => open(record), { kind: 'small', 'aria-label': `Edit ${record.name || what.one}` }) : null,
    may('delete', record) ? button('', () => ask(record), { kind: 'small.danger', icon: 'trash', title: `Delete ${record.name || what.one}` }) : null,
  ]);
  const show = (list) => {
    fill(place, list.length
      ? h('div.card', table([...columns, { name: '', class: 'actions-cell', cell: actions }], list, { caption: what.many }))
      : empty(`No ${what.many} yet`, nothing, may('add') ? button(`New ${what.one}`, () => open(null), { kind: 'primary', icon: 'plus' }) : null));
  };
  let list = [];
  async function again() {
    list = await load();
    if (!signal.aborted) show(list);
  }
  await again();
  fill(body, h('div.section-head.wide', lead ? h('p.dim.lead-text', lead) : null, h('span.spacer'), may('add') && list.length ? button(`New ${what.one}`, () => open(null), { kind: 'primary', icon: 'plus' }) : null), place);
  const quietly = debounce(() => { if (!document.querySelector('dialog')) again().catch(showError); }, 300);
  listen({ topics, onChanged: quietly, onLost: quietly }, signal);
  // A link to one record: `#/admin/credentials/4`.
  if (params.id && params.section === section) {
    const found = list.find((record) => keyOf(record) === Number(params.id));
    if (found && may('edit', found)) {
      queueMicrotask(async () => {
        await open(found);
        if (!signal.aborted) history.replaceState(null, '', `#/admin/${section}`);
      });
    } else {
      replaceQuery(new URLSearchParams());
    }
  }
}

export const listOf = (path, signal) => api.get(path, { signal }).then(({ list }) => list);

/** Like `listOf`, where not being allowed to see it means that there is nothing to see. */
export const listIfAllowed = (path, signal) => listOf(path, signal).catch((error) => {
  if (error.status === 403) return [];
  throw error;
});
