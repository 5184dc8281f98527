import {
  type ExpiredLease,
  type Instant,
  LeaseDeadlines,
  type LoggedOp,
} from '@holdfast/engine/authority';
import type { Entry } from '@holdfast/protocol';
import type { Clock } from './clock.ts';

/** Beyond this a platform's timer would ring at once. */
const delayMsMax = 2 ** 31 - 1;

/** Tells those who wait when a lease of one store has ended unrenewed. */
export class LeaseAlarm {
  readonly #clock: Clock;
  readonly #instant: () => Instant;
  readonly #deadlines = new LeaseDeadlines();
  readonly #listeners = new Set<(lease: ExpiredLease) => void>();
  #timer: unknown = null;
  #standing = 0;
  #setFor = Infinity;

  constructor(clock: Clock, instant: () => Instant) {
    this.#clock = clock;
    this.#instant = instant;
  }

  /** How many leases the store has, those that have ended included: they stay until something takes their place. */
  get standing(): number {
    return this.#standing;
  }

  load(leases: readonly Entry[]): void {
    this.#standing += leases.length;
    this.#deadlines.load(leases, this.#instant());
    this.#set();
  }

  follow(ops: readonly LoggedOp[]): void {
    for (const { op, removed } of ops) {
      this.#standing -= removed.filter(({ type }) => type === 'lease').length;
      if (op === 'lease' || op === 'renew') this.#standing += 1;
    }
    this.#deadlines.follow(ops, this.#instant());
    this.#set();
  }

  listen(listener: (lease: ExpiredLease) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#clock.clearTimeout(this.#timer);
    this.#listeners.clear();
  }

  #set(): void {
    const { nextAt } = this.#deadlines;
    if (nextAt === this.#setFor) return;
    this.#setFor = nextAt;
    this.#clock.clearTimeout(this.#timer);
    if (nextAt === Infinity) return;
    const delay = Math.min(Math.max(0, nextAt - this.#clock.now()), delayMsMax);
    this.#timer = this.#clock.setTimeout(() => this.#ring(), delay);
  }

  #ring(): void {
    this.#setFor = Infinity;
    for (const lease of this.#deadlines.expire(this.#clock.now())) {
      for (const listener of this.#listeners) listener(lease);
    }
    this.#set();
  }
}
