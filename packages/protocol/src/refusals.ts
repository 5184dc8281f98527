import type { finals } from './finals.ts';

/** What a client does after a refusal: give up on the request, try it again later, or get a new token first. */
export type Retry = 'never' | 'later' | 'after_auth';

/** Reasons that pass: the same request may succeed later, and clients retry it. */
export const transients = [
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

/** The same for a reason of somebody else's: a server of another version has its own, and so has an application. */
export function refuseAs(code: Code, details?: RefusalDetails): Refusal {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is matched by its name like all others; no client needs the table
  return new Refusal(code as Reason, details);
}

/** Whether a result is a refusal. */
export function isRefusal(value: unknown): value is Refusal {
  return value instanceof Refusal;
}
