import {
  asGlob,
  covers,
  isRefusal,
  type JoinReply,
  joinPayload,
  type Path,
  type Pattern,
  patternsOf,
  readCatchUpComplete,
  readEvents,
  readScopeReply,
  readSnapshotBegin,
  readSnapshotChunk,
  readSnapshotEnd,
  type Refusal,
  refuse,
  segmentsOf,
  type Seq,
} from '@holdfast/protocol';
import { Tree } from '../data/index.ts';
import { cleared, Collection } from './collection.ts';
import { commitsOf } from './commits.ts';
import { type Held, without } from './extent.ts';
import { treeOf } from './config.ts';
import type { Parts } from './parts.ts';
import type { Requests } from './requests.ts';
import type { ReplicaImage, SeedTerms } from './types.ts';

/** What speaks against a message: `gap` where ops are missing, a refusal where it makes no sense (stores.md §18 C9); null: nothing. */
export type Heard = 'gap' | Refusal | null;

type Replacement = {
  readonly tree: Tree;
  readonly seq: Seq;
  readonly incarnation: string | null;
  /** Nothing but what these cover has changed. */
  readonly within?: readonly Pattern[] | null;
  /** What subscribers are told; absent: what there was before says whether it is news. */
  readonly op?: 'present' | 'resync';
};

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
  #collection: Collection | null = null;
  /** The end of a snapshot and what came after it, while they wait. */
  #held: (readonly [event: string, payload: unknown])[] | null = null;
  /** What is held when the snapshot to come has come; null: no other than now. */
  #coming: Held | null = null;
  /** The last join asked for nothing to read. */
  #isModest = false;
  /** The last join was refused for what it wanted to read: the next one wants nothing at first. */
  #isShy = false;
  /** Why the join is answered with a snapshot. */
  #why: JoinReply['why'] = null;
  /** The read rules of the last join, if told, and whether what does not come with it is gone because of them. */
  #rights: string | null = null;
  #isNarrowed = false;
  /** Never synced, and not from a cache: the first sync is no news. */
  #isFresh: boolean;
  /** What we have is not to be built upon. */
  #isSpoiled = false;
  /** What there is was rendered by a server, and has yet to be shown to be. */
  #seed: SeedTerms | null;
  /** Has what the join said was missing. */
  isCaughtUp = false;

  constructor(parts: Parts, requests: Requests) {
    const { image, seed = null } = parts.config;
    this.#parts = parts;
    this.#requests = requests;
    this.#incarnation = image?.incarnation ?? null;
    this.#isFresh = image === undefined || image.seq === 0;
    this.#seed = seed;
    this.#isSpoiled = seed?.proof === null;
  }

  get incarnation(): string | null {
    return this.#incarnation;
  }

  /** What the cache is to hold while what there is has yet to be proved; null: what there is. */
  get kept(): SeedTerms['kept'] | null {
    return this.#seed?.kept ?? null;
  }

  /** Chunks of a snapshot collected so far. */
  get collected(): number | null {
    return this.#collection?.next ?? null;
  }

  joinPayload(): object {
    const { extent, fold } = this.#parts;
    const isBare = this.#isBare;
    // What there is goes on as it was built; everything else is asked for when that is done (stores.md §10.4.6).
    const wanted = this.#isShy ? [] : extent.wanted;
    const patterns = isBare ? wanted : extent.held;
    this.#isModest = patterns.length === 0;
    const snapshot = this.#collection && {
      id: this.#collection.begin.id,
      next: this.#collection.next,
    };
    const seed = this.#seed?.proof ?? null;
    const built = {
      lastSeq: fold.cursor,
      incarnation: this.#incarnation,
      scope: extent.scope,
      seed,
    };
    return joinPayload({ ...(isBare ? nothing : built), patterns, snapshot });
  }

  joined(reply: JoinReply): void {
    const { extent, fold, ledger } = this.#parts;
    const patterns = reply.patterns ?? whole;
    const isSilent = patterns.length === 0;
    const held = { patterns, scope: reply.scope };
    this.isCaughtUp = isSilent;
    this.#isShy = false;
    this.#isNarrowed = this.#mayNarrow(reply);
    this.#why = reply.why;
    this.#rights = reply.rights;
    this.#coming = held;
    extent.joined();
    extent.deny(reply.denied ?? []);
    if (reply.sync === 'snapshot') return;
    this.#collection = null;
    // There is nothing to send, so what we had is of another time.
    const isStale = this.#isBare && !isSilent && fold.cursor > 0;
    if (this.#isSpoiled || isStale) this.#replace({ ...reply, tree: Tree.empty(), seq: 0 });
    this.#incarnation = reply.incarnation;
    this.#coming = null;
    extent.hold(held);
    // The cache has none of it.
    if (this.#seed === null) ledger?.touch();
    else ledger?.replace();
    this.#seed = null;
  }

  /** Begins with what a server has rendered, where there is nothing yet; says whether it did. */
  adopt(image: ReplicaImage, seed: SeedTerms): boolean {
    const { seq, incarnation, patterns, scope } = image;
    if (this.#incarnation !== null) return false;
    this.#coming = { patterns, scope };
    this.#replace({ tree: treeOf({ image }), seq, incarnation });
    this.#parts.image = image;
    this.#parts.queries?.adopt();
    this.#seed = seed;
    this.#isSpoiled = seed.proof === null;
    return true;
  }

  /** The join was refused: what may not be read is forgotten; says whether another join may do better. */
  refused(refusal: Refusal): boolean {
    const { extent } = this.#parts;
    const { held } = extent;
    if (held.length > 0) {
      this.#coming = { patterns: [], scope: null };
      this.#requests.caughtUp(Infinity);
      this.#replace({ tree: Tree.empty(), seq: 0, incarnation: null });
      this.#parts.emit({ type: 'revoked', patterns: held, refusal });
    }
    // Who may read nothing may write.
    this.#isShy = refusal.code === 'path_not_allowed';
    return this.#isShy && !this.#isModest;
  }

  lost(): void {
    this.isCaughtUp = false;
    this.#coming = null;
    this.#held = null;
    this.#parts.extent.lost();
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

  /** There is nothing that a join could go on with. */
  get #isBare(): boolean {
    const { extent, fold } = this.#parts;
    return this.#isSpoiled || extent.held.length === 0 || fold.cursor === 0;
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
      case 'query_delta':
        return this.#parts.queries?.hear(payload) ?? null;
      // No event has this name: it is the answer to a change of the scope, in its place among the events.
      case rescoped:
        return this.#onRescoped(payload);
      default:
        return null;
    }
  }

  #onEvents(payload: unknown): Heard {
    const { fold, queries } = this.#parts;
    const events = readEvents(payload);
    if (isRefusal(events)) return events;
    const { fromSeq, toSeq, ops } = events;
    if (toSeq <= fold.cursor) return null;
    if (fromSeq > fold.cursor) return 'gap';
    for (const commit of commitsOf(ops, fold.cursor)) {
      queries?.reached(commit.seq - 1);
      const own = this.#requests.authorOf(commit);
      fold.land(commit, own);
      if (own !== undefined) this.#requests.landed(own, commit);
    }
    queries?.reached(toSeq);
    fold.advance(toSeq);
    return null;
  }

  #onBegin(payload: unknown): Refusal | null {
    const begin = readSnapshotBegin(payload);
    if (isRefusal(begin)) return begin;
    if (this.#collection?.isOf(begin) === true) return null;
    this.#collection = new Collection(begin);
    // What is on its way to the server may be in it.
    if (this.isCaughtUp) this.#requests.doubt();
    return null;
  }

  #onChunk(payload: unknown): Refusal | null {
    const chunk = readSnapshotChunk(payload);
    if (isRefusal(chunk)) return chunk;
    return this.#collection === null ? misplaced : this.#collection.add(chunk);
  }

  #onEnd(payload: unknown): Heard {
    const end = readSnapshotEnd(payload);
    if (isRefusal(end)) return end;
    const collection = this.#collection;
    if (collection === null) return misplaced;
    const refusal = collection.check(end);
    if (refusal !== null) return refusal;
    this.#collection = null;
    const { extent, fold, ledger } = this.#parts;
    const { within } = collection;
    const { seq, incarnation } = collection.begin;
    const isPart = within !== null;
    if (isPart && extent.held.length > 0 && seq !== fold.cursor) return 'gap';
    const tree = collection.resultOn(fold.committed, ledger ?? undefined);
    if (!isPart) this.#carryRows(tree, incarnation);
    const asked = this.#coming === null ? 'resync' : 'present';
    this.#replace({ tree, seq, incarnation, within, ...(isPart && { op: asked }) });
    return null;
  }

  /** Rows are not in the state of a scope while their queries are yet to be opened. */
  #carryRows(tree: Tree, incarnation: string): void {
    const isKin = incarnation === this.#incarnation && this.#why !== 'scope';
    if (isKin) this.#parts.queries?.carry(tree, this.#coming);
  }

  /** With the reply goes what has left the scope; what is new comes with the snapshot that follows (stores.md §10.4.4). */
  #onRescoped(payload: unknown): Heard {
    const reply = readScopeReply(payload);
    if (isRefusal(reply)) return reply;
    const { extent, fold, ledger, queries } = this.#parts;
    const { scope, seq, denied } = reply;
    const patterns = reply.patterns ?? whole;
    const { held } = extent;
    if (held.length > 0 && seq !== fold.cursor) return 'gap';
    extent.deny(denied);
    this.#coming = { patterns, scope };
    if (without(patterns, held).length > 0) return null;
    const gone = without(held, patterns);
    if (gone.length > 0) {
      const kept = patternsOf(patterns);
      const stays = (path: Path): boolean =>
        queries?.covers(path) === true || kept.some((each) => covers(each, segmentsOf(path)));
      const within = patternsOf(gone);
      const tree = cleared(fold.committed, { of: within, stays }, ledger ?? undefined);
      this.#replace({ tree, seq, incarnation: this.#incarnation, within });
    } else this.#settle();
    return null;
  }

  /** The committed state is what was to come. */
  #settle(): void {
    const { extent, ledger } = this.#parts;
    if (this.#coming !== null) extent.hold(this.#coming);
    this.#coming = null;
    ledger?.touch();
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
  #replace({
    tree,
    seq,
    incarnation,
    within = null,
    op = this.#isFresh ? 'present' : 'resync',
  }: Replacement): void {
    const { extent, fold, ledger, queries, subscriptions, emit } = this.#parts;
    const { held } = extent;
    // What the state is of says which own requests are in it.
    this.#settle();
    fold.foresee(tree, seq, (path) => extent.holds(path));
    this.#requests.caughtUp(seq);
    const { before, after } = fold.replace(tree, seq);
    const isRevoked = this.#isNarrowed && hasLost(before.committed, after.committed);
    if (isRevoked) emit({ type: 'revoked', patterns: held, refusal: null });
    // What is held by now says which rows stay that no query has any more.
    queries?.replaced(seq);
    this.#incarnation = incarnation;
    this.#isSpoiled = false;
    this.#isNarrowed = false;
    this.#why = null;
    this.#seed = null;
    if (within === null) ledger?.replace();
    this.#isFresh = false;
    subscriptions.compare({ before, after, op, seq, within });
  }

  #mayNarrow({ why, rights }: JoinReply): boolean {
    // A scope that another tab has made up is no other for rights that have changed, and always another to the server.
    if (this.#parts.extent.scope?.startsWith(sharedScope) !== true) return why === 'scope';
    const known = this.#rights ?? rights;
    return rights !== null && rights !== known && why !== 'incarnation';
  }
}

/** Scopes that begin so were named by a tab that shares its replica, and no server knows them. */
export const sharedScope = 'tabs ';

/** What the answer to a change of the scope is heard as. */
export const rescoped = 'phx_reply';

const whole = [asGlob('**')];

/** What a join goes on with that begins anew. */
const nothing = { lastSeq: 0, incarnation: null, scope: null, seed: null };

function hasLost(before: Tree, after: Tree): boolean {
  for (const { path } of before.entries()) if (after.leaf(path) === undefined) return true;
  return false;
}

const misplaced = refuse('invalid_payload', { field: 'id' });
