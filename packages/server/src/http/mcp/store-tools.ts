import { isObject, refuse } from '@holdfast/protocol';

import { refused } from '../errors.ts';
import { type Desk, type JsonAnswer, storePath } from './desk.ts';
import type { Field, Told } from './fields.ts';
import { once, path, repeatable, store, type Tool, without } from './tool.ts';

const TRANSFER_BYTES = 1024 * 1024;
const PAGE = 1000;
const seq: Field = { type: 'integer', says: 'A seq of the store.' };

/** The status of the store; which one need be said only where there are several. */
async function status(told: Told, desk: Desk): Promise<JsonAnswer> {
  if (told['store'] !== undefined) return desk.ask('GET', storePath(told));
  const { stores } = await desk.ask('GET', '/api/stores');
  const all: readonly unknown[] = Array.isArray(stores) ? stores : [];
  const [only] = all;
  if (all.length !== 1 || !isObject(only)) {
    const message = 'Say which store: there is not just one that you may use.';
    throw refused(refuse('invalid_payload', { field: 'store', message }));
  }
  return desk.ask('GET', storePath({ store: only['full_name'] }));
}

/** A page of an export, each with its header, so that it can be imported as it is. */
async function exportPage(told: Told, desk: Desk): Promise<JsonAnswer> {
  const header = await headerOf(told, desk);
  const max_bytes = TRANSFER_BYTES - Buffer.byteLength(header);
  const query = { pattern: '**', limit: PAGE, max_bytes, after: told['after'] };
  const page = await desk.ask('GET', `${storePath(told)}/entries`, { query });
  const items = Array.isArray(page['items']) ? page['items'].filter(isObject) : [];
  const isLast = (page['next_cursor'] ?? null) === null;
  const paths = items.map((item) => String(item['path']));
  const count = isLast ? items.length : countOfWhole(paths);
  const lines = items
    .slice(0, count)
    .map((item) => (item['type'] === 'lease' ? '' : `${JSON.stringify(item)}\n`));
  return { payload: header + lines.join(''), next_after: isLast ? null : paths[count - 1] };
}

/** The last place where paths have least in common: what is below one path, such as an object of a record, is not cut in two. */
function countOfWhole(paths: readonly string[]): number {
  let count = paths.length;
  let least = Infinity;
  let before: readonly string[] | null = null;
  for (const [at, each] of paths.entries()) {
    const segments = each.split('/');
    const differs = before?.findIndex((segment, depth) => segment !== segments[depth]) ?? Infinity;
    if (differs <= least && before !== null) [count, least] = [at, differs];
    before = segments;
  }
  return count;
}

/** The first line of an export; the rest is not made. */
async function headerOf(told: Told, desk: Desk): Promise<string> {
  const { body } = await desk.fetch('GET', `${storePath(told)}/export`);
  const decoder = new TextDecoder();
  let text = '';
  for await (const piece of body ?? []) {
    text += decoder.decode(piece, { stream: true });
    if (text.includes('\n')) break;
  }
  return text.slice(0, text.indexOf('\n') + 1);
}

function importPayload(told: Told, desk: Desk): Promise<JsonAnswer> {
  const body = String(told['payload']);
  if (Buffer.byteLength(body) > TRANSFER_BYTES) {
    throw refused(refuse('body_too_large', { limit: TRANSFER_BYTES }));
  }
  return desk.ask('POST', `${storePath(told)}/import`, {
    body,
    headers: { 'Content-Type': 'application/x-ndjson', ...once(told) },
  });
}

/** Whole stores: what there is, what was, and the way back. */
export const storeTools: readonly Tool[] = [
  {
    name: 'holdfast_stores',
    says: 'Lists the stores that you may use.',
    reads: true,
    fields: {},
    run: (_told, desk) => desk.ask('GET', '/api/stores'),
  },
  {
    name: 'holdfast_status',
    says: 'Says how a store stands: its last seq, how many entries it has, what happened last, and what you may do.',
    reads: true,
    fields: { store: { ...store, optional: true } },
    run: status,
  },
  {
    name: 'holdfast_create_store',
    says: 'Creates an empty store.',
    fields: {
      org: { type: 'text', says: 'The org it belongs to.' },
      name: { type: 'text', says: 'Its name within the org.' },
      ...repeatable,
    },
    run: ({ org, name, ...told }, desk) =>
      desk.ask('POST', '/api/stores', {
        json: { name: `${String(org)}/${String(name)}` },
        headers: once(told),
      }),
  },
  {
    name: 'holdfast_clone',
    says: 'Makes a store of the same org that begins as this one is now, without its log and leases.',
    fields: {
      source: { ...store, says: 'The store to begin with, as org/name.' },
      target_name: { type: 'text', says: 'The name of the new one within the org.' },
      ...repeatable,
    },
    run: ({ source, target_name: name, ...told }, desk) =>
      desk.ask('POST', `${storePath({ store: source })}/clone`, {
        json: { name },
        headers: once(told),
      }),
  },
  {
    name: 'holdfast_log',
    says: 'Lists what happened in a store, newest first.',
    reads: true,
    fields: {
      store,
      path: { type: 'text', says: 'Only at paths that match this pattern.', optional: true },
      device_id: { type: 'text', says: 'Only by this device.', optional: true },
      op: { type: 'text', says: 'Only ops of this name.', optional: true },
      since: { type: 'text', says: 'Only from this instant on, by RFC 3339.', optional: true },
      limit: {
        type: 'integer',
        says: '1 to 200; 50 if left out.',
        optional: true,
        least: 1,
        most: 200,
      },
    },
    run: (told, desk) => desk.read(`${storePath(told)}/log`, without(told, 'store')),
  },
  {
    name: 'holdfast_diff',
    says: 'Says what differs between two seqs, entry by entry.',
    reads: true,
    fields: {
      store,
      from_seq: { ...seq, says: 'What came after this seq …' },
      to_seq: { ...seq, says: '… up to this one; to the last if left out.', optional: true },
    },
    run: (told, desk) => desk.read(`${storePath(told)}/diff`, without(told, 'store')),
  },
  {
    name: 'holdfast_rollback',
    says: 'Brings back what was at a seq, at a path or in the whole store, by new ops.',
    fields: {
      store,
      path: { ...path, says: 'What to bring back; the whole store if left out.', optional: true },
      to_seq: seq,
      ...repeatable,
    },
    run: (told, desk) =>
      desk.ask('POST', `${storePath(told)}/rollback`, {
        json: without(told, 'store', 'op_id'),
        headers: once(told),
      }),
  },
  {
    name: 'holdfast_export',
    says: 'Exports entries as JSON lines, at most 1 MiB at a time, each page to be imported as it is; go on with next_after until it is null.',
    reads: true,
    fields: {
      store,
      after: { type: 'text', says: 'The next_after of the page before.', optional: true },
    },
    run: exportPage,
  },
  {
    name: 'holdfast_import',
    says: 'Imports JSON lines such as holdfast_export gives, at most 1 MiB at a time, each beginning with its header line, {"_header":true,"path_schema_version":3}; then for each entry {"path","value"}.',
    fields: { store, payload: { type: 'text', says: 'The JSON lines.' }, ...repeatable },
    run: importPayload,
  },
];
