import {
  covers,
  patternsOf,
  type Path,
  type Pattern,
  type Refusal,
  refuse,
  segmentsOf,
  type SnapshotBegin,
  type SnapshotChunk,
  type SnapshotEnd,
} from '@holdfast/protocol';
import { Tree, type Witness } from '../data/index.ts';
import { rangeOf } from './listing.ts';

/**
 * A snapshot while it arrives: collected aside, so that reads go on showing the old state, and complete or not used
 * (stores.md §10.3).
 */
export class Collection {
  readonly begin: SnapshotBegin;
  /** The part of the store it replaces; null is all of it. */
  readonly within: readonly Pattern[] | null;
  /** The index of the chunk that is missing next. */
  next = 0;
  readonly #tree: Tree = Tree.empty();

  constructor(begin: SnapshotBegin) {
    this.begin = begin;
    this.within = begin.within && patternsOf(begin.within);
  }

  /** Whether a snapshot that begins goes on with this one, or one that ends is this one. */
  isOf({ id, seq }: Pick<SnapshotBegin, 'id' | 'seq'>): boolean {
    return id === this.begin.id && seq === this.begin.seq;
  }

  add({ id, index, entries, maps }: SnapshotChunk): Refusal | null {
    if (id !== this.begin.id || index > this.next) {
      return refuse('invalid_payload', { field: 'index' });
    }
    // A server that begins the same snapshot anew sends again what is here.
    if (index < this.next) return null;
    this.#tree.adopt(entries, maps);
    this.next++;
    return null;
  }

  /** Whether all of it has come. */
  check(end: SnapshotEnd): Refusal | null {
    const isWhole = this.isOf(end) && end.chunks === this.next && end.entries === this.#tree.size;
    return isWhole ? null : refuse('invalid_payload', { field: 'entries' });
  }

  /** What it makes of the state before: all of it anew, or the part that it is of (stores.md §10.3.1). */
  resultOn(committed: Tree, witness?: Witness): Tree {
    const tree = this.#tree;
    if (this.within === null) return tree;
    const stays = (path: Path): boolean => tree.leaf(path) !== undefined;
    const result = cleared(committed, { of: this.within, stays }, witness);
    for (const entry of tree.entries()) result.put(entry.path, entry, witness);
    const maps = tree.maps();
    for (const row of maps) witness?.map(row);
    result.load([], maps);
    return result;
  }
}

/** A state without what some patterns cover, except for what stays. */
export function cleared(
  state: Tree,
  part: { readonly of: readonly Pattern[]; stays(path: Path): boolean },
  witness?: Witness,
): Tree {
  const result = state.fork();
  for (const pattern of part.of) {
    for (const { path } of state.entries(rangeOf(pattern))) {
      const isGone = covers(pattern, segmentsOf(path)) && !part.stays(path);
      if (isGone) result.remove(path, 0, witness);
    }
  }
  return result;
}
