import type { Clock } from '../host/clock.ts';
import type { Outbox } from './outbox.ts';

/** So much of a turn of the event loop all have together of whom each waits to go on; the rest of it is for everybody else. */
const TURN_MS = 10;

/**
 * All who are told much, and go on piece by piece: each once in a turn of the event loop, in the order in which they came, and
 * not all of them where that takes long.
 */
export class Crowd {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  /** The turn that some go on in, and since when. */
  #turn = 0;
  #since = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when who asks may go on with a piece. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#ask();
    });
  }

  /** What is asked for in a turn comes in a later one. */
  #ask(): void {
    const askedIn = this.#turn;
    this.#clock.setImmediate(() => this.#letOn(askedIn));
  }

  #letOn(askedIn: number): void {
    const now = this.#clock.now();
    if (askedIn === this.#turn) {
      this.#turn += 1;
      this.#since = now;
    }
    if (now - this.#since > TURN_MS) this.#ask();
    else this.#waiting.shift()?.();
  }
}

/** Waits for the socket to take more, and for another turn of the event loop. */
export async function nextTurn(
  { crowd }: { readonly crowd: Crowd },
  outbox: Outbox,
): Promise<void> {
  if (outbox.congested) await outbox.drained();
  await crowd.next();
}
