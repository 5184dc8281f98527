import type { ClientEnv } from '@holdfast/client';

type Timer = { readonly due: number; readonly ring: () => void; handle: NodeJS.Timeout };

/** The real clock, of which a test may leave out a stretch: what falls due in it is due now. */
export class Clock {
  #skipped = 0;
  readonly #timers = new Set<Timer>();

  readonly env: Pick<ClientEnv, 'now' | 'setTimeout' | 'clearTimeout'> = {
    now: () => performance.now() + this.#skipped,
    setTimeout: (fn, ms) => {
      const ring = (): void => {
        this.#timers.delete(timer);
        fn();
      };
      const timer: Timer = { due: this.env.now() + ms, ring, handle: setTimeout(ring, ms) };
      this.#timers.add(timer);
      return timer;
    },
    clearTimeout: (handle) => {
      for (const timer of this.#timers) if (timer === handle) this.#drop(timer);
    },
  };

  /** Lets time pass in an instant, though not without the turns that it would have. */
  async skip(ms: number): Promise<void> {
    this.#skipped += ms;
    for (let next = this.#due(); next !== undefined; next = this.#due()) {
      this.#drop(next);
      next.ring();
      await turn();
    }
  }

  /** Whether nothing is to ring. */
  get isIdle(): boolean {
    return this.#timers.size === 0;
  }

  #due(): Timer | undefined {
    const now = this.env.now();
    return [...this.#timers].toSorted((a, b) => a.due - b.due).find(({ due }) => due <= now);
  }

  #drop(timer: Timer): void {
    clearTimeout(timer.handle);
    this.#timers.delete(timer);
  }
}

/** A turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Waits for something to be so, and says what was if it never is. */
export async function until(isSo: () => boolean, say: () => unknown = () => ''): Promise<void> {
  const end = performance.now() + 20_000;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`it never came to be: ${String(say())}`);
    await turn();
  }
}
