import type { ViewLimits } from '@holdfast/protocol/views';

/** How many commands one connection may still send: so many a second, so many at once (views.md §15). */
export class CommandRate {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #now: () => number;
  #left: number;
  #at: number;

  constructor(limits: ViewLimits, now: () => number) {
    this.#perMs = limits.commands_per_second / 1000;
    this.#burst = limits.commands_burst;
    this.#now = now;
    this.#left = this.#burst;
    this.#at = now();
  }

  /** Takes one, if there is one left: 0; else in how many milliseconds there will be. */
  take(): number {
    const now = this.#now();
    this.#left = Math.min(this.#burst, this.#left + (now - this.#at) * this.#perMs);
    this.#at = now;
    if (this.#left < 1) return Math.ceil((1 - this.#left) / this.#perMs);
    this.#left -= 1;
    return 0;
  }
}
