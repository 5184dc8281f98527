import {
  isRefusal,
  type JoinReply,
  joinPayload,
  readCatchUpComplete,
  readEvents,
  readSnapshotBegin,
  readSnapshotChunk,
  readSnapshotEnd,
  type Refusal,
  refuse,
  type Seq,
} from '@holdfast/protocol';
import { Tree } from '../data/index.ts';
import { Collection } from './collection.ts';
import { commitsOf } from './commits.ts';
import type { Parts } from './parts.ts';
import type { Requests } from './requests.ts';

/** What speaks against a message: `gap` where ops are missing, a refusal where it makes no sense (stores.md §18 C9); null: nothing. */
export type Heard = 'gap' | Refusal | null;

type Replacement = { readonly tree: Tree; readonly seq: Seq; readonly incarnation: string };

/**
 * Follows the log of a store: join replies, tails, snapshots, live events (stores.md §9, §10.1–10.4).
 *
 * 1. The cursor grows with each frame and goes back only by a snapshot.
 * 2. No message leaves part of a commit behind, nor part of a snapshot.
 * 3. A snapshot is not shown while it may hold an own request that is still shown on top: the channel then waits for the
 *    answer, which is on its way.
 */
export class Following {
  readonly #parts: Parts;
  readonly #requests: Requests;
  #incarnation: string | null;
  #scope: string | null;
  #collection: Collection | null = null;
  /** The end of a snapshot and what came after it, while they wait. */
  #held: (readonly [event: string, payload: unknown])[] | null = null;
  /** The scope that the snapshot to come is of. */
  #nextScope: string | null = null;
  /** Never synced, and not from a cache: the first sync is no news. */
  #isFresh: boolean;
  /** What we have is not to be built upon. */
  #isSpoiled = false;
  /** Has what the join said was missing. */
  isCaughtUp = false;

  constructor(parts: Parts, requests: Requests) {
    const { image } = parts.config;
    this.#parts = parts;
    this.#requests = requests;
    this.#incarnation = image?.incarnation ?? null;
    this.#scope = image?.scope ?? null;
    this.#isFresh = image === undefined || image.seq === 0;
  }

  get incarnation(): string | null {
    return this.#incarnation;
  }

  get scope(): string | null {
    return this.#scope;
  }

  /** Chunks of a snapshot collected so far. */
  get collected(): number | null {
    return this.#collection?.next ?? null;
  }

  joinPayload(): object {
    const { config, fold } = this.#parts;
    const isBare = this.#isSpoiled || config.patterns.length === 0;
    const snapshot = this.#collection && {
      id: this.#collection.begin.id,
      next: this.#collection.next,
    };
    return joinPayload({
      lastSeq: isBare ? 0 : fold.cursor,
      incarnation: isBare ? null : this.#incarnation,
      scope: isBare ? null : this.#scope,
      patterns: config.patterns,
      snapshot,
    });
  }

  joined(reply: JoinReply): void {
    this.isCaughtUp = this.#isBlind;
    this.#nextScope = reply.scope;
    if (reply.sync === 'snapshot') return;
    this.#collection = null;
    // There is nothing to send, so what we had is of another time.
    if (this.#isSpoiled) this.#replace({ ...reply, tree: Tree.empty(), seq: 0 });
    this.#incarnation = reply.incarnation;
    this.#scope = reply.scope;
    this.#parts.ledger?.touch();
  }

  lost(): void {
    this.isCaughtUp = false;
    this.#held = null;
    // Only the snapshot of a join can be resumed.
    if (this.#collection !== null && this.#collection.within !== null) this.#collection = null;
  }

  /** What came makes no sense: the next join starts over. */
  spoil(): void {
    this.#isSpoiled = true;
    this.#collection = null;
  }

  hear(event: string, payload: unknown): Heard {
    if (event === 'snapshot_end' && this.#requests.mayCountTwice) this.#held ??= [];
    if (this.#held === null) return this.#take(event, payload);
    this.#held.push([event, payload]);
    return null;
  }

  /** An own request is answered: what waited for it is heard. */
  resume(): Heard {
    const held = this.#held;
    if (held === null || this.#requests.mayCountTwice) return null;
    this.#held = null;
    for (const [event, payload] of held) {
      const heard = this.#take(event, payload);
      if (heard !== null) return heard;
    }
    return null;
  }

  /** Replicates nothing, only writes. */
  get #isBlind(): boolean {
    return this.#parts.config.patterns.length === 0;
  }

  #take(event: string, payload: unknown): Heard {
    switch (event) {
      case 'events':
        return this.#onEvents(payload);
      case 'snapshot_begin':
        return this.#onBegin(payload);
      case 'snapshot_chunk':
        return this.#onChunk(payload);
      case 'snapshot_end':
        return this.#onEnd(payload);
      case 'catch_up_complete':
        return this.#onCaughtUp(payload);
      default:
        return null;
    }
  }

  #onEvents(payload: unknown): Heard {
    const { fold, subscriptions } = this.#parts;
    const events = readEvents(payload);
    if (isRefusal(events)) return events;
    const { fromSeq, toSeq, ops } = events;
    if (toSeq <= fold.cursor) return null;
    if (fromSeq > fold.cursor) return 'gap';
    for (const commit of commitsOf(ops, fold.cursor)) {
      const own = this.#requests.authorOf(commit);
      const { committed, view } = fold.land(commit, own);
      subscriptions.announce(committed, fold.committed);
      subscriptions.announce(view, fold.view);
      if (own !== null) this.#requests.landed(own, commit);
    }
    this.#advance(toSeq);
    return null;
  }

  #advance(seq: Seq): void {
    const { fold } = this.#parts;
    fold.advance(seq);
    this.#requests.caughtUp(fold.cursor);
  }

  #onBegin(payload: unknown): Refusal | null {
    const begin = readSnapshotBegin(payload);
    if (isRefusal(begin)) return begin;
    if (this.#collection?.isOf(begin) === true) return null;
    const collection = Collection.begin(begin);
    if (isRefusal(collection)) return collection;
    this.#collection = collection;
    return null;
  }

  #onChunk(payload: unknown): Refusal | null {
    const chunk = readSnapshotChunk(payload);
    if (isRefusal(chunk)) return chunk;
    return this.#collection === null ? misplaced : this.#collection.add(chunk);
  }

  #onEnd(payload: unknown): Refusal | null {
    const end = readSnapshotEnd(payload);
    if (isRefusal(end)) return end;
    const collection = this.#collection;
    if (collection === null) return misplaced;
    const refusal = collection.check(end);
    if (refusal !== null) return refusal;
    this.#collection = null;
    const { seq, incarnation } = collection.begin;
    this.#replace({ tree: collection.resultOn(this.#parts.fold.committed), seq, incarnation });
    return null;
  }

  #onCaughtUp(payload: unknown): Refusal | null {
    const complete = readCatchUpComplete(payload);
    if (isRefusal(complete)) return complete;
    // Frames alone move the cursor (§10.2): one that passes over ops out of scope may still be on its way.
    this.isCaughtUp = true;
    this.#isFresh = false;
    return null;
  }

  /** Swaps the committed state, and lets subscribers hear only what differs (stores.md §10.3.2). */
  #replace({ tree, seq, incarnation }: Replacement): void {
    const { fold, ledger, subscriptions } = this.#parts;
    this.#requests.caughtUp(seq);
    const { before, after } = fold.replace(tree, seq);
    this.#incarnation = incarnation;
    this.#scope = this.#nextScope;
    this.#isSpoiled = false;
    ledger?.replace();
    const isFresh = this.#isFresh;
    this.#isFresh = false;
    subscriptions.compare({ before, after, op: isFresh ? 'present' : 'resync', seq });
  }
}

const misplaced = refuse('invalid_payload', { field: 'id' });
