import {
  type EpochMs,
  encodeRequest,
  type MonotonicMs,
  type OpId,
  type Refusal,
  type Seq,
  type WriteReply,
} from '@holdfast/protocol';
import { isAboutLeases } from './guards.ts';
import type { Pending } from './pending.ts';
import type { PendingState, ReplicaEffect } from './types.ts';

/** Requests in flight at once: enough for one window of a long, fast line. */
export const inFlightMax = 256;
/** Without an answer for so long, the channel is given up (stores.md §18 C7). */
const answerMsMax = 30_000;
/** Answers of `internal_error` after which a request is tried again (stores.md §18 C6). */
const failuresMax = 3;
const defaultRetryMs = 1000;
const firstFailureMs = 250;

/** When something happened, on both clocks. */
export type Moment = { readonly now: MonotonicMs; readonly wall: EpochMs };

/** What became of a request that the server refused. */
export type Refused = 'kept' | 'final';

type Push = Extract<ReplicaEffect, { readonly type: 'push' }>;

/**
 * The own requests that are unanswered, in order, and what of them is on its way (stores.md §10.6, §18 C2–C7).
 *
 *     queued ──▶ sent ──▶ answered ──▶ (gone: the replica has caught up)
 *       ▲          │ refused for now: waiting, or queued behind the one that waits
 *       └──────────┴ connection lost
 *
 * 1. They are sent in order: none is sent while one before it is unsent.
 * 2. Each is in flight at most once per generation of the channel.
 * 3. After a refusal that blocks the channel nothing is sent until all that is in flight is answered; then the earliest
 *    that is still wanted goes first, and unblocks.
 */
export class Outbox {
  readonly #queue = new Map<OpId, Pending>();
  /** What this generation has sent and not heard of, with the time it was sent. */
  readonly #inFlight = new Map<OpId, MonotonicMs>();
  /** Seen as committed, while their reply is on its way. */
  readonly #echoed = new Map<OpId, { readonly pending: Pending; readonly reply: WriteReply }>();
  /** Answered ok; their effect is still shown. */
  readonly #answered = new Map<OpId, Seq>();
  readonly #random: () => number;
  /** Requests in flight at once for now: half as many after each refusal that blocks, one more with each ok. */
  #window = inFlightMax;
  /** How many are queued or waiting, so that a step where none is costs nothing per request. */
  #unsent = 0;
  #bytes = 0;
  #isJoined = false;
  #isBlocked = false;
  #version = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  get size(): number {
    return this.#queue.size;
  }

  /** What all of it weighs. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Grows with each change of what {@link all} gives. */
  get version(): number {
    return this.#version;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** How many are queued or waiting. */
  get unsent(): number {
    return this.#unsent;
  }

  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  get(opId: OpId): Pending | undefined {
    return this.#queue.get(opId);
  }

  /** Whether an id is in use: its request is unanswered, or its reply is on its way. */
  has(opId: OpId): boolean {
    return this.#queue.has(opId) || this.#echoed.has(opId);
  }

  /** Where a request stands; one that is seen as committed is as good as answered. */
  stateOf(opId: OpId): PendingState['state'] | null {
    const pending = this.#queue.get(opId);
    if (pending !== undefined) return pending.status.state;
    return this.#echoed.has(opId) ? 'answered' : null;
  }

  all(): Iterable<Pending> {
    return this.#queue.values();
  }

  add(pending: Pending): void {
    this.#queue.set(pending.opId, pending);
    this.#bytes += pending.bytes;
    this.#unsent++;
    this.#version++;
  }

  remove(opId: OpId): void {
    const pending = this.#queue.get(opId);
    if (pending === undefined) return;
    if (isUnsent(pending)) this.#unsent--;
    this.#bytes -= pending.bytes;
    this.#queue.delete(opId);
    this.#answered.delete(opId);
    this.#version++;
  }

  /** Keeps a request that was answered ok until the replica has come to its seq (stores.md §18 C5). */
  keep({ opId }: Pending, seq: Seq): void {
    const pending = this.#queue.get(opId);
    if (pending === undefined) return;
    this.#move(pending, { state: 'answered', seq });
    this.#answered.set(opId, seq);
  }

  /** The server takes requests: a few more of them at once may do. */
  accepted(): void {
    this.#window = Math.min(inFlightMax, this.#window + 1);
  }

  /** The answered requests that a replica at this cursor has caught up with, and their seqs. */
  caughtUp(cursor: Seq): readonly (readonly [OpId, Seq])[] {
    return this.#answered.size === 0 ? [] : [...this.#answered].filter(([, seq]) => seq <= cursor);
  }

  joined(): void {
    this.#isJoined = true;
    this.#isBlocked = false;
    for (const pending of this.#queue.values()) {
      pending.isUncertain = pending.attempts > 0 && !pending.isRefused;
    }
  }

  /** The channel is gone: everything that was on its way is to be sent again. Returns what was committed for certain. */
  lost(): readonly { readonly pending: Pending; readonly reply: WriteReply }[] {
    this.#isJoined = false;
    this.#isBlocked = false;
    this.#inFlight.clear();
    for (const pending of this.#queue.values()) {
      if (pending.status.state === 'sent') this.#move(pending, { state: 'queued' });
    }
    const echoed = [...this.#echoed.values()];
    this.#echoed.clear();
    return echoed;
  }

  /** Requests about leases that were never sent: they do not wait for another connection (stores.md §18 C1). */
  unsentLeases(): readonly Pending[] {
    return [...this.#queue.values()].filter(
      ({ request, attempts }) => attempts === 0 && isAboutLeases(request),
    );
  }

  /** A commit carries the id of a request: it leaves. Returns its reply where none is on its way. */
  echo(pending: Pending, reply: WriteReply): WriteReply | null {
    this.remove(pending.opId);
    if (!this.#inFlight.has(pending.opId)) return reply;
    this.#echoed.set(pending.opId, { pending, reply });
    return null;
  }

  /** A reply has come: the request it is about, wherever it stands. */
  answered(opId: OpId): { readonly pending: Pending; readonly echo: WriteReply | null } | null {
    this.#inFlight.delete(opId);
    const echoed = this.#echoed.get(opId);
    this.#echoed.delete(opId);
    if (echoed !== undefined) return { pending: echoed.pending, echo: echoed.reply };
    const pending = this.#queue.get(opId);
    return pending === undefined ? null : { pending, echo: null };
  }

  /** Says whether a refused request stays; if so, when it is sent again is arranged. */
  refused(pending: Pending, refusal: Refusal, { now, wall }: Moment): Refused {
    const isFailure = refusal.code === 'internal_error';
    pending.failures = isFailure ? pending.failures + 1 : 0;
    if (refusal.retry !== 'later' && !isFailure) return 'final';
    if (!this.#isBlocked) this.#window = Math.max(1, this.#window >> 1);
    this.#isBlocked = true;
    if (pending.failures > failuresMax) return 'final';
    pending.isRefused = true;
    pending.isUncertain = false;
    pending.firstSentAt = wall;
    const until = now + this.#waitMs(pending, refusal);
    const isBehind = this.#isBehind(pending, refusal);
    this.#move(pending, isBehind ? { state: 'queued' } : { state: 'waiting', until, refusal });
    return 'kept';
  }

  /** Pushes what may be sent now. */
  send({ now, wall }: Moment): readonly Push[] {
    if (!this.#isJoined || this.#unsent === 0 || this.#isHeldUp) return [];
    const pushes: Push[] = [];
    for (const pending of this.#queue.values()) {
      if (!isUnsent(pending)) continue;
      if (!this.#maySend(pending, now)) break;
      pushes.push(this.#push(pending));
      this.#move(pending, { state: 'sent', at: now });
      pending.attempts++;
      pending.firstSentAt ??= wall;
      pending.isRefused = false;
      this.#inFlight.set(pending.opId, now);
    }
    return pushes;
  }

  /** Lets a request that waits be sent now. */
  hasten(opId: OpId, now: MonotonicMs): void {
    const pending = this.#queue.get(opId);
    if (pending?.status.state === 'waiting') this.#move(pending, { ...pending.status, until: now });
  }

  /** Whether an answer is overdue. */
  isStuck(now: MonotonicMs): boolean {
    return now >= this.#overdueAt;
  }

  /** When to look again, as something may be sent or an answer is overdue; Infinity: never. */
  nextWake(): MonotonicMs {
    return this.#isJoined ? Math.min(this.#overdueAt, this.#nextRetry()) : Infinity;
  }

  #move(pending: Pending, status: PendingState): void {
    this.#version++;
    if (isUnsent(pending)) this.#unsent--;
    pending.status = status;
    if (isUnsent(pending)) this.#unsent++;
  }

  /** When the answer to what was sent first will be overdue. */
  get #overdueAt(): MonotonicMs {
    return (this.#inFlight.values().next().value ?? Infinity) + answerMsMax;
  }

  // Only the first that is unsent can be sent next, so its time alone matters; what waits for an answer or for the cache
  // is looked at when that comes.
  #nextRetry(): MonotonicMs {
    if (this.#unsent === 0 || this.#isHeldUp) return Infinity;
    for (const { status, isSaved } of this.#queue.values()) {
      if (status.state === 'waiting') return isSaved ? status.until : Infinity;
      if (status.state === 'queued') return Infinity;
    }
    return Infinity;
  }

  /** Nothing can be sent before something is answered. */
  get #isHeldUp(): boolean {
    const { size } = this.#inFlight;
    return size >= this.#window || (this.#isBlocked && size > 0);
  }

  #maySend({ status, isSaved }: Pending, now: MonotonicMs): boolean {
    if (status.state === 'waiting' && status.until > now) return false;
    return isSaved && this.#inFlight.size < this.#window;
  }

  #push({ opId, request }: Pending): Push {
    const { event, payload } = encodeRequest(request);
    const unblock = this.#isBlocked ? { unblock: true } : {};
    this.#isBlocked = false;
    const whole = { ...payload, client_op_id: opId, ...unblock };
    return { type: 'push', id: opId, event, payload: whole };
  }

  // Refused only because of another: that one waits in its place, or nobody wants it any more and this one unblocks.
  #isBehind(pending: Pending, { code, details }: Refusal): boolean {
    const cause = details['client_op_id'];
    if (code !== 'blocked' || cause === pending.opId || typeof cause !== 'string') return false;
    const state = this.#queue.get(cause)?.status.state;
    return state === undefined || state === 'waiting';
  }

  #waitMs({ failures }: Pending, { details }: Refusal): number {
    const told = details['retry_after_ms'];
    const failed = failures > 0 ? firstFailureMs * 2 ** failures : defaultRetryMs;
    const waitMs = typeof told === 'number' && told >= 0 ? told : failed;
    return waitMs * (1 + this.#random() / 8);
  }
}

function isUnsent({ status }: Pending): boolean {
  return status.state === 'queued' || status.state === 'waiting';
}
