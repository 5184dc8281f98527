import type { SeededQuery, SeededStore } from '@holdfast/protocol/record';
import { Tree } from '@holdfast/engine/data';
import type { KeptQuery, ReplicaImage } from '@holdfast/engine/replica';
import { Part } from '../part.ts';
import type { Seed, Seeded } from '../seed.ts';
import { digestOf } from './digest.ts';

const nothing = { seq: 0, incarnation: null, scope: null, patterns: [] };

/** What a server has rendered of one store (records.md §18). */
export class StoreSeed implements Seed {
  readonly #of: SeededStore;
  readonly #proof: string | null;
  readonly #part: Part;
  readonly #queries: readonly KeptQuery[];
  readonly #tree: Tree = Tree.empty();

  /** Throws for what cannot be one. */
  constructor(store: SeededStore, queries: readonly SeededQuery[]) {
    const { entries, maps, patterns, signature } = store;
    this.#of = store;
    this.#queries = queries.map(({ key, rows, has_more: hasMore, end_cursor: endCursor }) => ({
      key,
      rows,
      hasMore,
      endCursor,
    }));
    this.#part = new Part({ scope: patterns });
    this.#proof = signature && `${digestOf({ entries, maps, queries })}.${signature}`;
    for (const [path, value, type, revision] of entries) {
      this.#tree.put(path, { value, type, revision });
    }
    this.#tree.load([], maps);
  }

  over(kept: null): Seeded;
  over(kept: ReplicaImage | null): Seeded | null;
  over(kept: ReplicaImage | null): Seeded | null {
    if (kept !== null && this.#isOlder(kept)) return null;
    const { seq, incarnation, scope, patterns } = this.#of;
    const loaded = this.#tree.fork();
    const content = { entries: [], maps: [], loaded, outbox: kept?.outbox ?? [] };
    return {
      image: { seq, incarnation, scope, patterns, queries: this.#queries, ...content },
      seed: { proof: this.#proof, kept: kept ?? nothing },
    };
  }

  /** Whether what a cache has is as new, of the same store, and of no less of it. */
  #isOlder({ seq, incarnation, patterns }: ReplicaImage): boolean {
    const of = this.#of;
    if (incarnation !== of.incarnation || seq < of.seq) return false;
    return this.#part.beyond(patterns).length === 0;
  }
}
