import {
  encodeRequest,
  type EpochMs,
  type MonotonicMs,
  type OpId,
  type Path,
  type Refusal,
} from '@holdfast/protocol';
import type { Observe } from './act.ts';
import { isUnsent, type Pending, writesOf } from './pending.ts';
import { toldMs } from './told.ts';
import { TouchedPaths } from './touched.ts';
import type { PendingState, ReplicaEffect } from './types.ts';

/** Requests in flight at once: enough for one window of a long, fast line. */
export const inFlightMax = 256;
/** Without an answer for so long, the channel is given up (stores.md §18 C7). */
const answerMsMax = 30_000;
/** Answers of `internal_error` after which a request is tried again (stores.md §18 C6). */
const failuresMax = 3;
const defaultRetryMs = 1000;
const firstFailureMs = 250;

/** Final refusals that come before a server looks whether it has a repeat before it. */
const unlooked: ReadonlySet<string> = /* @__PURE__ */ new Set([
  'missing_scope',
  'store_not_allowed',
  'frame_too_large',
  'body_too_large',
]);

/** When something happened, on both clocks. */
export type Moment = { readonly now: MonotonicMs; readonly wall: EpochMs };

/** What the outbox needs of the world. */
export type Post = {
  readonly emit: (effect: ReplicaEffect) => void;
  readonly random: () => number;
  /** Hears where a request writes that comes or goes, also where nothing is changed by it. */
  readonly observe?: Observe | undefined;
};

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
  readonly queue: Map<OpId, Pending> = new Map();
  /** What this generation has sent and not heard of; what is seen as committed is in the queue no more. */
  readonly #inFlight = new Map<OpId, Pending>();
  /** Where those of the queue write. */
  readonly #written = new TouchedPaths<Pending>();
  readonly #post: Post;
  /** Requests in flight at once for now: half as many after each refusal that blocks, one more with each ok. */
  #window = inFlightMax;
  /** When the first that is unsent may be sent; Infinity where something else has to come first. */
  #retryAt = Infinity;
  /** How many are queued or waiting, so that a step where none is costs nothing per request. */
  unsent = 0;
  /** What all of it weighs. */
  bytes = 0;
  /** Grows with each change of what is listed. */
  version = 0;
  isJoined = false;
  isBlocked = false;

  constructor(post: Post) {
    this.#post = post;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  isInFlight({ opId }: { readonly opId: OpId }): boolean {
    return this.#inFlight.has(opId);
  }

  /** Where a request stands; one that is seen as committed is as good as answered. */
  stateOf(opId: OpId): PendingState['state'] | null {
    return this.queue.get(opId)?.status.state ?? (this.#inFlight.has(opId) ? 'answered' : null);
  }

  /** Those that write at, above or below a path, in order. */
  near(path: Path): readonly Pending[] {
    return [...this.#written.at(path)].toSorted((one, other) => one.order - other.order);
  }

  add(pending: Pending): void {
    this.queue.set(pending.opId, pending);
    this.#written.add(pathsOf(pending), pending);
    this.#tell(pending);
    this.bytes += pending.bytes;
    this.unsent++;
    this.version++;
  }

  /** Says whether it was there. */
  remove(pending: Pending): boolean {
    if (!this.queue.delete(pending.opId)) return false;
    this.#tell(pending);
    this.#written.delete(pathsOf(pending), pending);
    if (isUnsent(pending)) this.unsent--;
    this.bytes -= pending.bytes;
    this.version++;
    return true;
  }

  move(pending: Pending, status: PendingState): void {
    if (isUnsent(pending)) this.unsent--;
    pending.status = status;
    if (isUnsent(pending)) this.unsent++;
    this.version++;
  }

  joined(): void {
    this.isJoined = true;
    this.isBlocked = false;
    for (const pending of this.queue.values()) pending.isUncertain = !pending.isCertain;
  }

  /** The channel is gone: what was on its way, of which what has not been seen as committed is to be sent again. */
  lost(): readonly Pending[] {
    this.isJoined = false;
    this.isBlocked = false;
    const sent = [...this.#inFlight.values()];
    this.#inFlight.clear();
    for (const pending of sent) {
      if (pending.echo === null) this.move(pending, { state: 'queued' });
    }
    return sent;
  }

  /** An answer has come: the request that it is about. */
  answered(opId: OpId): Pending | undefined {
    const pending = this.#inFlight.get(opId);
    this.#inFlight.delete(opId);
    return pending;
  }

  /** The server takes requests: a few more of them at once may do. */
  accepted(): void {
    this.#window = Math.min(inFlightMax, this.#window + 1);
  }

  /** Says whether a refused request stays; if so, when it is sent again is arranged. */
  keeps(pending: Pending, refusal: Refusal, { now, wall }: Moment): boolean {
    const isFailure = refusal.code === 'internal_error';
    pending.failures = isFailure ? pending.failures + 1 : 0;
    if (refusal.retry !== 'later' && !isFailure) return false;
    if (!this.isBlocked) this.#window = Math.max(1, this.#window >> 1);
    this.isBlocked = true;
    if (pending.failures > failuresMax) return false;
    if (this.proves(pending, refusal)) {
      pending.isCertain = true;
      pending.isUncertain = false;
      pending.firstSentAt = wall;
    }
    const until = now + this.#waitMs(pending, refusal);
    const isBehind = this.#isBehind(pending, refusal);
    this.move(pending, isBehind ? { state: 'queued' } : { state: 'waiting', until, refusal });
    return true;
  }

  /**
   * Whether a refusal says that a request is not committed: some come before the server has looked whether it has a repeat before
   * it. What is refused because of another is not committed where that one is not, which was always sent before it.
   */
  proves({ isOurs, wasCertain }: Pending, { code, details, retry }: Refusal): boolean {
    const cause = isOurs && code === 'blocked' && details['client_op_id'];
    const hasLooked = retry === 'later' ? code === 'rate_limited' : !unlooked.has(code);
    return (
      wasCertain ||
      hasLooked ||
      (typeof cause === 'string' && this.queue.get(cause)?.isCertain === true)
    );
  }

  /** Pushes what may be sent now: nothing behind this place in the order. */
  send({ now, wall }: Moment, last: number): void {
    this.#retryAt = Infinity;
    if (!this.isJoined || this.unsent === 0 || this.#isHeldUp) return;
    for (const pending of this.queue.values()) {
      const { status, isSaved } = pending;
      if (!isUnsent(pending)) continue;
      if (!isSaved || pending.order > last || this.#isHeldUp) return;
      if (status.state === 'waiting' && status.until > now) {
        this.#retryAt = status.until;
        return;
      }
      this.#push(pending);
      this.move(pending, { state: 'sent', at: now });
      pending.attempts++;
      pending.firstSentAt ??= wall;
      pending.wasCertain = pending.isCertain;
      pending.isCertain = false;
    }
  }

  /** Lets a request that waits be sent now. */
  hasten(opId: OpId, now: MonotonicMs): void {
    const pending = this.queue.get(opId);
    if (pending?.status.state === 'waiting') this.move(pending, { ...pending.status, until: now });
  }

  /** When the answer to what was sent first will be overdue; Infinity: nothing is on its way. */
  get overdueAt(): MonotonicMs {
    const [first] = this.#inFlight.values();
    return first?.status.state === 'sent' ? first.status.at + answerMsMax : Infinity;
  }

  /** When to look again, as something may be sent or an answer is overdue; Infinity: never. */
  get wakeAt(): MonotonicMs {
    return Math.min(this.overdueAt, this.#retryAt);
  }

  /** Nothing can be sent before something is answered. */
  get #isHeldUp(): boolean {
    return this.inFlight >= (this.isBlocked ? 1 : this.#window);
  }

  #tell(pending: Pending): void {
    this.#post.observe?.(pathsOf(pending).map((path) => ({ path, own: true, changes: [] })));
  }

  #push(pending: Pending): void {
    const { opId: id, request } = pending;
    const { event, payload } = encodeRequest(request);
    const whole = { ...payload, client_op_id: id, ...(this.isBlocked && { unblock: true }) };
    this.isBlocked = false;
    this.#inFlight.set(id, pending);
    this.#post.emit({ type: 'push', id, event, payload: whole });
  }

  // Refused only because of another: that one waits in its place, or nobody wants it any more and this one unblocks.
  #isBehind(pending: Pending, { code, details }: Refusal): boolean {
    const cause = details['client_op_id'];
    if (code !== 'blocked' || cause === pending.opId || typeof cause !== 'string') return false;
    const state = this.queue.get(cause)?.status.state;
    return state === undefined || state === 'waiting';
  }

  #waitMs({ failures }: Pending, refusal: Refusal): number {
    const failed = failures > 0 ? firstFailureMs * 2 ** failures : defaultRetryMs;
    const waitMs = toldMs(refusal) ?? failed;
    return waitMs * (1 + this.#post.random() / 8);
  }
}

function pathsOf({ request }: Pending): readonly Path[] {
  return writesOf(request).map(({ path }) => path);
}
