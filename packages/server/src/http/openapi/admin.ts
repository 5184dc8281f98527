import { body, count, json, limit, ok, once, type Operation, storePath } from './operation.ts';
import { integer, list, object, type Schema, text, textOrNull } from './schema.ts';
import { ref } from './schemas.ts';

/** What some checks have besides. */
const ofChecks: { readonly [field: string]: Schema } = {
  reason: text,
  scope: text,
  matched: list(text),
  partly: { const: true },
  lease: text,
  holder: textOrNull,
  expires_at: integer,
  dimension: text,
  current: count,
  limit: count,
};
/** One check of an explanation. */
export const check: ReturnType<typeof object> = object(
  {
    check: { enum: ['scope', 'store', 'rules', 'lease', 'quota'] },
    ok: { type: ['boolean', 'null'] },
    detail: text,
    ...ofChecks,
  },
  Object.keys(ofChecks),
);
const explanation = object({
  path: text,
  op: text,
  allowed: { type: 'boolean' },
  checks: list(check),
});

/** Of admin. */
export const adminOperations: readonly Operation[] = [
  {
    method: 'get',
    path: '/api/whoami',
    id: 'whoami',
    summary: 'Who the token is, and what it may do.',
    answers: ok('You.', ref('Whoami')),
  },
  {
    method: 'get',
    path: '/api/stores',
    id: 'listStores',
    summary: 'The stores that the token may use.',
    scope: 'stores:read',
    answers: ok(
      'Stores.',
      object({ org: { type: ['string', 'null'] }, stores: list(ref('Store')) }),
    ),
  },
  {
    method: 'post',
    path: '/api/stores',
    id: 'createStore',
    summary: 'Make a store.',
    headers: [once],
    scope: 'stores:create',
    body: body(ref('NewStore')),
    answers: { 201: { says: 'Made.', type: json, schema: object({ store: ref('Store') }) } },
    errors: [400, 402, 409, 413, 415, 422],
  },
  {
    method: 'get',
    path: storePath,
    id: 'readStore',
    summary: 'A store and its figures.',
    scope: 'stores:read',
    answers: ok('The store.', ref('StoreStatus')),
  },
  {
    method: 'delete',
    path: storePath,
    id: 'archiveStore',
    summary:
      'Archive a store; with `purge=true` delete it for good. Path rules have to let all of it be written.',
    headers: [once],
    scope: 'stores:delete',
    query: { purge: { type: 'boolean', default: false } },
    answers: ok('Done.', ref('Ok')),
    errors: [400, 409, 422],
  },
  {
    method: 'get',
    path: '/api/tokens',
    id: 'listTokens',
    summary: 'The tokens that this one may see.',
    scope: 'tokens:read',
    answers: ok('Tokens.', object({ tokens: list(ref('Token')) })),
  },
  {
    method: 'post',
    path: '/api/tokens',
    id: 'createToken',
    summary: 'Make a token that may do no more than this one; it is shown once.',
    headers: [once],
    scope: 'tokens:write',
    body: body(ref('NewToken')),
    answers: {
      201: {
        says: 'Made.',
        type: json,
        schema: { allOf: [ref('Token'), object({ raw_token: text })] },
      },
    },
    errors: [400, 409, 413, 415, 422],
  },
  {
    method: 'delete',
    path: '/api/tokens/{id}',
    id: 'revokeToken',
    summary: 'Take a token back; its sockets close within 5 s.',
    headers: [once],
    scope: 'tokens:write',
    answers: ok('Revoked.', ref('Ok')),
    errors: [400, 409, 422],
  },
  {
    method: 'get',
    path: `${storePath}/explain`,
    id: 'explain',
    summary: 'Why the token does or does not see or write a path.',
    query: { path: text, op: text },
    answers: ok('Why.', explanation),
    errors: [400],
  },
  {
    method: 'get',
    path: '/api/audit',
    id: 'listActs',
    summary: 'What administrators did, newest first: stores, tokens, webhooks, imports, rollbacks.',
    scope: 'audit:read',
    query: {
      org: text,
      act: text,
      store: text,
      actor: text,
      before: { type: 'integer', minimum: 1 },
      limit,
    },
    answers: ok(
      'Acts; the next page is before `next_before`.',
      object({ acts: list(ref('Act')), next_before: { type: ['integer', 'null'] } }),
    ),
    errors: [400],
  },
  {
    method: 'get',
    path: '/api/server',
    id: 'readServer',
    summary:
      'What the server has open: sockets, channels, queues, and the stores that the token may see.',
    scope: 'admin',
    answers: ok('The figures.', ref('ServerFigures')),
  },
  {
    method: 'get',
    path: '/metrics',
    id: 'metrics',
    summary: 'Figures for Prometheus, in its text format.',
    scope: null,
    answers: { 200: { says: 'The figures.', type: 'text/plain', schema: text } },
  },
  {
    method: 'get',
    path: '/healthz',
    id: 'health',
    summary: 'The process lives.',
    scope: null,
    answers: ok('It does.', ref('Health')),
  },
  {
    method: 'get',
    path: '/readyz',
    id: 'readiness',
    summary: 'Whether to send it work.',
    scope: null,
    answers: {
      ...ok('Yes.', ref('Readiness')),
      503: { says: 'Not now, and why.', type: json, schema: ref('Readiness') },
    },
  },
];
