import { leafTypes } from '@holdfast/protocol';
import { refusals, scopes as names } from './names.ts';

/** A part of a JSON Schema (draft 2020-12, as OpenAPI 3.1 has it). */
export type Schema = { readonly [keyword: string]: unknown };

/** A reference to one of {@link schemas}. */
export function ref(name: string): Schema {
  if (!Object.hasOwn(schemas, name)) throw new TypeError(`There is no schema ${name}.`);
  return { $ref: `#/components/schemas/${name}` };
}

const text: Schema = { type: 'string' };
const textOrNull: Schema = { type: ['string', 'null'] };
const integer: Schema = { type: 'integer' };
const seq: Schema = { type: 'integer', minimum: 0 };
const instant: Schema = { type: 'string', format: 'date-time' };
const instantOrNull: Schema = { type: ['string', 'null'], format: 'date-time' };
const path: Schema = {
  type: 'string',
  description: 'Segments, escaped (`~0`, `~1`), joined by `/`.',
};
const value: Schema = {
  description: 'Any JSON; typed values in their envelopes (stores.md §3.1).',
};

/** An object with exactly these fields required, unless said. */
export function object(
  properties: { readonly [name: string]: Schema },
  optional: readonly string[] = [],
): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, ...(required.length > 0 && { required }) };
}

/** The body of a request: what it has beside these fields is refused. */
function closed(...of: Parameters<typeof object>): Schema {
  return { ...object(...of), additionalProperties: false };
}

/** A list. */
export function list(items: Schema, more: Schema = {}): Schema {
  return { type: 'array', items, ...more };
}

const storeAccess = object({
  mode: { enum: ['all', 'selected'] },
  store_ids: list(text),
});
const pathRules = {
  ...list(object({ pattern: text, allow: list({ enum: ['read', 'write'] }) })),
  type: ['array', 'null'],
};
const grants = { scopes: list({ enum: names }), store_access: storeAccess };
const fence = object({ key: path, token: integer });
const leafType: Schema = { enum: leafTypes };

/** The schemas that operations share; the TypeScript types are those of the code that answers. */
export const schemas: { readonly [name: string]: Schema } = {
  Error: object(
    {
      error: {
        type: 'string',
        description: 'What went wrong: a reason of the protocol, or a name of HTTP’s own.',
        examples: ['conflict', 'not_found'],
      },
      reason: { enum: refusals },
      detail: text,
      message: text,
      retry_after_ms: integer,
    },
    ['reason', 'detail', 'message', 'retry_after_ms'],
  ),
  Value: value,
  Whoami: object({
    subject: textOrNull,
    org: textOrNull,
    ...grants,
    path_rules: pathRules,
    expires_at: instantOrNull,
  }),
  Store: object({
    id: text,
    name: text,
    full_name: text,
    status: { enum: ['active', 'archived'] },
    inserted_at: instant,
    expires_at: instantOrNull,
    incarnation: text,
  }),
  StoreStatus: object({
    id: text,
    name: text,
    full_name: text,
    status: { enum: ['active', 'archived'] },
    inserted_at: instant,
    expires_at: instantOrNull,
    incarnation: text,
    current_seq: seq,
    entry_count: integer,
    op_count: integer,
    db_size_bytes: integer,
    file_storage_bytes: integer,
    latest_snapshot_seq: { type: ['integer', 'null'] },
    latest_snapshot_at: instantOrNull,
    oldest_seq: seq,
    recent_ops: list(object({ store_seq: seq, op: text, path, inserted_at: instant })),
    permissions: object({ read: { type: 'boolean' }, write: { type: 'boolean' } }),
    ...grants,
  }),
  NewStore: closed({ name: text, ttl_ms: integer, expires_at: instant }, ['ttl_ms', 'expires_at']),
  NewClone: closed({ name: text }),
  Cloned: object({
    ok: { const: true },
    store: object({
      id: text,
      name: text,
      full_name: text,
      incarnation: text,
      store_seq: seq,
    }),
  }),
  Entry: object({ path, value, type: leafType, revision: seq }),
  Written: object({ revision: seq, store_seq: seq }),
  Page: object({
    items: list({ anyOf: [{ $ref: '#/components/schemas/Entry' }, text] }),
    next_cursor: { type: ['string', 'null'], description: 'Pass it as `after`; null at the end.' },
  }),
  EntryWrite: closed({ path, value, if_match: seq, if_absent: { const: true }, fence }, [
    'if_match',
    'if_absent',
    'fence',
  ]),
  EntryDelete: closed({ path, if_match: seq, fence }, ['if_match', 'fence']),
  BatchRead: closed(
    { paths: list(path, { maxItems: 1000 }), subtrees: { type: 'boolean', default: false } },
    ['subtrees'],
  ),
  BatchFound: object({
    entries: {
      type: 'object',
      additionalProperties: object({ value, type: leafType, revision: seq }),
    },
    missing: list(path),
  }),
  BatchWrite: closed(
    {
      ops: list(
        object(
          {
            op: { enum: ['set', 'delete'] },
            path,
            value,
            if_match: seq,
            if_absent: { const: true },
          },
          ['value', 'if_match', 'if_absent'],
        ),
        { minItems: 1, maxItems: 1000 },
      ),
      fence,
    },
    ['fence'],
  ),
  BatchWritten: object({
    ops: list(object({ path, revision: seq, store_seq: seq })),
    store_seq: seq,
  }),
  Transaction: closed(
    {
      ops: list(
        {
          type: 'object',
          properties: {
            op: {
              enum: [
                'set',
                'delete',
                'merge',
                'increment',
                'add',
                'remove',
                'lease',
                'renew',
                'release',
              ],
            },
            path,
            value,
            if_match: seq,
            if_absent: { const: true },
            fence,
            ttl_ms: integer,
            holder: textOrNull,
            token: integer,
          },
          required: ['op', 'path'],
        },
        { minItems: 1, maxItems: 1000 },
      ),
      preconditions: list({ type: 'object' }, { maxItems: 1000 }),
      fence,
    },
    ['preconditions', 'fence'],
  ),
  TransactionDone: object({
    store_seq: seq,
    first_seq: seq,
    results: list(
      object({ store_seq: seq, token: integer, expires_at: integer, holder: textOrNull }, [
        'token',
        'expires_at',
        'holder',
      ]),
    ),
  }),
  LoggedOp: object({
    store_seq: seq,
    op: text,
    path,
    value,
    arg: value,
    type: leafType,
    device_id: text,
    client_op_id: text,
    tx: { type: ['integer', 'null'] },
    inserted_at: instant,
  }),
  Log: object(
    {
      ops: list({ $ref: '#/components/schemas/LoggedOp' }),
      pagination: object({ page: integer, limit: integer, total: integer, total_pages: integer }),
    },
    ['pagination'],
  ),
  Diff: object({
    from_seq: seq,
    to_seq: seq,
    changes: list(
      object({
        path,
        before: value,
        after: value,
        before_type: textOrNull,
        after_type: textOrNull,
      }),
    ),
  }),
  Rollback: closed({ to_seq: seq, path }, ['path']),
  RolledBack: object({ store_seq: seq, noop: { const: true }, ops_written: integer }, [
    'noop',
    'ops_written',
  ]),
  Imported: object({
    ok: { type: 'boolean' },
    import_id: text,
    imported: integer,
    skipped: integer,
    unparseable: integer,
    failed: list(object({ line: integer, path: textOrNull, reason: text }), { maxItems: 1000 }),
    failed_total: integer,
    store_seq: seq,
  }),
  FileWritten: object({
    store_seq: seq,
    revision: seq,
    hash: text,
    size: integer,
    content_type: text,
    filename: textOrNull,
  }),
  Act: object({
    id: integer,
    at: instant,
    act: text,
    actor: textOrNull,
    store: textOrNull,
    store_id: textOrNull,
    target: textOrNull,
    details: { type: 'object' },
  }),
  Received: object({ received: integer }),
  Token: {
    ...object({
      id: text,
      name: text,
      store_name: textOrNull,
      store_access_mode: { enum: ['all', 'selected'] },
      stores: list({}),
      scopes: list({ enum: names }),
      permissions: { type: 'object' },
      path_rules: pathRules,
      expires_at: instantOrNull,
      last_used_at: instantOrNull,
      inserted_at: instant,
    }),
  },
  NewToken: closed(
    {
      name: text,
      scopes: list({ enum: names }),
      read: { type: 'boolean' },
      write: { type: 'boolean' },
      store_access_mode: { enum: ['all', 'selected'] },
      store_ids: list(text),
      store_names: list(text),
      store_name: text,
      path_rules: pathRules,
      expires_at: instantOrNull,
    },
    [
      'scopes',
      'read',
      'write',
      'store_access_mode',
      'store_ids',
      'store_names',
      'store_name',
      'path_rules',
      'expires_at',
    ],
  ),
  Webhook: object({
    id: text,
    url: text,
    patterns: list(text),
    ops: { type: ['array', 'null'], items: text },
    active: { type: 'boolean' },
    failure_count: integer,
    last_delivered_seq: seq,
    inactive_reason: textOrNull,
    next_attempt_at: instantOrNull,
    inserted_at: instant,
  }),
  NewWebhook: closed(
    { url: text, patterns: list(text, { minItems: 1, maxItems: 64 }), ops: list(text) },
    ['patterns', 'ops'],
  ),
  Pinged: object(
    {
      ok: { type: 'boolean' },
      status_code: { type: ['integer', 'null'] },
      response_ms: integer,
      error: text,
    },
    ['error'],
  ),
  Delivery: object({
    id: text,
    store_seq: seq,
    status_code: { type: ['integer', 'null'] },
    response_ms: integer,
    error: textOrNull,
    attempted_at: instant,
  }),
  Ok: object({ ok: { const: true } }),
  ServerFigures: object({
    version: text,
    ready: { type: 'boolean' },
    checks: { type: 'object', additionalProperties: text },
    uptime_ms: seq,
    sockets: seq,
    channels: object({ store: seq, presence: seq }),
    unsent_bytes: seq,
    lag_ops: seq,
    commits: seq,
    stores: list(
      object({
        name: text,
        head: seq,
        leaves: seq,
        queued: seq,
        blocked: seq,
        phase: text,
      }),
    ),
  }),
  Health: object({ status: text }),
  Readiness: object({ status: text, checks: { type: 'object', additionalProperties: text } }),
};
