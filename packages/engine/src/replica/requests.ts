import {
  childPath,
  isRefusal,
  type JoinReply,
  type Mutate,
  ownRequest,
  readRefusal,
  readWriteReply,
  type Refusal,
  refuse,
  type Seq,
  type Write,
  type WriteReply,
} from '@holdfast/protocol';
import { type Commit, impliedReply, isAskedBy, seqOf } from './commits.ts';
import { outboxMax } from './config.ts';
import { type Moment, Outbox } from './outbox.ts';
import type { Parts } from './parts.ts';
import {
  addsUp,
  isAboutLeases,
  isGuarded,
  listed,
  type Pending,
  pendingOf,
  writesOf,
} from './pending.ts';
import type { Outcome, PendingRequest, ReplicaInput } from './types.ts';

type Input<Type extends ReplicaInput['type']> = Extract<ReplicaInput, { readonly type: Type }>;

/**
 * The own requests of a replica, from asking to outcome (stores.md §18 C1–C8).
 *
 * 1. Every request is settled once: committed, or refused.
 * 2. A request that is not blind is shown from when it is asked until its echo, its refusal, or until the replica has
 *    come to the seq of its ok.
 */
export class Requests {
  readonly #parts: Parts;
  readonly outbox: Outbox;
  /** Answered ok, by their seqs; their effect is still shown. */
  readonly #answered = new Map<Pending, Seq>();
  #order = 0;
  #isClosed = false;

  constructor(parts: Parts) {
    const { config, emit, fold, ledger } = parts;
    const { random, observe } = config;
    this.#parts = parts;
    this.outbox = new Outbox({ emit, random, observe });
    for (const known of config.image?.outbox ?? []) {
      const pending = pendingOf(known);
      pending.isSaved = ledger === null || known.firstSentAt !== null;
      this.#order = Math.max(this.#order, known.order);
      this.outbox.add(pending);
      if (!pending.blind) fold.adopt(pending);
    }
    fold.rebuild();
  }

  list(): readonly PendingRequest[] {
    return Array.from(this.#all, listed);
  }

  /** Whether a snapshot that comes now may hold a request that would be shown on top of it once more. */
  get mayCountTwice(): boolean {
    for (const pending of this.#all) {
      const { request, blind, isUncertain } = pending;
      if (isUncertain && !blind && !this.#answered.has(pending) && addsUp(request)) return true;
    }
    return false;
  }

  /** What comes may hold any request that is on its way. */
  doubt(): void {
    for (const pending of this.#all) pending.isUncertain ||= pending.status.state === 'sent';
  }

  /** None of them may be made any more. */
  refuseAll(refusal: Refusal): void {
    for (const pending of this.#all) this.#failBy(pending, refusal, pending.isCertain);
  }

  /** Takes a request on, or settles it at once (C8). */
  ask(input: Input<'request'>): void {
    const { opId } = input;
    const refusal = this.#take(input);
    if (refusal === null) return;
    this.#parts.emit({ type: 'settled', opId, outcome: { status: 'refused', refusal } });
  }

  /** Withdraws a request that is certain not to be committed (C7), or that somebody else sends. */
  cancel({ opId, isLeft }: Input<'cancel'>): void {
    const pending = this.outbox.queue.get(opId);
    if (pending === undefined || !(pending.isCertain || isLeft === true)) return;
    this.outbox.answered(opId);
    this.#parts.ledger?.withdraw(pending);
    this.#fail(pending, refuse('cancelled'));
  }

  joined(reply: JoinReply, at: { readonly incarnation: string | null } & Moment): void {
    this.#failStale(reply, at);
    this.outbox.joined();
    this.#parts.ledger?.joined(this.outbox);
  }

  lost(): void {
    this.#settleSeen();
    // Leases do not wait for another connection (stores.md §18 C1).
    for (const pending of this.#all) {
      const isUnsent = pending.attempts === 0 && isAboutLeases(pending);
      if (isUnsent) this.#fail(pending, refuse('unavailable'));
    }
  }

  reply({ id, status, response, now, wall }: Input<'reply'>): void {
    const pending = this.outbox.answered(id);
    if (pending === undefined) return;
    const isOk = status === 'ok';
    const reply = isOk ? readWriteReply(response) : readRefusal(response);
    if (isOk) this.outbox.accepted();
    if (!isRefusal(reply)) this.#commit(pending, reply);
    else if (pending.echo !== null) this.#settle(pending, pending.echo);
    else if (isOk) this.#fail(pending, refuse('outcome_unknown'));
    else if (!this.outbox.keeps(pending, reply, { now, wall })) {
      this.#failBy(pending, reply, this.outbox.proves(pending, reply));
    }
  }

  /** The request of ours that a commit came from. */
  authorOf({ ops }: Commit): Pending | undefined {
    // Not only the first: the server may have added something before it.
    for (const op of ops) {
      const pending = this.outbox.queue.get(op.clientOpId);
      const isOwn = pending !== undefined && op.deviceId === this.#parts.config.deviceId;
      if (isOwn && isAskedBy(pending, op)) return pending;
    }
    return undefined;
  }

  /** The commit of a request has come. */
  landed(pending: Pending, commit: Commit): void {
    const implied = impliedReply(pending, commit);
    // Where part of the commit is out of scope, only the reply tells all.
    if (implied === null) return;
    this.#end(pending, commit.seq);
    if (this.outbox.isInFlight(pending)) pending.echo = implied;
    else this.#settle(pending, implied);
  }

  /**
   * Lets go of the answered requests that the replica has caught up with (C5). What shows in a part that is on its way stays
   * until that is here.
   */
  caughtUp(cursor: Seq): void {
    const { extent } = this.#parts;
    for (const [pending, seq] of this.#answered) {
      if (extent.awaits(pending.leaves)) continue;
      if (extent.isSilent || seq <= cursor) this.#end(pending, seq);
    }
  }

  /** Ends: without a cache to keep them, the requests end too (C20). */
  close(): void {
    this.#isClosed = true;
    this.#settleSeen();
    if (this.#parts.ledger !== null) return;
    for (const pending of this.#all) {
      this.#fail(pending, refuse(pending.isCertain ? 'closed' : 'outcome_unknown'));
    }
  }

  get #all(): Iterable<Pending> {
    return this.outbox.queue.values();
  }

  /** No reply will come to what was seen as committed. */
  #settleSeen(): void {
    for (const pending of this.outbox.lost()) {
      if (pending.echo !== null) this.#settle(pending, pending.echo);
    }
  }

  #take({ opId, request, blind = false, wasSent = false, wall }: Input<'request'>): Refusal | null {
    const { outbox } = this;
    if (this.#isClosed) return refuse('closed');
    if (outbox.stateOf(opId) !== null) return refuse('duplicate_op_id');
    const checked = ownRequest(request, this.#parts.fold.limits);
    if (isRefusal(checked)) return checked;
    const isLeases = isAboutLeases({ request: checked });
    if (isLeases && !outbox.isJoined) return refuse('unavailable');
    return this.#accept({
      opId,
      request: checked,
      blind: blind || isLeases || this.#parts.extent.wanted.length === 0,
      order: this.#order + 1,
      createdAt: wall,
      status: { state: 'queued' },
      attempts: wasSent ? 1 : 0,
      firstSentAt: null,
    });
  }

  #accept(fresh: PendingRequest): Refusal | null {
    const pending = pendingOf(fresh);
    const refusal = this.#full(pending) ?? (pending.blind ? null : this.#show(pending));
    if (refusal !== null) return refusal;
    this.#order++;
    this.outbox.add(pending);
    this.#parts.ledger?.keep(pending);
    return null;
  }

  /**
   * A mutation of what was never seen says nothing that counts: the server has what it is about (records.md §11.2). It is shown
   * as soon as that is here.
   */
  #show(pending: Pending): Refusal | null {
    const { fold, extent } = this.#parts;
    const refusal = fold.show(pending);
    const isUnseen = ({ op, path }: Write | Mutate): boolean =>
      op === 'mutate' &&
      fold.view.read(path) === undefined &&
      !extent.holds(childPath(path, 'any'));
    if (refusal === null || !writesOf(pending.request).some(isUnseen)) return refusal;
    fold.adopt(pending);
    return null;
  }

  #full({ bytes }: Pending): Refusal | null {
    const { outboxMax: max = outboxMax } = this.#parts.config;
    const { queue, bytes: all } = this.outbox;
    const isFull = queue.size >= max.requests;
    if (!isFull && all + bytes <= max.bytes) return null;
    const dimension = isFull ? 'requests' : 'bytes';
    return refuse('outbox_full', { dimension, limit: max[dimension] });
  }

  /** Requests that must not be sent again under what the join reply says (stores.md §10.1.3). */
  #failStale(
    reply: JoinReply,
    { incarnation, wall }: { incarnation: string | null } & Moment,
  ): void {
    const isOther = incarnation !== null && reply.incarnation !== incarnation;
    const since = reply.dedupe_since - reply.server_time + wall;
    for (const pending of this.#all) {
      const { request, status, firstSentAt, isCertain } = pending;
      const isForgotten = firstSentAt !== null && firstSentAt < since;
      // Its seq means nothing here.
      if (isOther && status.state === 'answered') this.#end(pending, status.seq);
      else if (isOther && isGuarded(request)) this.#fail(pending, refuse('stale_incarnation'));
      else if (isForgotten && !isCertain) this.#fail(pending, refuse('outcome_unknown'));
      else if (isForgotten) {
        pending.firstSentAt = null;
        pending.isSaved = this.#parts.ledger === null;
      }
    }
  }

  #commit(pending: Pending, reply: WriteReply): void {
    this.#settle(pending, reply);
    const seq = seqOf(reply);
    this.#answered.set(pending, seq);
    this.outbox.move(pending, { state: 'answered', seq });
  }

  /** It is not sent any more because of a refusal, which may not prove that it is not committed. */
  #failBy(pending: Pending, refusal: Refusal, isProof: boolean): void {
    this.#fail(pending, isProof ? refusal : refuse('outcome_unknown', { cause: refusal.code }));
  }

  #fail(pending: Pending, refusal: Refusal): void {
    this.#end(pending, null);
    this.#tell(pending, { status: 'refused', refusal });
  }

  /** It leaves, committed at a seq or refused. */
  #end(pending: Pending, seq: Seq | null): void {
    const { fold, ledger } = this.#parts;
    this.#answered.delete(pending);
    if (!this.outbox.remove(pending)) return;
    fold.withdraw(pending, seq);
    ledger?.drop(pending);
  }

  #settle(pending: Pending, reply: WriteReply): void {
    const { rebasedOver, rebasedAt } = pending;
    this.#tell(pending, { status: 'committed', reply, rebasedOver, rebasedAt: [...rebasedAt] });
  }

  #tell(pending: Pending, outcome: Outcome): void {
    if (pending.isSettled) return;
    pending.isSettled = true;
    this.#parts.emit({ type: 'settled', opId: pending.opId, outcome, pending: listed(pending) });
  }
}
