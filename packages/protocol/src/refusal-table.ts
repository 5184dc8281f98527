import { wordErrors } from './errors.ts';
import { type Reason, type Retry, retryAfter } from './refusals.ts';

type Row = {
  readonly retry: Retry;
  /** HTTP status, or null where the reason never travels over HTTP. */
  readonly http: number | null;
  /** Extra fields that an error reply carries beside `reason`. */
  readonly fields: readonly string[];
  /** What happened and what to do, for people. */
  readonly says: string;
};

// One row: the HTTP status (null where the reason never travels over HTTP), what happened and what to do, extra fields.
const rows: { readonly [reason in Reason]: readonly [number | null, string, ...string[]] } = {
  unauthorized: [
    401,
    'Not known here, or not allowed to have this. Sign in again, or as somebody else.',
  ],
  store_not_allowed: [403, 'This token may not use this store.', 'message'],
  missing_scope: [403, 'This token lacks a scope that the request needs.', 'scope', 'message'],
  path_not_allowed: [403, 'The path rules of this token do not allow this.', 'path', 'message'],
  presence_not_allowed: [403, 'This token may not take part in presence.', 'message'],
  'invalid op': [400, 'There is no such op.'],
  unknown_event: [400, 'There is no such event on this topic.'],
  invalid_payload: [400, 'A field of the payload is missing or of the wrong type.', 'field'],
  invalid_seq: [400, 'The sequence number is not one of this store.'],
  missing_path: [400, 'The request names no path.'],
  empty_path: [400, 'A path needs at least one segment.'],
  empty_segment: [
    400,
    'A path may not have an empty segment: no slash at its ends, and no two in a row.',
  ],
  invalid_escape: [400, 'In a path, ~ must be followed by 0 or 1: ~0 is ~, and ~1 is /.'],
  not_a_string: [400, 'A segment of a path must be a string.'],
  not_a_list: [400, 'path_segments must be a list.'],
  invalid_path: [400, 'A path must be a string.'],
  invalid_segment: [400, 'A segment holds U+0000 or an unpaired surrogate.'],
  reserved_path: [400, 'This path is kept by the server for itself; choose another.'],
  segment_too_long: [400, 'A segment of the path is too long.', 'limit'],
  path_too_long: [400, 'The path is too long.', 'limit'],
  too_deep: [400, 'The path or the value is nested too deep.', 'limit'],
  too_many_leaves: [400, 'One write may not touch so many leaves.', 'limit'],
  too_many_ops: [400, 'One request may not hold so many ops.', 'limit'],
  too_many_patterns: [400, 'One channel may not hold so many patterns.', 'limit'],
  invalid_pattern: [400, 'The pattern is not valid.', 'pattern', 'error'],
  wildcard_many_not_tail: [400, '** may stand only at the end of a pattern.'],
  merge_requires_map_value: [422, 'merge needs an object.'],
  increment_requires_number_value: [422, 'increment needs a number.'],
  add_requires_value: [422, 'add needs a value that is not null.'],
  remove_requires_value: [422, 'remove needs a value that is not null.'],
  invalid_value: [
    422,
    'The value is not plain JSON, or not what its record may be.',
    'path',
    'record',
    'issues',
  ],
  invalid_typed_value: [422, 'The content of a typed value is not valid.', 'path'],
  reserved_type: [
    422,
    'This _type has a meaning of its own, and the value is none that may be written with it; choose another.',
    'path',
  ],
  number_out_of_range: [422, 'The number is beyond 2^53-1; use a bigint or decimal.', 'path'],
  frame_too_large: [413, 'The frame is too large.', 'limit'],
  value_too_large: [413, 'The value is too large; larger data belongs in a file.', 'limit'],
  file_too_large: [413, 'The file is too large.', 'limit'],
  body_too_large: [413, 'The body is too large.', 'limit'],
  invalid_precondition: [
    400,
    'A guard is malformed: if_match takes a revision, if_absent true, a fence a key and a token.',
  ],
  if_match_multi_leaf: [400, 'if_match needs a single leaf here.'],
  if_absent_multi_leaf: [400, 'if_absent needs a single leaf here.'],
  if_match_unsupported_op: [400, 'This op takes no if_match.', 'op'],
  if_absent_unsupported_op: [400, 'This op takes no if_absent.', 'op'],
  conflict: [412, 'Somebody else changed it first; read it again and decide.', 'current_revision'],
  exists: [412, 'There is something at this path already.', 'current_revision'],
  type_mismatch: [409, 'What is stored there has another type.', 'type'],
  held: [
    409,
    'Somebody else holds the lease; wait until it is released or has expired.',
    'holder',
    'expires_at',
  ],
  occupied: [409, 'There is something other than a lease at this path.'],
  not_held: [409, 'The lease is not held with this token; acquire it again.'],
  fenced: [409, 'The lease that fences this write is not held with this token; acquire it again.'],
  invalid_ttl: [400, 'ttl_ms must be an integer from 1 to 86400000.'],
  invalid_lease_op: [400, 'token must be an integer, holder a string of at most 256 bytes.'],
  invalid_base64: [400, 'The content is not canonical base64.'],
  unknown_file: [422, 'This store holds no file with that hash and size; upload it first.', 'hash'],
  limit_exceeded: [
    402,
    'A quota is used up; dimension says which.',
    'dimension',
    'current',
    'limit',
  ],
  store_archived: [409, 'The store is archived: nothing can be written to it.'],
  beyond_retention: [
    409,
    'The history does not reach back that far; oldest_seq says how far.',
    'oldest_seq',
  ],
  no_ops: [409, 'The store has no history.'],
  duplicate_op_id: [409, 'This client_op_id was used for another request; take a new one.'],
  out_of_scope: [null, 'This is outside the part of the store that is replicated here.'],
  stale_incarnation: [
    null,
    'The store was replaced, and the guard refers to the old one; read again and decide.',
  ],
  outcome_unknown: [
    null,
    'What became of the request is not known, and it is not sent again; check and decide.',
  ],
  schema_skew: [
    409,
    'It was made for another version of the data, and could not be migrated.',
    'record',
    'client',
    'server',
  ],
  invalid_params: [400, 'A parameter is missing or not what it may be.', 'param', 'issues'],
  forbidden_field: [403, 'These fields may not be written or asked for.', 'fields'],
  not_found: [404, 'There is no such object.', 'path'],
  unknown_record: [404, 'There is no record of that name.', 'record'],
  unknown_mutation: [404, 'The record has no mutation of that name.', 'record', 'mutation'],
  store_mismatch: [400, 'One transaction is of one store.', 'stores'],
  invalid_query: [400, 'The query is malformed or asks for too much.', 'field', 'limit'],
  invalid_cursor: [400, 'The cursor is not one of this query; begin without one.'],
  async_schema: [null, 'The schema is asynchronous; only a server may wait for one.'],
  transport_closed: [null, 'The transport is closed.'],
  read_only: [null, 'It can only be read.'],
  denied: [null, 'This may not be read. Sign in again.', 'why'],
  outbox_full: [
    null,
    'Too many writes wait to be sent; wait until some are, or discard some.',
    'dimension',
    'limit',
  ],
  outbox_failed: [null, 'The write is not in the cache: it is sent, but a restart loses it.'],
  invalid_seed: [
    null,
    'What a server has rendered is not used; why says what is wrong with it.',
    'why',
  ],
  cache_failed: [null, 'The cache cannot be used as it is; why says what is wrong with it.', 'why'],
  closed: [null, 'It is closed.'],
  cancelled: [null, 'The request was cancelled or discarded before it was answered.'],
  option_mismatch: [null, 'It is open with other options; close it first, or use those.'],
  unknown_reason: [
    null,
    'The server refused, and what it gave as its reason is no text.',
    'reason',
  ],
  registry_disposed: [null, 'The registry is disposed.'],
  load_aborted: [null, 'The load was aborted because nobody needed it.'],
  'unmatched topic': [null, 'The topic is not joined.'],
  'join crashed': [null, 'The join failed inside the server.'],
  'too many channels joined': [null, 'The connection has too many channels.'],
  'missing required field': [null, 'A field that the request needs is missing or empty.'],
  'missing root id': [null, 'A root needs an id of 1 to 512 bytes.'],
  'params must be a map': [null, 'The params of a view must be an object.'],
  'unknown root': [null, 'No view of this name may be mounted.'],
  'unknown store': [null, 'There is no such node in this view now.'],
  'unknown command': [null, 'The node has no command of this name.'],
  'unknown upload': [null, 'The node has no upload of this name.'],
  'unknown event': [null, 'There is no such event on the channel of a view.'],
  'internal error': [null, 'Something failed inside the server; id finds it in the log.', 'id'],
  unsupported: [null, 'The view does not support this.'],
  already_executed: [null, 'It was done before; its reply was too large to be kept.'],
  disconnected: [null, 'The connection was lost; mayHaveRun says whether it may have been done.'],
  protocol: [null, 'The server has said something that cannot be understood.'],
  over_capacity: [null, 'The connection has too many roots; try again later.'],
  internal_error: [
    500,
    'Something failed inside the server; error_id finds it in the log.',
    'error_id',
  ],
  rate_limited: [429, 'Too many requests; wait and send it again.'],
  blocked: [
    429,
    'An earlier request of this channel was refused and must be retried first.',
    'client_op_id',
  ],
  overloaded: [503, 'The store has too much to do; wait and send it again.'],
  unavailable: [503, 'The store cannot be reached now; wait and send it again.'],
  timeout: [null, 'There was no answer in time.'],
  transport_failed: [null, 'The transport could not hand it over; it may be tried again.'],
};

function toRow(reason: Reason): Row {
  const [http, says, ...fields] = rows[reason];
  const retry = retryAfter(reason);
  const isTimed = retry === 'later' && http !== null;
  return { retry, http, fields: isTimed ? [...fields, 'retry_after_ms'] : fields, says };
}

/**
 * The one closed table of refusals (stores.md §8). Docs, metrics and tests are made from it. Browsers do without: an
 * application pays for the reasons, not for the sentences.
 */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys are those of the rows
export const refusals = /* @__PURE__ */ Object.fromEntries(
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys are those of the rows
  /* @__PURE__ */ (Object.keys(rows) as Reason[]).map((reason) => [reason, toRow(reason)]),
) as { readonly [reason in Reason]: Row };

// By any code: an application has its own, beside those of the table.
const sentences: { readonly [code: string]: Row } = refusals;

/**
 * Has errors made from now on say in a sentence what happened; without it they name the reason and its details. Who has
 * refused may have a sentence for it that says more than the table: `message` in the details, or in the data that the code
 * of a view gave a `RejectedError`.
 */
export function explainErrors(): void {
  wordErrors((code, details) => {
    const known = Object.hasOwn(sentences, code) ? sentences[code]?.says : undefined;
    const told = [details['message'], messageIn(details['data'])].find(isText);
    if (told !== undefined) return `${code}: ${told}`;
    if (known === undefined) return code;
    const { field, issues, view, id, error_id: errorId } = details;
    const named = [field, ...(faults.has(code) ? [errorId, id] : [])].find(isText);
    const at = named ?? (placeOf(issues) || (isText(view) ? view : ''));
    return `${code}: ${at === '' ? known : `${known.slice(0, -1)} (${at}).`}`;
  });
}

/** Their sentences speak of an id, by which the log has what happened: `error_id`, or `id` where a view failed. */
const faults: ReadonlySet<string> = /* @__PURE__ */ new Set(['internal_error', 'internal error']);

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

const messageIn = (data: unknown): unknown =>
  typeof data === 'object' && data !== null && 'message' in data ? data.message : undefined;

/** Where the first thing is that a schema has against a value; empty: it is about all of it, or nobody says. */
function placeOf(issues: unknown): string {
  const [first]: readonly unknown[] = Array.isArray(issues) ? issues : [];
  const path: unknown =
    typeof first === 'object' && first !== null && 'path' in first && first.path;
  const steps: readonly unknown[] = Array.isArray(path) ? path : [];
  const isPlain = steps.every((step) => typeof step === 'string' || typeof step === 'number');
  return isPlain ? steps.join('.') : '';
}
