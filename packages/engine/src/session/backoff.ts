import type { DialerTimes } from './times.ts';

/** How long to wait before the next try: doubling, full jitter (stores.md C16). */
export class Backoff {
  readonly #times: DialerTimes;
  readonly #random: () => number;
  #failures = 0;

  constructor(times: DialerTimes, random: () => number) {
    this.#times = times;
    this.#random = random;
  }

  /** How often it failed since it last lived long enough. */
  get failures(): number {
    return this.#failures;
  }

  /** It failed: how long to wait now. `directedMs` is what the server asked for, if it did. */
  failed(directedMs: number | null = null): number {
    const { backoffMinMs, backoffMaxMs } = this.#times;
    const ceiling = Math.min(backoffMinMs * 2 ** this.#failures, backoffMaxMs);
    this.#failures += 1;
    const drawn = this.#random();
    // What the server asked for is a least, and jitter keeps its clients apart.
    return directedMs === null ? drawn * ceiling : directedMs * (1 + drawn / 2);
  }

  reset(): void {
    this.#failures = 0;
  }

  /** It had worked for so long: a long life makes up for the failures before it. */
  lived(ms: number): void {
    if (ms >= this.#times.lifeMs) this.reset();
  }
}
