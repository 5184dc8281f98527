import {
  fenceOf,
  type Fencing,
  isRefusal,
  type Path,
  type Refusal,
  RejectedError,
  type Segments,
  toPath,
  type Write,
} from '@holdfast/protocol';
import { toEnvelope, type Writable } from './envelopes.ts';
import { checkOptions } from './mistakes.ts';

/** A path in rendered form, or its segments. */
export type PathInput = string | Segments;

/** The path that a caller means. Throws {@link RejectedError} `invalid_path`. */
export function placeOf(path: PathInput): Path {
  const at = toPath(path);
  if (isRefusal(at)) throw RejectedError.from(at.with({ path }));
  return at;
}

/** The lease must be held when the write is committed (stores.md §5.1.3). */
export type FenceOptions = { readonly fence?: Fencing };

/** The path must have this revision when the write is committed. */
export type MatchOptions = { readonly ifMatch?: number };

/** There must be nothing at the path when the write is committed. */
export type AbsentOptions = { readonly ifAbsent?: boolean };

/** Sent, and not shown before it is committed: for what is outside of the handle's scope (stores.md §10.4.3). */
export type BlindOptions = { readonly blind?: boolean };

type Guards = MatchOptions & AbsentOptions & FenceOptions & BlindOptions;

/** The writes of a store, wherever they go: `R` is what each returns. `G` are the guards that all of them take. */
export abstract class Writes<R, G extends Guards> {
  /** Transactions are fenced as a whole. */
  readonly #takesFence: boolean;

  constructor(takesFence: boolean) {
    this.#takesFence = takesFence;
  }

  protected abstract emit(write: Write | Refusal, isBlind: boolean): R;

  /** Puts a value in place of whatever is there, descendants included. */
  put(path: PathInput, value: Writable, options?: G & MatchOptions & AbsentOptions): R {
    if (value === undefined) throw new TypeError('put needs a value; delete removes one.');
    return this.#write({ op: 'set', value }, path, options);
  }

  /** Puts each member of an object below the path; other children stay. */
  merge(path: PathInput, value: { readonly [key: string]: Writable }, options?: G): R {
    return this.#write({ op: 'merge', value }, path, options);
  }

  /** Removes what is at the path and below. */
  delete(path: PathInput, options?: G & MatchOptions): R {
    return this.#write({ op: 'delete' }, path, options);
  }

  /** Adds to a number; concurrent increments add up. */
  increment(path: PathInput, by: number = 1, options?: G): R {
    return this.#write({ op: 'increment', value: by }, path, options);
  }

  /** Adds a member to a set. */
  add(path: PathInput, member: Writable, options?: G): R {
    return this.#write({ op: 'add', value: member }, path, options);
  }

  /** Removes a member of a set. */
  remove(path: PathInput, member: Writable, options?: G): R {
    return this.#write({ op: 'remove', value: member }, path, options);
  }

  #write(wanted: Wanted, path: PathInput, guards?: Guards): R {
    const { op } = wanted;
    if (guards !== undefined) {
      checkOptions(op === 'set' ? 'put' : op, guards, {
        ...(op === 'set' && { ifAbsent: 'boolean' }),
        ...((op === 'set' || op === 'delete') && { ifMatch: 'number' }),
        ...(this.#takesFence && { fence: 'object', blind: 'boolean' }),
      });
    }
    const at = toPath(path);
    const isBlind = guards?.blind === true;
    if (isRefusal(at)) return this.emit(at.with({ path }), isBlind);
    const read = guards === undefined ? {} : readGuards(guards);
    if (isRefusal(read)) return this.emit(read.with({ path: at }), isBlind);
    const value = 'value' in wanted ? { value: toEnvelope(wanted.value) } : {};
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the check of the request looks at the value, which may be anything
    return this.emit({ op, path: at, ...value, ...read } as Write, isBlind);
  }
}

function readGuards({ ifMatch, ifAbsent, fence }: Guards): object | Refusal {
  const fencing = fence && fenceOf(fence);
  if (isRefusal(fencing)) return fencing;
  return {
    ...(ifMatch !== undefined && { ifMatch }),
    ...(ifAbsent === true && { ifAbsent }),
    ...(fencing !== undefined && { fence: fencing }),
  };
}

type Wanted =
  | { readonly op: 'delete' }
  | {
      readonly op: 'set' | 'merge' | 'increment' | 'add' | 'remove';
      readonly value: Writable;
    };
