import {
  isRefusal,
  type MonotonicMs,
  type OpId,
  type Refusal,
  type WriteReply,
} from '@holdfast/protocol';
import type { Client } from './clients.ts';
import type { Advice } from '../data/index.ts';
import type { Answer, Submission } from './types.ts';

/** What a request came to. */
export type Outcome = WriteReply | Refusal;

/** Why a channel is blocked, and when the first refused may pass (stores.md §10.6). */
export type Block = { readonly opId: OpId; readonly until: MonotonicMs };

/** What an authority knows of a channel. */
export type Channel = {
  readonly id: number;
  /** In force for the request whose turn it is. */
  block: Block | null;
  /** The first that was turned away at the door, where turns do not count; those that come after it are refused. */
  barred: OpId | null;
  /** The first in the queue that found it full and waits to be refused in its turn. */
  crowded: OpId | null;
  /** The client that spoke last. */
  client: Client | null;
  /** Requests of the channel without an answer. */
  open: number;
  /** Those that wait aside, in order of arrival: the first for answers to what had to be asked about it. */
  parked: Work[];
};

const noAdvice: Advice = new Map();
const none: readonly Answer[] = [];

/** A submission on its way to its answer. */
export class Work {
  readonly submission: Submission;
  readonly channel: Channel;
  /** Names the request among the open ones. */
  readonly key: string;
  /** Its number among all that came. */
  readonly arrival: number;
  readonly deadline: MonotonicMs;
  /** Refuses it unless it is a repeat: there is too much to do. */
  readonly verdict: Refusal | null;
  readonly barred: OpId | null;
  /** All that are open under its key, itself among them, in order of arrival; null as long as it is the only one. */
  twins: Twins | null = null;
  /** A repeat of it was refused, so it must not be committed any more. */
  told: Refusal | null = null;
  client: Client | null = null;
  counter = 0;
  /** The dedupe records of its id that a lookup found. */
  records: readonly Answer[] = none;
  #landed = false;
  /** The channel's block before its turn, should the turn be taken back. */
  before: Block | null = null;
  outcome: Outcome | null = null;
  /** What was answered about it, and how often something had to be asked. */
  advice: Advice = noAdvice;
  consults = 0;

  constructor(submission: Submission, place: Place) {
    this.submission = submission;
    this.channel = place.channel;
    this.key = place.key;
    this.arrival = place.arrival;
    this.deadline = place.deadline;
    this.verdict = place.verdict;
    this.barred = place.channel.barred;
  }

  /** Its op is in the log: it must not be refused any more. */
  get landed(): boolean {
    return this.#landed || this.twins?.hasLanded(this) === true;
  }

  /** Its op has come by the log. */
  land(): void {
    this.#landed = true;
  }
}

/** All requests that are open under one id. */
export class Twins {
  readonly #works = new Set<Work>();
  /** Of those whose turn has come: what they came to. Of several of one kind, the first. */
  readonly #decided = new Map<string, Work>();
  /** Those that had come by then are known to be committed. */
  #landed = 0;

  constructor(first: Work) {
    this.#works.add(first);
  }

  get size(): number {
    return this.#works.size;
  }

  /** In order of arrival. */
  get works(): Iterable<Work> {
    return this.#works;
  }

  /** In the order of their turns; few, however many are open. */
  get decided(): Iterable<Work> {
    return this.#decided.values();
  }

  add(work: Work): void {
    this.#works.add(work);
  }

  delete(work: Work): void {
    this.#works.delete(work);
    this.#decided.clear();
  }

  /** Notes what one came to, for those whose turn comes later: for each of them it is as that of another of its kind. */
  decide(work: Work): void {
    const { principal, fingerprint } = work.submission;
    const isOk = work.outcome !== null && !isRefusal(work.outcome);
    const kind = JSON.stringify([principal, fingerprint, isOk]);
    if (!this.#decided.has(kind)) this.#decided.set(kind, work);
  }

  /** The turns are taken back. */
  undo(): void {
    this.#decided.clear();
  }

  /** The op of one came by the log, or was answered as committed; those that come from now on ask what came of it. */
  land(arrivals: number): void {
    this.#landed = arrivals;
  }

  hasLanded({ arrival }: Work): boolean {
    return arrival <= this.#landed;
  }
}

type Place = Pick<Work, 'channel' | 'key' | 'arrival' | 'deadline' | 'verdict'>;

/** Names a request among all of a store: ids are unique per device (stores.md §6.2). Both may hold any character. */
export function keyOf({ deviceId, opId }: Pick<Submission, 'deviceId' | 'opId'>): string {
  return `${deviceId.length}:${deviceId}${opId}`;
}
