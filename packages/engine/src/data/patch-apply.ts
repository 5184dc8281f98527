import { isObject, type Json, setOwn } from '@holdfast/protocol';
import type { PatchOp } from '@holdfast/protocol/views';

/** Hears of each value that a patch takes out of the tree or puts into it, as it goes. */
export type Exchange = (removed: Json | undefined, added: Json | undefined) => void;

type Members = { [key: string]: Json };

const ignore: Exchange = () => undefined;

/**
 * A patch in the making: the tree it begins with is never changed, what it touches is copied once. An op that does not
 * fit makes the whole of it worthless.
 */
export class Patching {
  #tree: Json;
  readonly #exchange: Exchange;
  /** The copies of ours, which may be written to. */
  readonly #own = new Set<object>();

  constructor(tree: Json, exchange: Exchange = ignore) {
    this.#tree = tree;
    this.#exchange = exchange;
  }

  get tree(): Json {
    return this.#tree;
  }

  /** Does one op; false: it does not fit (views.md §12.4). */
  apply(op: PatchOp): boolean {
    const keys = readPointer(op.path);
    if (keys === null) return false;
    const changed = keys.length === 0 ? this.#replaceRoot(op) : this.#change(this.#tree, keys, op);
    if (changed === undefined) return false;
    this.#tree = changed;
    return true;
  }

  #replaceRoot(op: PatchOp): Json | undefined {
    if (op.op === 'remove') return undefined;
    this.#exchange(this.#tree, op.value);
    return op.value;
  }

  /** The value at hand with the op done inside it; undefined where that is impossible. */
  #change(at: Json | undefined, keys: readonly string[], op: PatchOp): Json | undefined {
    const [key = '', ...rest] = keys;
    if (rest.length === 0) {
      if (Array.isArray(at)) return this.#editList(at, key, op);
      return isObject(at) ? this.#edit(at, key, op) : undefined;
    }
    if (Array.isArray(at)) {
      const index = readIndex(key, at.length - 1);
      const inside = index === null ? undefined : this.#change(at[index], rest, op);
      return inside === undefined ? undefined : this.#withElement(at, [Number(key), 1, inside]);
    }
    if (!isObject(at) || !Object.hasOwn(at, key)) return undefined;
    const inside = this.#change(at[key], rest, op);
    return inside === undefined ? undefined : this.#with(at, key, inside);
  }

  #edit(at: { readonly [key: string]: Json }, key: string, op: PatchOp): Json {
    const before = Object.hasOwn(at, key) ? at[key] : undefined;
    const value = op.op === 'remove' ? undefined : op.value;
    this.#exchange(before, value);
    if (value !== undefined) return this.#with(at, key, value);
    // What is gone already need not go.
    if (before === undefined) return at;
    const copy = this.#copy(at);
    delete copy[key];
    return copy;
  }

  #editList(at: readonly Json[], key: string, op: PatchOp): Json | undefined {
    const isAdd = op.op === 'add';
    const last = isAdd ? at.length : at.length - 1;
    const index = isAdd && key === '-' ? last : readIndex(key, last);
    if (index === null) return undefined;
    const added = op.op === 'remove' ? [] : [op.value];
    this.#exchange(isAdd ? undefined : at[index], added[0]);
    return this.#withElement(at, [index, isAdd ? 0 : 1, ...added]);
  }

  #withElement(at: readonly Json[], [index, gone, ...added]: [number, number, ...Json[]]): Json {
    const copy = this.#copyList(at);
    copy.splice(index, gone, ...added);
    return copy;
  }

  #with(at: { readonly [key: string]: Json }, key: string, value: Json): Json {
    const copy = this.#copy(at);
    setOwn(copy, key, value);
    return copy;
  }

  #copy(at: { readonly [key: string]: Json }): Members {
    if (this.#own.has(at)) return at;
    const copy = { ...at };
    this.#own.add(copy);
    return copy;
  }

  #copyList(at: readonly Json[]): Json[] {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a copy that was made here
    if (this.#own.has(at)) return at as Json[];
    const copy = [...at];
    this.#own.add(copy);
    return copy;
  }
}

/** Does all ops one after the other on a tree, which stays as it is; undefined: one of them does not fit. */
export function applyPatch(tree: Json, ops: readonly PatchOp[]): Json | undefined {
  const patching = new Patching(tree);
  return ops.every((op) => patching.apply(op)) ? patching.tree : undefined;
}

/** The keys of a JSON pointer (RFC 6901); null: it is none. */
export function readPointer(path: string): readonly string[] | null {
  if (path === '') return [];
  if (!path.startsWith('/') || /~(?![01])/.test(path)) return null;
  const keys = path.slice(1).split('/');
  return path.includes('~')
    ? keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
    : keys;
}

function readIndex(key: string, last: number): number | null {
  return /^(?:0|[1-9]\d*)$/.test(key) && Number(key) <= last ? Number(key) : null;
}
