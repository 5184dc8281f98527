import {
  type Code,
  type Refusal,
  type RefusalDetails,
  type Retry,
  retryAfter,
} from './refusals.ts';

type Wording = (code: Code, details: RefusalDetails) => string;

let word: Wording = (code, details) => {
  const told = Object.entries(details)
    .filter(([, value]) => typeof value === 'string' || typeof value === 'number')
    .map(([name, value]) => `${name} ${String(value)}`);
  return told.length === 0 ? code : `${code}: ${told.join(', ')}`;
};

/** Sets how errors made from now on say what happened, where whoever makes them does not. */
export function wordErrors(wording: Wording): void {
  word = wording;
}

/** Base of every error that Holdfast raises on purpose; match it by `code` (design.md, Errors). */
export class HoldfastError extends Error {
  readonly code: Code;
  readonly retry: Retry;
  readonly details: RefusalDetails;
  // Said here, for minifiers rename classes.
  override name = 'HoldfastError';

  constructor(code: Code, details: RefusalDetails = {}, message?: string) {
    super(message ?? word(code, details));
    this.code = code;
    this.retry = retryAfter(code);
    this.details = details;
  }
}

/** The server, or the core on its behalf, said no. Server code throws it to say no. */
export class RejectedError extends HoldfastError {
  override name = 'RejectedError';

  static from(refusal: Refusal): RejectedError {
    return refusal.code === 'conflict' || refusal.code === 'exists'
      ? new ConflictError(refusal.code, refusal.details)
      : new RejectedError(refusal.code, refusal.details);
  }
}

/** Somebody else's write came first: the guard of a write did not hold. */
export class ConflictError extends RejectedError {
  override name = 'ConflictError';

  /** The revision that is there now; null where nothing is. */
  get currentRevision(): number | null {
    const revision = this.details['current_revision'];
    return typeof revision === 'number' ? revision : null;
  }
}
