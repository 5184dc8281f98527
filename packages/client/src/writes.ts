import {
  isObject,
  isRefusal,
  type Path,
  type Refusal,
  refuse,
  type Segments,
  toPath,
  type Write,
} from '@holdfast/protocol';
import { toEnvelope, type Writable } from './envelopes.ts';
import { checkOptions } from './options.ts';

/** A path in rendered form, or its segments. */
export type PathInput = string | Segments;

/** What names a lease that a write relies on: a {@link Lease}, or its key and token. */
export type Fencing = { readonly key: PathInput; readonly token: number };

/** The lease must be held when the write is committed (stores.md §5.1.3). */
export type FenceOptions = { readonly fence?: Fencing };

/** The path must have this revision when the write is committed. */
export type MatchOptions = { readonly ifMatch?: number };

/** There must be nothing at the path when the write is committed. */
export type AbsentOptions = { readonly ifAbsent?: boolean };

type Guards = MatchOptions & AbsentOptions & FenceOptions;
type GuardName = keyof Guards;

const guardTypes: { readonly [Name in GuardName]: readonly string[] } = {
  ifMatch: ['number'],
  ifAbsent: ['boolean'],
  fence: ['object'],
};

/** The writes of a store, wherever they go: `R` is what each returns. `G` are the guards that it takes. */
export abstract class Writes<R, G extends Guards> {
  /** Guards that ops take here; transactions are fenced as a whole. */
  protected abstract readonly guardNames: readonly GuardName[];

  protected abstract emit(write: Write | Refusal): R;

  /** Puts a value in place of whatever is there, descendants included. */
  put(path: PathInput, value: Writable, options?: G & MatchOptions & AbsentOptions): R {
    if (value === undefined) throw new TypeError('put needs a value; delete removes one.');
    const guards = this.#guards('put', options, ['ifMatch', 'ifAbsent', 'fence']);
    return this.#write(path, guards, (at) => ({ op: 'set', path: at, value: toEnvelope(value) }));
  }

  /** Puts each member of an object below the path; other children stay. */
  merge(path: PathInput, value: { readonly [key: string]: Writable }, options?: G): R {
    const guards = this.#guards('merge', options, ['fence']);
    const members = toEnvelope(value);
    return this.#write(path, guards, (at) =>
      isObject(members)
        ? { op: 'merge', path: at, value: members }
        : refuse('merge_requires_map_value'),
    );
  }

  /** Removes what is at the path and below. */
  delete(path: PathInput, options?: G & MatchOptions): R {
    const guards = this.#guards('delete', options, ['ifMatch', 'fence']);
    return this.#write(path, guards, (at) => ({ op: 'delete', path: at }));
  }

  /** Adds to a number; concurrent increments add up. */
  increment(path: PathInput, by: number = 1, options?: G): R {
    const guards = this.#guards('increment', options, ['fence']);
    return this.#write(path, guards, (at) => ({ op: 'increment', path: at, value: by }));
  }

  /** Adds a member to a set. */
  add(path: PathInput, member: Writable, options?: G): R {
    const guards = this.#guards('add', options, ['fence']);
    return this.#write(path, guards, (at) => ({ op: 'add', path: at, value: toEnvelope(member) }));
  }

  /** Removes a member of a set. */
  remove(path: PathInput, member: Writable, options?: G): R {
    const guards = this.#guards('remove', options, ['fence']);
    return this.#write(path, guards, (at) => ({
      op: 'remove',
      path: at,
      value: toEnvelope(member),
    }));
  }

  #guards(op: string, options: Guards | undefined, ofOp: readonly GuardName[]): Guards {
    if (options === undefined) return {};
    const names = ofOp.filter((name) => this.guardNames.includes(name));
    checkOptions(op, options, Object.fromEntries(names.map((name) => [name, guardTypes[name]])));
    return options;
  }

  #write(path: PathInput, guards: Guards, make: (path: Path) => Write | Refusal): R {
    const at = toPath(path);
    if (isRefusal(at)) return this.emit(at.with({ path }));
    const write = make(at);
    const request = isRefusal(write) ? write : guarded(write, guards);
    return this.emit(isRefusal(request) ? request.with({ path: at }) : request);
  }
}

function guarded(write: Write, { ifMatch, ifAbsent, fence }: Guards): Write | Refusal {
  const fencing = fence === undefined ? null : fenceOf(fence);
  if (isRefusal(fencing)) return fencing;
  return {
    ...write,
    ...(ifMatch !== undefined && { ifMatch }),
    ...(ifAbsent === true && { ifAbsent }),
    ...(fencing !== null && { fence: fencing }),
  };
}

/** Reads what names a lease. */
export function fenceOf({ key, token }: Fencing): { key: Path; token: number } | Refusal {
  const at = toPath(key);
  return isRefusal(at) ? refuse('invalid_precondition') : { key: at, token };
}
