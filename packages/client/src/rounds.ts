import type { ClientEnv } from './env.ts';

/**
 * Rounds of delivery, each after what runs now. What a round brings about waits for a task of its own, so that neither a
 * long listing nor a subscriber that writes holds up the event loop (stores.md §18 C21).
 */
export class Rounds {
  readonly #env: ClientEnv;
  readonly #deliver: () => void;
  #isDue = false;
  #isInRound = false;

  constructor(env: ClientEnv, deliver: () => void) {
    this.#env = env;
    this.#deliver = deliver;
  }

  /** There is something to deliver. */
  call(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    const run = (): void => {
      this.#isDue = false;
      this.#isInRound = true;
      this.#deliver();
      this.#isInRound = false;
    };
    if (this.#isInRound) this.#env.setTimeout(run, 0);
    else queueMicrotask(run);
  }
}
