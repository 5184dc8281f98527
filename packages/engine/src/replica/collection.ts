import {
  covers,
  isRefusal,
  parseGlob,
  type Pattern,
  type Refusal,
  refuse,
  segmentsOf,
  type Seq,
  type SnapshotBegin,
  type SnapshotChunk,
  type SnapshotEnd,
} from '@holdfast/protocol';
import { Tree } from '../data/index.ts';
import { rangeOf } from './listing.ts';

/**
 * A snapshot while it arrives: collected aside, so that reads go on showing the old state, and complete or not used
 * (stores.md §10.3).
 */
export class Collection {
  readonly id: string;
  readonly seq: Seq;
  readonly incarnation: string;
  /** The part of the store it replaces; null is all of it. */
  readonly within: readonly Pattern[] | null;
  /** The state that was collected. */
  readonly tree: Tree = Tree.empty();
  #next = 0;
  #entries = 0;

  private constructor({ id, seq, incarnation }: SnapshotBegin, within: readonly Pattern[] | null) {
    this.id = id;
    this.seq = seq;
    this.incarnation = incarnation;
    this.within = within;
  }

  static begin(begin: SnapshotBegin): Collection | Refusal {
    if (begin.within === null) return new Collection(begin, null);
    const within: Pattern[] = [];
    for (const glob of begin.within) {
      const pattern = parseGlob(glob);
      if (isRefusal(pattern)) return pattern;
      within.push(pattern);
    }
    return new Collection(begin, within);
  }

  /** The index of the chunk that is missing next. */
  get next(): number {
    return this.#next;
  }

  /** Whether a snapshot that begins goes on with this one. */
  continues({ id, seq }: SnapshotBegin): boolean {
    return id === this.id && seq === this.seq;
  }

  add({ id, index, entries, maps }: SnapshotChunk): Refusal | null {
    if (id !== this.id || index > this.#next) return refuse('invalid_payload', { field: 'index' });
    // A server that begins the same snapshot anew sends again what is here.
    if (index < this.#next) return null;
    for (const [path, value, type, revision] of entries) {
      this.tree.put(path, { value, type, revision });
    }
    this.tree.load([], maps);
    this.#next++;
    this.#entries += entries.length;
    return null;
  }

  /** What it makes of the state before: all of it anew, or the part that it is of (stores.md §10.3.1). */
  resultOn(committed: Tree): Tree {
    if (this.within === null) return this.tree;
    const result = committed.fork();
    for (const pattern of this.within) {
      for (const { path } of committed.entries(rangeOf(pattern))) {
        const isGone = this.tree.leaf(path) === undefined && covers(pattern, segmentsOf(path));
        if (isGone) result.remove(path, 0);
      }
    }
    result.load(this.tree.entries(), this.tree.maps());
    return result;
  }

  /** Whether all of it has come. */
  check({ id, seq, chunks, entries }: SnapshotEnd): Refusal | null {
    const isWhole =
      id === this.id && seq === this.seq && chunks === this.#next && entries === this.#entries;
    return isWhole ? null : refuse('invalid_payload', { field: 'entries' });
  }
}
