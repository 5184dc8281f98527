import { isRefusal, type Limits, type Refusal } from '@holdfast/protocol';
import { Channels } from './channels.ts';
import type { Advice } from '../data/index.ts';
import { LastAdvice } from './last-advice.ts';
import { Queue } from './queue.ts';
import { Shares } from './shares.ts';
import { likenessOf } from './repeats.ts';
import { overloaded, turnAway } from './turn.ts';
import type { Instant, LoggedOp, Submission } from './types.ts';
import { type Channel, keyOf, Twins, Work } from './work.ts';

/** How often something is asked anew because the state has changed since (records.md §11.3). */
const rerunsMax = 3;

/** The requests without an answer: those that wait for their turn, and those whose batch is on its way. */
export class Pending {
  readonly #limits: Limits;
  readonly #queue = new Queue();
  readonly #channels = new Channels();
  readonly #shares = new Shares();
  /** The requests about which something is being asked, by ticket. */
  readonly #asked = new Map<number, Work>();
  /** The channels whose parked requests wait for nothing any more, or the first of them. */
  readonly #ready = new Set<Channel>();
  #parked = 0;
  #arrivals = 0;
  /** One of each key, which knows the others. */
  readonly #open = new Map<string, Work>();

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** How many wait, be it for their turn or aside. */
  get length(): number {
    return this.#queue.length + this.#parked;
  }

  /** Whether any could have its turn now. */
  get isDue(): boolean {
    return this.#queue.length > 0 || this.#ready.size > 0;
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
    const key = keyOf(submission);
    // To refuse it in its turn keeps the order of answers, at the price of a place in the queue.
    if (excess >= (channel.open === 0 ? 0 : max) && !this.#isRepeat(key)) {
      const refusal = turnAway(submission, channel);
      this.#channels.rest(channel, submission);
      return refusal;
    }
    const verdict = excess >= 0 ? overloaded() : null;
    const deadline = now + this.#limits.write_queue_ms;
    const arrival = ++this.#arrivals;
    const work = new Work(submission, { channel, key, deadline, verdict, arrival });
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

  /**
   * Puts into the queue what has waited aside and need not any longer. Only while no turn is out: what is taken by then and
   * comes behind it on its channel would pass it.
   */
  unpark(): void {
    for (const channel of this.#ready) {
      const { parked } = channel;
      const next = parked.findIndex((work) => this.#asked.has(work.submission.ticket));
      const due = parked.splice(0, next < 0 ? parked.length : next);
      this.#parked -= due.length;
      this.#queue.putBack(due);
    }
    this.#ready.clear();
  }

  /**
   * Takes those that have waited too long and are not known to be committed, each once the one before is answered. What comes
   * behind one that is known to be, on its channel, waits with it: answers keep their order.
   */
  *takeExpired({ now }: Instant): Generator<Work> {
    const spared: Work[] = [];
    const keeping = new Set<Channel>();
    for (;;) {
      const work = this.#queue.first;
      if (work === undefined || work.deadline > now) break;
      this.#queue.take(1);
      if (work.landed) keeping.add(work.channel);
      if (this.isHeldUp(work)) this.park(work, { isAsked: false });
      else if (keeping.has(work.channel)) spared.push(work);
      else yield work;
    }
    this.putBack(spared);
  }

  /** Puts back what was taken, each where it stood. */
  putBack(works: readonly Work[]): void {
    if (works.length > 0) this.#queue.putBack(works);
  }

  /** Whether something of its channel that came before it waits aside, so that it must, too. */
  isHeldUp({ channel: { parked }, arrival }: Work): boolean {
    const [first] = parked;
    return first !== undefined && first.arrival < arrival;
  }

  /** Puts a request aside, where it has come among those of its channel; `isAsked`: until it is advised. */
  park(work: Work, { isAsked }: { readonly isAsked: boolean }): void {
    const { parked } = work.channel;
    const after = parked.findLastIndex(({ arrival }) => arrival < work.arrival);
    parked.splice(after + 1, 0, work);
    this.#parked++;
    if (isAsked) this.#asked.set(work.submission.ticket, work);
  }

  /** What was asked about a request is answered: it goes on, and those behind it, unless one before it is still asked about. */
  advise(ticket: number, advice: Advice): void {
    const work = this.#asked.get(ticket);
    if (work === undefined) return;
    this.#asked.delete(ticket);
    work.advice = work.consults > rerunsMax ? new LastAdvice(advice) : advice;
    if (work.channel.parked[0] === work) this.#ready.add(work.channel);
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
    if (work?.twins) work.twins.land(this.#arrivals);
    else work?.land();
  }

  left(channel: number): void {
    this.#channels.left(channel);
  }

  /** Of what is open, and the first: it would be told that nothing is stored, and may be just being stored. */
  #isRepeat(key: string): boolean {
    const twin = this.#open.get(key);
    return twin !== undefined && (twin.twins?.size ?? 1) < 2;
  }

  #join(work: Work): void {
    const twin = this.#open.get(work.key);
    if (twin === undefined) {
      this.#open.set(work.key, work);
      return;
    }
    work.twins = twin.twins ??= new Twins(twin);
    work.twins.add(work);
  }

  #part(work: Work): void {
    const { outcome, twins } = work;
    twins?.delete(work);
    if (outcome !== null && isRefusal(outcome)) this.#tell(work, outcome);
    else twins?.land(this.#arrivals);
    if (this.#open.get(work.key) !== work) return;
    const [next] = twins?.works ?? [];
    if (next === undefined) this.#open.delete(work.key);
    else this.#open.set(work.key, next);
  }

  /** Those that came before it and are not decided yet must not be committed any more: who sent them is told of the refusal. */
  #tell({ twins, arrival, submission }: Work, refusal: Refusal): void {
    for (const twin of twins?.works ?? []) {
      if (twin.arrival > arrival) break;
      if (likenessOf(twin.submission, submission) === 'same') twin.told = refusal;
    }
  }

  /**
   * How many are too many for one more, from 0 on. Whoever has less than its part goes in beyond the limit, and beyond the
   * places of those that others are refused in: else one that fills the queue would shut out all.
   */
  #excess(submission: Submission, max: number): number {
    const excess = this.length - max;
    const isGuest = excess >= 0 && excess < 2 * max && this.#shares.isDue(submission, max);
    return isGuest ? -1 : excess;
  }
}
