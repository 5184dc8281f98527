import type { Clock } from '@holdfast/server';

type Timer = { readonly due: number; readonly run: () => void };

/** Time that moves only when a test says so; turns of the event loop are real. */
export class VirtualClock implements Clock {
  readonly #timers = new Set<Timer>();
  #epoch = Date.UTC(2026, 0, 1);
  #now = 0;

  readonly now = (): number => this.#now;

  /** How many timers run. */
  get timers(): number {
    return this.#timers.size;
  }

  readonly wall = (): number => this.#epoch + this.#now;

  setTimeout(run: () => void, ms: number): unknown {
    const timer = { due: this.#now + ms, run };
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(handle: unknown): void {
    for (const timer of this.#timers) if (timer === handle) this.#timers.delete(timer);
  }

  setImmediate(run: () => void): void {
    setImmediate(run);
  }

  /** Sets the wall clock, as an operator or NTP does: no time passes. */
  setWall(byMs: number): void {
    this.#epoch += byMs;
  }

  /** Lets so much time pass in which nothing runs, as in a page that is frozen: what has fallen due runs when time passes again. */
  skip(ms: number): void {
    this.#now += ms;
  }

  /** Lets so much time pass: what falls due runs in order, each in a turn of its own. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (let timer = this.#next(until); timer !== undefined; timer = this.#next(until)) {
      this.#now = Math.max(this.#now, timer.due);
      this.#timers.delete(timer);
      timer.run();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    this.#now = until;
  }

  #next(until: number): Timer | undefined {
    const due = [...this.#timers].filter((timer) => timer.due <= until);
    return due.toSorted((a, b) => a.due - b.due)[0];
  }
}

/** A clock by which whatever takes any time at all takes so many milliseconds. */
export function slowClock(stepMs = 10) {
  const clock = new VirtualClock();
  let ahead = 0;
  return {
    now: () => clock.now() + (ahead += stepMs),
    wall: () => clock.wall(),
    setTimeout: (run: () => void, ms: number) => clock.setTimeout(run, ms),
    clearTimeout: (timer: unknown) => clock.clearTimeout(timer),
    setImmediate: (run: () => void) => clock.setImmediate(run),
    /** Lets so much time pass in which nothing falls due. */
    pass: (ms: number) => void (ahead += ms),
    /** Lets what falls due within so much time run. */
    run: (ms: number) => clock.pass(ms),
  };
}
