/** What a client does after a refusal: give up on the request, try it again later, or get a new token first. */
export type Retry = 'never' | 'later' | 'after_auth';

const finals = [
  'unauthorized',
  'store_not_allowed',
  'missing_scope',
  'path_not_allowed',
  'presence_not_allowed',
  'invalid op',
  'unknown_event',
  'invalid_payload',
  'invalid_seq',
  'missing_path',
  'empty_path',
  'empty_segment',
  'invalid_escape',
  'not_a_string',
  'not_a_list',
  'invalid_path',
  'invalid_segment',
  'reserved_path',
  'segment_too_long',
  'path_too_long',
  'too_deep',
  'too_many_leaves',
  'too_many_ops',
  'too_many_patterns',
  'invalid_pattern',
  'wildcard_many_not_tail',
  'merge_requires_map_value',
  'increment_requires_number_value',
  'add_requires_value',
  'remove_requires_value',
  'invalid_value',
  'invalid_typed_value',
  'reserved_type',
  'number_out_of_range',
  'frame_too_large',
  'value_too_large',
  'file_too_large',
  'body_too_large',
  'invalid_precondition',
  'if_match_multi_leaf',
  'if_absent_multi_leaf',
  'if_match_unsupported_op',
  'if_absent_unsupported_op',
  'conflict',
  'exists',
  'type_mismatch',
  'held',
  'occupied',
  'not_held',
  'fenced',
  'invalid_ttl',
  'invalid_lease_op',
  'invalid_base64',
  'unknown_file',
  'limit_exceeded',
  'store_archived',
  'beyond_retention',
  'no_ops',
  'duplicate_op_id',
  'out_of_scope',
  'stale_incarnation',
  'outcome_unknown',
  'schema_skew',
  'invalid_params',
  'forbidden_field',
  'not_found',
  'unknown_record',
  'unknown_mutation',
  'store_mismatch',
  'invalid_query',
  'invalid_cursor',
  'async_schema',
  'transport_closed',
  'read_only',
  'denied',
  'outbox_full',
  'outbox_failed',
  'cache_failed',
  'closed',
  'cancelled',
  'option_mismatch',
  'unknown_reason',
  'registry_disposed',
  'load_aborted',
  'unmatched topic',
  'join crashed',
  'too many channels joined',
  'internal_error',
] as const;

/** Reasons that pass: the same request may succeed later, and clients retry it. */
const transients = [
  'rate_limited',
  'blocked',
  'overloaded',
  'unavailable',
  'timeout',
  'transport_failed',
  'over_capacity',
] as const;

/**
 * Reasons of views alone (views.md §15.1), final but for `over_capacity`. No store's channel gives them, so nothing looks
 * them up at run time: an application without views does not pay for them.
 */
type ViewReason =
  | 'missing required field'
  | 'missing root id'
  | 'params must be a map'
  | 'unknown root'
  | 'unknown store'
  | 'unknown command'
  | 'unknown upload'
  | 'unknown event'
  | 'internal error'
  | 'unsupported'
  | 'already_executed'
  | 'disconnected'
  | 'protocol';

/** What is wrong with what a server has rendered (records.md §18): told by a client to itself alone. */
type SeedReason = 'invalid_seed';

/** The `reason` of an error reply; `refusals` is the table of them. */
export type Reason =
  | (typeof finals)[number]
  | (typeof transients)[number]
  | ViewReason
  | SeedReason;

/** A reason, or the code with which application code says no: `[a-z][a-z0-9_]*` (views.md §7.1). */
export type Code = Reason | (string & {});

const known: ReadonlySet<string> = /* @__PURE__ */ new Set([...finals, ...transients]);

/** Whether the text is a reason of the table. */
export function isReason(text: string): text is Reason {
  return known.has(text);
}

/** What to do after a refusal for this reason. */
export function retryAfter(code: Code): Retry {
  if (code === 'unauthorized' || code === 'denied') return 'after_auth';
  return transients.some((transient) => transient === code) ? 'later' : 'never';
}

/** Extra fields of a refusal by their wire names, such as `limit` or `current_revision`. */
export type RefusalDetails = { readonly [field: string]: unknown };

/** A refusal as a value: the engine returns it, an edge turns it into a reply or an error. */
export class Refusal {
  readonly code: Reason;
  readonly details: RefusalDetails;

  constructor(code: Reason, details: RefusalDetails = {}) {
    this.code = code;
    this.details = details;
  }

  get retry(): Retry {
    return retryAfter(this.code);
  }

  /** The same refusal with more fields, such as `op_index`. */
  with(details: RefusalDetails): Refusal {
    return new Refusal(this.code, { ...this.details, ...details });
  }

  /** The `response` of an error reply. */
  toResponse(): { readonly reason: Reason; readonly [field: string]: unknown } {
    return { ...this.details, reason: this.code };
  }
}

/** Makes a refusal. */
export function refuse(code: Reason, details?: RefusalDetails): Refusal {
  return new Refusal(code, details);
}

/** Whether a result is a refusal. */
export function isRefusal(value: unknown): value is Refusal {
  return value instanceof Refusal;
}
