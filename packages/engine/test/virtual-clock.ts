type Timer = { readonly due: number; readonly fire: () => void };

/** Time that moves only when a test says so, and chance that repeats. */
export class VirtualClock {
  /** How many timers were ever set. */
  everSet = 0;
  readonly warnings: string[] = [];
  readonly dev: boolean;
  readonly #timers = new Set<Timer>();
  #now = 0;
  #chance: number;

  constructor(options: { dev?: boolean; seed?: number } = {}) {
    this.dev = options.dev ?? true;
    this.#chance = options.seed ?? 1;
  }

  readonly now = (): number => this.#now;

  readonly setTimeout = (fire: () => void, ms: number): Timer => {
    if (!(ms >= 0 && ms < 2 ** 31)) throw new RangeError(`a platform would not keep ${ms} ms`);
    const timer = { due: this.#now + ms, fire };
    this.everSet += 1;
    this.#timers.add(timer);
    return timer;
  };

  readonly clearTimeout = (handle: unknown): void => {
    for (const timer of this.#timers) if (timer === handle) this.#timers.delete(timer);
  };

  /** Repeatable numbers from 0 to 1 (a linear congruential sequence). */
  readonly random = (): number => {
    this.#chance = (this.#chance * 1_103_515_245 + 12_345) % 2 ** 31;
    return this.#chance / 2 ** 31;
  };

  readonly warn = (message: string): void => {
    this.warnings.push(message);
  };

  /** How many timers are set now. */
  get armed(): number {
    return this.#timers.size;
  }

  /** A promise that resolves when so much time has passed. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.setTimeout(resolve, ms);
    });
  }

  /** Lets `ms` pass: fires what falls due, in order, each as a macrotask of its own. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settle();
    for (let timer = this.#next(until); timer !== undefined; timer = this.#next(until)) {
      this.#now = Math.max(this.#now, timer.due);
      this.#timers.delete(timer);
      timer.fire();
      // oxlint-disable-next-line no-await-in-loop -- one macrotask after the other is what is being simulated
      await settle();
    }
    this.#now = until;
  }

  #next(until: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.due <= until && (next === undefined || timer.due < next.due)) next = timer;
    }
    return next;
  }
}

/** Resolves when every microtask that is waiting, and those that they cause, have run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
