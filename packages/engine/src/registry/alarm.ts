import type { Env } from './types.ts';

/** The longest delay that platforms' timers keep; a longer one is chained (registry.md §3.2). */
const delayMsMax = 2 ** 31 - 1;

/**
 * At most one timer, for the earliest thing that is due. It may ring too early: whoever is rung looks at the time and
 * sets it again. With `armed` false it never rings (registry.md §5.4).
 */
export class Alarm {
  readonly #env: Env;
  readonly #armed: boolean;
  readonly #ring: () => void;
  #handle: { readonly timer: unknown } | undefined;
  #due = Infinity;

  constructor(env: Env, armed: boolean, ring: () => void) {
    this.#env = env;
    this.#armed = armed;
    this.#ring = ring;
  }

  set(at: number): void {
    if (at === Infinity || !this.#armed) return this.clear();
    const now = this.#env.now();
    // An earlier timer is left alone: moving it at each use would cost more than one idle ring.
    if (this.#handle !== undefined && this.#due <= at) return;
    this.clear();
    const delayMs = Math.min(Math.max(at - now, 0), delayMsMax);
    this.#due = now + delayMs;
    const timer = this.#env.setTimeout(() => {
      this.#handle = undefined;
      this.#ring();
    }, delayMs);
    this.#handle = { timer };
    unref(timer);
  }

  clear(): void {
    if (this.#handle === undefined) return;
    this.#env.clearTimeout(this.#handle.timer);
    this.#handle = undefined;
  }
}

/** Node's timers keep the process alive unless told otherwise. */
function unref(timer: unknown): void {
  if (typeof timer !== 'object' || timer === null || !('unref' in timer)) return;
  if (typeof timer.unref === 'function') timer.unref();
}
