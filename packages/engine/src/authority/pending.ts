import type { Limits, Refusal } from '@holdfast/protocol';
import { Channels } from './channels.ts';
import type { Advice } from '../data/index.ts';
import { LastAdvice } from './last-advice.ts';
import { Queue } from './queue.ts';
import { Shares } from './shares.ts';
import { overloaded, turnAway } from './turn.ts';
import type { Instant, LoggedOp, Submission } from './types.ts';
import { type Channel, keyOf, Work } from './work.ts';

/** How often something is asked anew because the state has changed since (records.md §11.3). */
const rerunsMax = 3;

/** The requests without an answer: those that wait for their turn, and those whose batch is on its way. */
export class Pending {
  readonly #limits: Limits;
  readonly #queue = new Queue();
  readonly #channels = new Channels();
  readonly #shares = new Shares();
  /** The channels of the requests about which something is being asked, by ticket. */
  readonly #asked = new Map<number, Channel>();
  /** One of each key, which knows the others. */
  readonly #open = new Map<string, Work>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** How many wait for their turn. */
  get length(): number {
    return this.#queue.length;
  }

  /** Whether nothing waits, be it for its turn or aside. */
  get isEmpty(): boolean {
    return this.length === 0 && this.#asked.size === 0;
  }

  /** Blocked channels. */
  get blocked(): number {
    return this.#channels.blocked;
  }

  /** Puts a request into the queue, or says why not. */
  admit(submission: Submission, { now }: Instant): Refusal | null {
    const channel = this.#channels.of(submission);
    if (submission.unblock) channel.barred = channel.crowded = null;
    const max = this.#limits.write_queue;
    const excess = this.#excess(submission, max);
    // To refuse it in its turn keeps the order of answers, at the price of a place in the queue.
    if (excess >= (channel.open === 0 ? 0 : max)) {
      const refusal = turnAway(submission, channel);
      this.#channels.rest(channel, submission);
      return refusal;
    }
    const key = keyOf(submission);
    const verdict = excess >= 0 ? overloaded() : null;
    const deadline = now + this.#limits.write_queue_ms;
    const work = new Work(submission, { channel, key, deadline, verdict });
    if (excess >= 0 && submission.blocks === true) channel.crowded ??= submission.opId;
    channel.open++;
    this.#shares.enter(submission);
    this.#join(work);
    this.#queue.push(work);
    return null;
  }

  /** Takes up to so many off the queue. */
  take(max: number): readonly Work[] {
    return this.#queue.take(max);
  }

  /** Takes the next one if it has waited too long and is not known to be committed. */
  takeExpired({ now }: Instant): Work | null {
    const work = this.#queue.first;
    if (work === undefined || work.landed || work.deadline > now) return null;
    this.#queue.take(1);
    return work;
  }

  /** Puts back to the front what was taken. */
  putBack(works: readonly Work[]): void {
    if (works.length > 0) this.#queue.putBack(works);
  }

  /** Whether something of the channel waits aside, and so must all that comes after it. */
  isParked(channel: Channel): boolean {
    return channel.parked.length > 0;
  }

  /** Puts a request aside. */
  park(work: Work): void {
    const { channel, submission } = work;
    if (channel.parked.length === 0) this.#asked.set(submission.ticket, channel);
    channel.parked.push(work);
  }

  /** What was asked about a request is answered: it comes first in the queue, those that wait behind it next. */
  advise(ticket: number, advice: Advice): void {
    const channel = this.#asked.get(ticket);
    const [first] = channel?.parked ?? [];
    if (channel === undefined || first === undefined) return;
    this.#asked.delete(ticket);
    first.advice = first.consults > rerunsMax ? new LastAdvice(advice) : advice;
    this.#queue.putBack(channel.parked);
    channel.parked = [];
  }

  /** The request has its answer. */
  close(work: Work): void {
    const { channel, submission } = work;
    this.#part(work);
    if (channel.crowded === submission.opId) channel.crowded = null;
    channel.open--;
    this.#shares.leave(submission);
    this.#channels.rest(channel, submission);
  }

  /** Notes which requests an op of the log answers. */
  land({ deviceId, clientOpId }: LoggedOp): void {
    if (this.#open.size === 0) return;
    const work = this.#open.get(keyOf({ deviceId, opId: clientOpId }));
    if (work !== undefined) for (const each of work.twins ?? [work]) each.landed = true;
  }

  left(channel: number): void {
    this.#channels.left(channel);
  }

  #join(work: Work): void {
    const twin = this.#open.get(work.key);
    if (twin === undefined) {
      this.#open.set(work.key, work);
      return;
    }
    twin.twins ??= new Set([twin]);
    work.twins = twin.twins.add(work);
  }

  #part(work: Work): void {
    work.twins?.delete(work);
    if (this.#open.get(work.key) !== work) return;
    const [next] = work.twins ?? [];
    if (next === undefined) this.#open.delete(work.key);
    else this.#open.set(work.key, next);
  }

  /**
   * How many are too many for one more, from 0 on. Whoever has less than its part goes in beyond the limit, and beyond the
   * places of those that others are refused in: else one that fills the queue would shut out all.
   */
  #excess(submission: Submission, max: number): number {
    const excess = this.#queue.length - max;
    const isGuest = excess >= 0 && excess < 2 * max && this.#shares.isDue(submission, max);
    return isGuest ? -1 : excess;
  }
}
