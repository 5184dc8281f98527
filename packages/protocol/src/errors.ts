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

/** Where errors say how narrow their class is. Every copy of this package reads it, for an application may come to have two. */
const brand = Symbol.for('holdfast.error');

/** Base of every error that Holdfast raises on purpose; match it by `code` (design.md, Errors). */
export class HoldfastError extends Error {
  /** How narrow this class is. Those that applications make of it have none of their own. */
  protected static readonly rank: number = 0;
  readonly code: Code;
  readonly retry: Retry;
  readonly details: RefusalDetails;
  // Said here, for minifiers rename classes.
  override name = 'HoldfastError';

  /** What another copy of this package has made is one of these, too. */
  static override [Symbol.hasInstance](error: unknown): boolean {
    return Object.hasOwn(this, 'rank')
      ? Number(Reflect.get(Object(error), brand)) >= this.rank
      : super[Symbol.hasInstance](error);
  }

  constructor(code: Code, details: RefusalDetails = {}, message?: string) {
    super(message ?? word(code, details));
    this.code = code;
    this.retry = retryAfter(code);
    this.details = details;
    Object.defineProperty(this, brand, { value: new.target.rank });
  }
}

/** The server, or the core on its behalf, said no. Server code throws it to say no. */
export class RejectedError extends HoldfastError {
  protected static override readonly rank: number = 1;
  override name = 'RejectedError';

  static from(refusal: Refusal): RejectedError {
    return refusal.code === 'conflict' || refusal.code === 'exists'
      ? new ConflictError(refusal.code, refusal.details)
      : new RejectedError(refusal.code, refusal.details);
  }
}

/** Somebody else's write came first: the guard of a write did not hold. */
export class ConflictError extends RejectedError {
  protected static override readonly rank: number = 2;
  override name = 'ConflictError';

  /** The revision that is there now; null where nothing is. */
  get currentRevision(): number | null {
    const revision = this.details['current_revision'];
    return typeof revision === 'number' ? revision : null;
  }
}
