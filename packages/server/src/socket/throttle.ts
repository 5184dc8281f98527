import type { Clock } from '../host/clock.ts';

/** Whose bytes wait in the network while it is paused. */
type Source = { pause(): void; resume(): void };

/**
 * Leaves a socket unread for a while, so that a peer that knows no better is slowed down instead of refused (stores.md §10.6),
 * or as long as what it has sent has yet to be read.
 */
export class Throttle {
  readonly #source: Source;
  readonly #clock: Clock;
  #timer: unknown = null;
  #isHeld = false;

  constructor(source: Source, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** Reads nothing more for so long; what is said last holds. */
  wait(ms: number): void {
    this.#clock.clearTimeout(this.#timer);
    this.#source.pause();
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = null;
      if (!this.#isHeld) this.#source.resume();
    }, ms);
  }

  /** Reads nothing more until it is released. */
  hold(): void {
    this.#isHeld = true;
    this.#source.pause();
  }

  release(): void {
    this.#isHeld = false;
    if (this.#timer === null) this.#source.resume();
  }

  end(): void {
    this.#clock.clearTimeout(this.#timer);
  }
}
