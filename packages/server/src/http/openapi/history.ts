import {
  body,
  count,
  json,
  limit,
  ok,
  once,
  type Operation,
  storePath,
  writeErrors,
} from './operation.ts';
import { text } from './schema.ts';
import { ref } from './schemas.ts';

/** Of history. */
export const historyOperations: readonly Operation[] = [
  {
    method: 'get',
    path: `${storePath}/log`,
    id: 'readLog',
    summary: 'What happened, newest first.',
    scope: 'audit:read',
    query: {
      path: text,
      device_id: text,
      op: text,
      since: { type: 'string', format: 'date-time' },
      until: { type: 'string', format: 'date-time' },
      page: { type: 'integer', minimum: 1, default: 1 },
      limit,
      before_seq: count,
    },
    answers: ok('Ops; with totals unless asked by before_seq.', ref('Log')),
    errors: [400],
  },
  {
    method: 'get',
    path: `${storePath}/diff`,
    id: 'diff',
    summary: 'What differs between two seqs, leaf by leaf.',
    scope: 'entries:read',
    query: { from_seq: count, to_seq: count },
    answers: ok('The changes.', ref('Diff')),
    errors: [400, 409],
  },
  {
    method: 'post',
    path: `${storePath}/rollback`,
    id: 'rollback',
    summary: 'Go back to what was at a seq, by new writes, in one commit.',
    scope: 'entries:write',
    headers: [once],
    body: body(ref('Rollback')),
    answers: ok('As it was.', ref('RolledBack')),
    errors: writeErrors,
  },
  {
    method: 'get',
    path: `${storePath}/export`,
    id: 'export',
    summary: 'The entries of one moment: JSON lines, a database, or an archive with the files.',
    scope: 'entries:read',
    query: { format: { enum: ['jsonl', 'sqlite', 'tar'], default: 'jsonl' } },
    answers: {
      200: {
        says: 'As `format` says: a header, then a line per leaf, or such a file.',
        type: ['application/x-ndjson', 'application/vnd.sqlite3', 'application/x-tar'],
      },
    },
    errors: [400],
  },
  {
    method: 'post',
    path: `${storePath}/import`,
    id: 'import',
    summary:
      'Write the lines of an export; as `application/x-tar` also the files of one, which takes files:write.',
    scope: 'entries:write',
    headers: [once],
    query: {
      mode: { enum: ['lines', 'atomic'], default: 'lines' },
      headerless: { enum: ['slash', 'dotted'] },
      import_id: text,
    },
    body: { type: 'application/x-ndjson', schema: text },
    answers: {
      ...ok('How it went.', ref('Imported')),
      422: {
        says: 'An atomic import with bad lines: nothing was written.',
        type: json,
        schema: ref('Imported'),
      },
    },
    errors: [400, 402, 409, 415, 503],
  },
  {
    method: 'post',
    path: `${storePath}/clone`,
    id: 'clone',
    summary: 'Make another store of the org that begins as this one is now.',
    headers: [once],
    scope: 'stores:clone',
    body: body(ref('NewClone')),
    answers: { 201: { says: 'Made.', type: json, schema: ref('Cloned') } },
    errors: [400, 402, 409, 413, 415, 422, 503],
  },
];
