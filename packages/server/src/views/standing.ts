import type { Clock } from '../host/clock.ts';
import { verdictInTime } from '../storage/in-time.ts';

/** So often it is asked about who has gone, however long an answer takes… */
const EVERY_MS = 3000;
/** …or again, where none came… */
const AGAIN_MS = 1000;
/** …and so long an answer counts (stores.md §11.3). */
const VALID_MS = 5000;

/** What is known of one for whom stores are open. */
export type Person = {
  /** Their socket looks after their rights. */
  readonly isThere: () => boolean;
  /** Whether they still have the rights by which they came. */
  readonly mayStill: () => Promise<boolean>;
};

/**
 * Whether somebody may still read what is open for them. A read cannot wait for an answer: who has gone, while what they have
 * asked for goes on, is asked about again and again.
 */
export class Standing {
  readonly #clock: Clock;
  readonly #person: Person;
  /** When it was known last that they may. */
  #knownAt: number;
  #isAsking = false;
  #isOver = false;
  #timer: unknown = null;

  constructor(clock: Clock, person: Person) {
    this.#clock = clock;
    this.#person = person;
    this.#knownAt = clock.now();
  }

  get isGood(): boolean {
    return this.#person.isThere() || this.#clock.now() - this.#knownAt <= VALID_MS;
  }

  /** They were there until now. */
  left(): void {
    this.#knownAt = this.#clock.now();
    if (!this.#isAsking && !this.#isOver) void this.#ask();
  }

  /** Nobody looks after it any more: what is known counts for as long as it does. */
  end(): void {
    this.#isOver = true;
    this.#clock.clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    const askedAt = this.#clock.now();
    const verdict = await verdictInTime(this.#clock, this.#person.mayStill);
    this.#isAsking = false;
    if (this.#person.isThere()) return;
    if (verdict !== 'unknown') this.#knownAt = verdict ? askedAt : -Infinity;
    if (this.#isOver) return;
    this.#isAsking = true;
    const tookMs = this.#clock.now() - askedAt;
    const restMs = verdict === 'unknown' ? AGAIN_MS : Math.max(0, EVERY_MS - tookMs);
    this.#timer = this.#clock.setTimeout(() => void this.#ask(), restMs);
  }
}
