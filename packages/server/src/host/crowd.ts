import type { Clock } from './clock.ts';

/** So much of a turn of the event loop all have together of whom each waits to go on; the rest of it is for everybody else. */
const TURN_MS = 10;

/**
 * All who are told much, and go on piece by piece: each once in a turn of the event loop, in the order in which they came, and
 * not all of them where that takes long.
 */
export class Crowd {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  /** Since when some go on in this turn of the event loop. */
  #since = 0;
  #isUnderWay = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when who asks may go on with a piece. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#waiting.push(resolve) === 1 && !this.#isUnderWay) this.#ask();
    });
  }

  #ask(): void {
    this.#isUnderWay = true;
    this.#clock.setImmediate(() => {
      this.#since = this.#clock.now();
      this.#letOn(this.#waiting.length);
    });
  }

  /** Lets on one after the other; what is asked for in a turn comes in a later one. */
  #letOn(left: number): void {
    if (left > 0 && this.#clock.now() - this.#since <= TURN_MS) {
      this.#waiting.shift()?.();
      afterThis(() => this.#letOn(left - 1));
    } else if (this.#waiting.length > 0) this.#ask();
    else this.#isUnderWay = false;
  }
}

/** Runs when all that is ready to run has run: whoever was let on has done its piece, and it is known how long that took. */
function afterThis(run: () => void): void {
  queueMicrotask(() => process.nextTick(run));
}
