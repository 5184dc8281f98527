import type { EpochMs, Glob, Leaf, OpId, Path, Seq } from '@holdfast/protocol';
import { type Change, type MapRow, Tree, type Witness } from '../data/index.ts';
import { inFlightMax, type Outbox } from './outbox.ts';
import { isAboutLeases, listed, type Pending } from './pending.ts';
import type { KeptQuery, PendingRequest, ReplicaChange, SeedTerms } from './types.ts';

/** Requests that are on their way or may be so without another word of the cache: it keeps up while a window is answered. */
const preparedMax = 2 * inFlightMax;

type Batch = { readonly batch: number; readonly change: ReplicaChange };

/** What the ledger asks of the replica when a change is written down. */
export type Books = {
  readonly extent: { readonly scope: string | null; readonly held: readonly Glob[] };
  readonly fold: { readonly cursor: Seq; readonly committed: Tree };
  readonly incarnation: string | null;
  readonly queries: readonly KeptQuery[] | undefined;
  /** What the cache is to hold instead, for now. */
  readonly kept: SeedTerms['kept'] | null;
};

/**
 * Collects what a cache has yet to store: the net change of the committed state and of the outbox since the last batch.
 *
 * 1. One batch is on its way at a time; what changes meanwhile makes the next.
 * 2. A request is sent only when the cache knows that it is about to be (stores.md §18 C2), and of each that was taken back.
 */
export class Ledger implements Witness {
  readonly #entries = new Map<Path, Leaf | null>();
  readonly #maps = new Map<Path, Seq | null>();
  readonly #requests = new Map<OpId, PendingRequest | null>();
  /** In order, those of which the cache does not know that they are about to be sent. */
  #unprepared: Set<Pending> = new Set();
  /** Taken back by their makers, of which the cache does not know that, and where in the order they were. */
  readonly #withdrawn = new Map<OpId, number>();
  /** Nothing behind this place in the order may be sent before the cache knows what was taken back. */
  holdsBehind: number = Infinity;
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

  /** A request was made, or is about to be sent. Those about leases are not kept (C1). */
  keep(pending: Pending): void {
    pending.isSaved = isAboutLeases(pending);
    if (pending.isSaved) return;
    if (pending.firstSentAt === null) this.#unprepared.add(pending);
    this.#note(pending.opId, listed(pending));
  }

  /** A request has left the outbox. */
  drop(pending: Pending): void {
    this.#unprepared.delete(pending);
    this.#note(pending.opId, null);
  }

  /** A request was taken back. The next life would send it, after those behind it that went out meanwhile: they wait. */
  withdraw({ opId, order }: Pending): void {
    this.#withdrawn.set(opId, order);
    this.holdsBehind = Math.min(this.holdsBehind, order);
  }

  /** A new channel: all that the cache does not know to be sent is about to be. */
  joined({ queue }: Outbox): void {
    const all = [...queue.values()];
    this.#unprepared = new Set(all.filter((each) => !each.isSaved && each.firstSentAt === null));
  }

  /** Requests are about to be sent: as many as may be on their way soon, and the cache must know first (C2). */
  prepare({ isJoined, inFlight, unsent }: Outbox, wall: EpochMs): void {
    if (!isJoined) return;
    for (const pending of this.#unprepared) {
      if (inFlight + unsent - this.#unprepared.size >= preparedMax) return;
      this.#unprepared.delete(pending);
      pending.firstSentAt = wall;
      this.keep(pending);
    }
  }

  /** There is a batch to take: something has changed, and none is on its way. */
  get isDue(): boolean {
    return this.#onItsWay === null && this.#isTouched;
  }

  take({ extent, fold, incarnation, kept, queries }: Books): Batch {
    const { scope, held: patterns } = extent;
    const state = kept ?? { seq: fold.cursor, incarnation, scope, patterns, queries };
    const committed = kept === null ? fold.committed : Tree.empty();
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

  /** A batch is stored: the requests whose present state it holds may be sent. */
  stored(batch: number, { queue }: Outbox): void {
    if (batch !== this.#batch) return;
    const stored = this.#onItsWay ?? [];
    this.#onItsWay = null;
    for (const opId of stored) {
      if (!this.#requests.has(opId)) this.#withdrawn.delete(opId);
      const pending = this.#requests.has(opId) ? undefined : queue.get(opId);
      if (pending !== undefined && pending.firstSentAt !== null) pending.isSaved = true;
    }
    const held = [...this.#withdrawn.values()];
    this.holdsBehind = held.reduce((one, other) => Math.min(one, other), Infinity);
  }

  #note(opId: OpId, request: PendingRequest | null): void {
    this.#requests.set(opId, request);
    this.#isTouched = true;
  }
}

function* entriesOf(tree: Tree): Generator<readonly [Path, Leaf], void, undefined> {
  for (const { path, value, type, revision } of tree.entries()) {
    yield [path, { value, type, revision }];
  }
}
