import type { Glob, Leaf, OpId, Path, Seq } from '@holdfast/protocol';
import type { Change, MapRow, Tree, Witness } from '../data/index.ts';
import type { KeptQuery, PendingRequest, ReplicaChange } from './types.ts';

/** What the ledger asks of the replica when a change is written down. */
export type Books = {
  readonly seq: Seq;
  readonly incarnation: string | null;
  readonly scope: string | null;
  readonly patterns: readonly Glob[];
  readonly queries?: readonly KeptQuery[] | undefined;
  /** The committed state, where all of it has changed; it is forked before it is given away. */
  readonly committed: Tree;
};

/**
 * Collects what a cache has yet to store: the net change of the committed state and of the outbox since the last batch.
 * One batch is on its way at a time; what changes meanwhile makes the next.
 */
export class Ledger implements Witness {
  readonly #entries = new Map<Path, Leaf | null>();
  readonly #maps = new Map<Path, Seq | null>();
  readonly #requests = new Map<OpId, PendingRequest | null>();
  #isReplaced = false;
  #isTouched = false;
  #batch = 0;
  #onItsWay: readonly OpId[] | null = null;

  /** Sees what changes of the committed state. */
  leaf({ path, after }: Change): void {
    this.#entries.set(path, after ?? null);
  }

  map([path, revision]: MapRow): void {
    this.#maps.set(path, revision);
  }

  /** The state, the cursor, the incarnation or the scope has changed. */
  touch(): void {
    this.#isTouched = true;
  }

  /** All of the committed state has changed. */
  replace(): void {
    this.#entries.clear();
    this.#maps.clear();
    this.#isReplaced = true;
    this.#isTouched = true;
  }

  request(opId: OpId, request: PendingRequest | null): void {
    this.#requests.set(opId, request);
    this.#isTouched = true;
  }

  /** The next batch, unless one is on its way or nothing has changed. */
  take({ committed, ...state }: Books): { batch: number; change: ReplicaChange } | null {
    if (this.#onItsWay !== null || !this.#isTouched) return null;
    const replaced = this.#isReplaced ? committed.fork() : null;
    const change: ReplicaChange = {
      ...state,
      replaces: replaced !== null,
      entries: replaced === null ? [...this.#entries] : entriesOf(replaced),
      maps: replaced === null ? [...this.#maps] : replaced.maps(),
      requests: [...this.#requests],
    };
    this.#onItsWay = [...this.#requests.keys()];
    this.#entries.clear();
    this.#maps.clear();
    this.#requests.clear();
    this.#isReplaced = false;
    this.#isTouched = false;
    this.#batch++;
    return { batch: this.#batch, change };
  }

  /** A batch is stored: the requests whose present state it holds. */
  stored(batch: number): readonly OpId[] {
    const stored = this.#onItsWay;
    if (batch !== this.#batch || stored === null) return [];
    this.#onItsWay = null;
    return stored.filter((opId) => !this.#requests.has(opId));
  }
}

function* entriesOf(tree: Tree): Generator<readonly [Path, Leaf], void, undefined> {
  for (const { path, value, type, revision } of tree.entries()) {
    yield [path, { value, type, revision }];
  }
}
