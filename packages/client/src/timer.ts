import type { MonotonicMs } from '@holdfast/protocol';
import type { ClientEnv } from './env.ts';

const delayMsMax = 2 ** 31 - 1;

/** One timer, set anew at will. It may ring early; whoever is rung looks at the clock. */
export class Timer {
  readonly #env: ClientEnv;
  readonly #ring: () => void;
  #handle: { readonly timer: unknown } | null = null;

  constructor(env: ClientEnv, ring: () => void) {
    this.#env = env;
    this.#ring = ring;
  }

  /** Rings at this time instead of the one before; null: never. */
  set(at: MonotonicMs | null): void {
    if (this.#handle !== null) this.#env.clearTimeout(this.#handle.timer);
    this.#handle = null;
    if (at === null) return;
    const delayMs = Math.min(Math.max(Math.ceil(at - this.#env.now()), 0), delayMsMax);
    const timer = this.#env.setTimeout(() => {
      this.#handle = null;
      this.#ring();
    }, delayMs);
    this.#handle = { timer };
  }
}
