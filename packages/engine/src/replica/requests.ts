import {
  isRefusal,
  type JoinReply,
  type OpId,
  ownRequest,
  readRefusal,
  readWriteReply,
  type Refusal,
  refuse,
  type RequestLimits,
  type Seq,
  type WriteReply,
} from '@holdfast/protocol';
import { type Commit, impliedReply, seqOf } from './commits.ts';
import { addsUp, isAboutLeases, isGuarded } from './guards.ts';
import { inFlightMax, type Moment, Outbox } from './outbox.ts';
import { outboxMax, type Parts } from './parts.ts';
import { listed, type Pending, pendingOf } from './pending.ts';
import type { PendingRequest, ReplicaInput } from './types.ts';

type Input<Type extends ReplicaInput['type']> = Extract<ReplicaInput, { readonly type: Type }>;

/** Requests that are on their way or may be so without another word of the cache: it keeps up while a window is answered. */
const preparedMax = 2 * inFlightMax;

/**
 * The own requests of a replica, from asking to outcome (stores.md §18 C1–C8).
 *
 * 1. Every request is settled once: committed, or refused.
 * 2. A request that is not blind is shown from when it is asked until its echo, its refusal, or until the replica has
 *    come to the seq of its ok.
 * 3. With a cache, a request is sent only when the cache knows that it is about to be.
 */
export class Requests {
  readonly #parts: Parts;
  readonly outbox: Outbox;
  limits: RequestLimits;
  /** In order, those of which the cache does not know that they are about to be sent. */
  #unprepared: Set<Pending> = new Set();
  #order = 0;
  #isJoined = false;

  constructor(parts: Parts) {
    const { config, fold, ledger } = parts;
    this.#parts = parts;
    this.outbox = new Outbox(config.random);
    this.limits = config.limits;
    for (const known of config.image?.outbox ?? []) {
      const pending = pendingOf(known);
      pending.isSaved = ledger === null || known.firstSentAt !== null;
      this.#order = Math.max(this.#order, known.order);
      this.outbox.add(pending);
      if (!pending.blind) fold.adopt(pending);
    }
    fold.refold();
  }

  list(): readonly PendingRequest[] {
    return [...this.outbox.all()].map(listed);
  }

  /** Whether a snapshot that comes now may hold a request that would be shown on top of it once more. */
  get mayCountTwice(): boolean {
    for (const { request, blind, status, isUncertain } of this.outbox.all()) {
      if (isUncertain && !blind && status.state !== 'answered' && addsUp(request)) return true;
    }
    return false;
  }

  /** What comes may hold any request that is on its way. */
  doubt(): void {
    for (const pending of this.outbox.all()) {
      if (pending.status.state === 'sent') pending.isUncertain = true;
    }
  }

  /** None of them may be made any more. */
  refuseAll(refusal: Refusal): void {
    for (const pending of this.outbox.all()) this.#fail(pending, refusal);
  }

  /** Takes a request on, or settles it at once (C8). */
  ask(input: Input<'request'>): void {
    const refusal = this.#take(input);
    if (refusal !== null) this.#tell(input.opId, refusal);
  }

  /** A request that comes after the end. */
  refuseClosed(opId: OpId): void {
    this.#tell(opId, refuse('closed'));
  }

  /** Withdraws a request that is certain not to be committed (C7). */
  cancel(opId: OpId): void {
    const pending = this.outbox.get(opId);
    if (pending === undefined) return;
    const isUnsent = pending.attempts === 0 && pending.status.state === 'queued';
    if (isUnsent || pending.isRefused) this.#fail(pending, refuse('cancelled'));
  }

  joined(reply: JoinReply, at: { readonly incarnation: string | null } & Moment): void {
    this.#isJoined = true;
    this.#failStale(reply, at);
    this.outbox.joined();
    this.#unprepared = new Set([...this.outbox.all()].filter(isUnprepared));
  }

  /** Requests are about to be sent: as many as may be on their way soon, and the cache must know first (C2). */
  prepare({ wall }: Moment): void {
    if (!this.#isJoined) return;
    for (const pending of this.#unprepared) {
      if (this.outbox.inFlight + this.outbox.unsent - this.#unprepared.size >= preparedMax) return;
      this.#unprepared.delete(pending);
      pending.firstSentAt = wall;
      this.#save(pending);
    }
  }

  lost(): void {
    this.#isJoined = false;
    for (const { pending, reply } of this.outbox.lost()) this.#settle(pending, reply);
    for (const pending of this.outbox.unsentLeases()) this.#fail(pending, refuse('unavailable'));
  }

  reply({ id, status, response, now, wall }: Input<'reply'>): void {
    const answered = this.outbox.answered(id);
    if (answered === null) return;
    const { pending, echo } = answered;
    if (status === 'ok') {
      this.outbox.accepted();
      const reply = readWriteReply(response);
      if (!isRefusal(reply)) this.#commit(pending, reply);
      else if (echo !== null) this.#settle(pending, echo);
      else this.#fail(pending, refuse('outcome_unknown'));
      return;
    }
    const refusal = readRefusal(response);
    if (echo !== null) this.#settle(pending, echo);
    else if (this.outbox.refused(pending, refusal, { now, wall }) === 'final') {
      this.#fail(pending, refusal);
    }
  }

  /** The request of ours that a commit came from. */
  authorOf({ ops }: Commit): OpId | null {
    // Not only the first: the server may have added something before it.
    for (const { deviceId: by, clientOpId: id } of ops) {
      if (by === this.#parts.config.deviceId && this.outbox.get(id) !== undefined) return id;
    }
    return null;
  }

  /** The commit of a request has come. */
  landed(opId: OpId, commit: Commit): void {
    const pending = this.outbox.get(opId);
    const implied = pending && impliedReply(pending.request, opId, commit);
    // Where part of the commit is out of scope, only the reply tells all.
    if (pending === undefined || implied === null || implied === undefined) return;
    this.#parts.ledger?.request(opId, null);
    const reply = this.outbox.echo(pending, implied);
    if (reply !== null) this.#settle(pending, reply);
  }

  /** Lets go of the answered requests that the replica has caught up with (C5). */
  caughtUp(cursor: Seq): void {
    for (const [opId, seq] of this.outbox.caughtUp(cursor)) this.#leave(opId, seq);
  }

  /** The cache has stored a batch. */
  persisted(batch: number): void {
    for (const opId of this.#parts.ledger?.stored(batch) ?? []) {
      const pending = this.outbox.get(opId);
      if (pending !== undefined && pending.firstSentAt !== null) pending.isSaved = true;
    }
  }

  /** Ends: without a cache to keep them, the requests end too (C20). */
  close(): void {
    for (const { pending, reply } of this.outbox.lost()) this.#settle(pending, reply);
    if (this.#parts.ledger !== null) return;
    for (const pending of this.outbox.all()) {
      const isUncertain = pending.attempts > 0 && !pending.isRefused;
      this.#fail(pending, refuse(isUncertain ? 'outcome_unknown' : 'closed'));
    }
  }

  #take({ opId, request, blind = false, wall }: Input<'request'>): Refusal | null {
    if (this.outbox.has(opId)) return refuse('duplicate_op_id');
    const checked = ownRequest(request, this.limits);
    if (isRefusal(checked)) return checked;
    const isLeases = isAboutLeases(checked);
    if (isLeases && !this.#isJoined) return refuse('unavailable');
    const isBlind = blind || isLeases || this.#parts.extent.wanted.length === 0;
    const pending = pendingOf({
      opId,
      request: checked,
      blind: isBlind,
      order: this.#order + 1,
      createdAt: wall,
      status: { state: 'queued' },
      attempts: 0,
      firstSentAt: null,
    });
    const refusal = this.#full(pending) ?? (isBlind ? null : this.#show(pending));
    if (refusal !== null) return refusal;
    this.#order++;
    this.outbox.add(pending);
    this.#save(pending);
    if (!pending.isSaved) this.#unprepared.add(pending);
    return null;
  }

  #full({ bytes }: Pending): Refusal | null {
    const { outboxMax: max = outboxMax } = this.#parts.config;
    const { outbox } = this;
    const full = (dimension: keyof typeof max): Refusal =>
      refuse('outbox_full', { dimension, limit: max[dimension] });
    if (outbox.size >= max.requests) return full('requests');
    return outbox.bytes + bytes > max.bytes ? full('bytes') : null;
  }

  #show(pending: Pending): Refusal | null {
    const { fold, subscriptions } = this.#parts;
    const acts = fold.show(pending);
    if (isRefusal(acts)) return acts;
    subscriptions.announce(acts, fold.view);
    return null;
  }

  #save(pending: Pending): void {
    const { ledger } = this.#parts;
    pending.isSaved = ledger === null || isAboutLeases(pending.request);
    if (!pending.isSaved) ledger?.request(pending.opId, listed(pending));
  }

  /** Requests that must not be sent again under what the join reply says (stores.md §10.1.3). */
  #failStale(
    reply: JoinReply,
    { incarnation, wall }: { incarnation: string | null } & Moment,
  ): void {
    const isOther = incarnation !== null && reply.incarnation !== incarnation;
    const offset = reply.server_time - wall;
    for (const pending of this.outbox.all()) {
      const { opId, request, status, firstSentAt } = pending;
      const isForgotten = firstSentAt !== null && firstSentAt + offset < reply.dedupe_since;
      if (isForgotten && isCertain(pending)) {
        pending.firstSentAt = null;
        pending.isSaved = this.#parts.ledger === null;
      }
      // Its seq means nothing here.
      if (isOther && status.state === 'answered') this.#leave(opId, status.seq);
      else if (isOther && isGuarded(request)) this.#fail(pending, refuse('stale_incarnation'));
      else if (isForgotten && !isCertain(pending)) this.#fail(pending, refuse('outcome_unknown'));
    }
  }

  #commit(pending: Pending, reply: WriteReply): void {
    this.#settle(pending, reply);
    const { extent, fold } = this.#parts;
    const seq = seqOf(reply);
    if (extent.isSilent || fold.cursor >= seq) this.#leave(pending.opId, seq);
    else this.outbox.keep(pending, seq);
  }

  /** A committed request leaves, other than by its echo. */
  #leave(opId: OpId, seq: Seq): void {
    const pending = this.outbox.get(opId);
    if (pending === undefined) return;
    this.#remove(pending);
    this.#parts.fold.withdraw(opId, { seq });
    this.#parts.ledger?.request(opId, null);
  }

  #fail(pending: Pending, refusal: Refusal): void {
    this.#remove(pending);
    this.#parts.fold.withdraw(pending.opId, { refused: true });
    this.#parts.ledger?.request(pending.opId, null);
    if (!pending.isSettled) this.#tell(pending.opId, refusal, listed(pending));
    pending.isSettled = true;
  }

  #remove(pending: Pending): void {
    this.outbox.remove(pending.opId);
    this.#unprepared.delete(pending);
  }

  #settle(pending: Pending, reply: WriteReply): void {
    if (pending.isSettled) return;
    pending.isSettled = true;
    const { opId, rebasedOver } = pending;
    const outcome = { status: 'committed', reply, rebasedOver } as const;
    this.#parts.emit({ type: 'settled', opId, outcome });
  }

  #tell(opId: OpId, refusal: Refusal, pending?: PendingRequest): void {
    const outcome = { status: 'refused', refusal } as const;
    this.#parts.emit({ type: 'settled', opId, outcome, ...(pending && { pending }) });
  }
}

/** Never sent, or last answered by a refusal: it is not committed, however long ago that was. */
function isCertain({ attempts, isRefused }: Pending): boolean {
  return attempts === 0 || isRefused;
}

/** The cache has not been told that it is about to be sent, and has to be. */
function isUnprepared({ isSaved, firstSentAt }: Pending): boolean {
  return !isSaved && firstSentAt === null;
}
