import { HoldfastError, isReason } from '@holdfast/protocol';
import { type Outcome, outcomeOf } from './exit-codes.ts';

/** A failure that the command tells its user, and what to do about it. */
export class Failure extends Error {
  readonly outcome: Outcome;
  /** A word for scripts: a reason of stores.md §8, or the outcome. */
  readonly code: string;
  readonly hint: string | null;
  readonly details: { readonly [field: string]: unknown };

  constructor(
    outcome: Outcome,
    message: string,
    more: {
      readonly code?: string;
      readonly hint?: string;
      readonly details?: { readonly [field: string]: unknown };
    } = {},
  ) {
    super(message);
    this.name = 'Failure';
    this.outcome = outcome;
    this.code = more.code ?? outcome;
    this.hint = more.hint ?? null;
    this.details = more.details ?? {};
  }
}

/** A command line that cannot be understood. */
export function misuse(message: string, hint?: string): Failure {
  return new Failure('usage', message, hint === undefined ? {} : { hint });
}

const hints: { readonly [code: string]: string } = {
  conflict: 'Read it again with "holdfast get", then write with the new revision.',
  exists: 'Leave out --if-absent to replace it.',
  held: 'Wait until it is released or has expired.',
  not_held: 'Acquire it again with "holdfast lease".',
  fenced: 'Acquire the lease again with "holdfast lease", then use its new token.',
  occupied: 'Choose a path for the lease where nothing else is kept.',
  unauthorized:
    'Check --token (or HOLDFAST_TOKEN) and the name of the store: the token is unknown, expired or revoked, or there is no such store for it. "holdfast stores" lists those it may use, "holdfast stores create" makes one.',
  store_not_allowed: '"holdfast stores" lists the stores that this token may use.',
  not_found:
    'Check the names; "holdfast stores" lists the stores that this token may use, "holdfast stores create" makes one.',
  missing_scope: 'Use a token with that scope; "holdfast tokens create --scopes …" makes one.',
  type_mismatch: 'Look at what is there with "holdfast get".',
  timeout: 'Is the server running? "npx holdfast dev" starts one.',
  unavailable: 'Is the server running? "npx holdfast dev" starts one.',
  overloaded: 'Wait a moment and try again.',
  rate_limited: 'Wait a moment and try again.',
  header_required:
    'Lines and tar archives of "holdfast export" can be imported, a database cannot; for lines of another origin there is --headerless.',
  store_archived: 'An archived store can be read over HTTP status only; write to another store.',
  merge_requires_map_value: 'Give an object, such as \'{"name":"Ann"}\'.',
};

/** What to do about a reason, where there is more to say than the reason itself. */
export function hintFor(code: string): string | undefined {
  return Object.hasOwn(hints, code) ? hints[code] : undefined;
}

/** Any thrown thing as a failure that a person can act on. */
export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof HoldfastError) {
    const hint = hintOf(error);
    const more = { code: error.code, details: error.details, ...(hint !== undefined && { hint }) };
    return new Failure(outcomeOf(error.code), error.message, more);
  }
  // Matched by name: the server that defines them is loaded by few commands.
  if (error instanceof Error && keepers.has(error.name)) return keptFailure(error);
  if (error instanceof Error && isOfFile(error)) {
    return new Failure('usage', `A file cannot be used: ${error.message}.`, {
      code: error.code,
      hint: 'Its directory has to be there, with room, and open to you.',
    });
  }
  // Libraries throw these for what the caller gave them, and the caller passed it on from the command line.
  if (error instanceof TypeError || error instanceof RangeError) {
    return new Failure('usage', error.message);
  }
  const message = error instanceof Error ? error.message : String(error);
  return new Failure('unexpected', message, {
    hint: 'Run it again with HOLDFAST_DEBUG=1 to see where it failed.',
  });
}

/** What to do about a code that a server has answered with: that is no sign that there is none. */
export function hintForAnswer(code: string): string | undefined {
  return code === 'unavailable' ? 'The server cannot do it now; its log says why.' : hintFor(code);
}

function hintOf({ code, details: { cause } }: HoldfastError): string | undefined {
  const isThere = typeof cause === 'string' && isReason(cause);
  return isThere ? hintForAnswer('unavailable') : hintFor(code);
}

const fileCalls: ReadonlySet<unknown> = new Set([
  'open',
  'read',
  'write',
  'fsync',
  'rename',
  'mkdir',
  'scandir',
]);

/** Whether the operating system has refused something about a file, which the caller named. */
function isOfFile(error: Error): error is Error & { readonly code: string } {
  if (!('syscall' in error && 'code' in error)) return false;
  return fileCalls.has(error.syscall) && typeof error.code === 'string';
}

const keepers: ReadonlySet<string> = new Set(['StorageError', 'BackupError']);

/** The directory that the caller named cannot be used as it is. */
function keptFailure(error: Error): Failure {
  const reason = 'reason' in error ? String(error.reason) : 'io';
  return new Failure('usage', error.message, { code: reason });
}
