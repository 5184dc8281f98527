import type { Clock } from '../host/clock.ts';

/** That of the platform, whatever a test runner puts in its place later: a test that fakes timers mounts views too. */
const { setImmediate: inNextTurn } = globalThis;

type Timer = { readonly at: number; readonly run: () => void };

/** Time that moves when a test says so. */
export class TestClock implements Clock {
  readonly #timers = new Set<Timer>();
  #now = 0;

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#now;
  }

  setTimeout(run: () => void, ms: number): unknown {
    const timer = { at: this.#now + Math.max(0, ms), run };
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(handle: unknown): void {
    for (const timer of this.#timers) if (timer === handle) this.#timers.delete(timer);
  }

  setImmediate(run: () => void): void {
    inNextTurn(run);
  }

  /** Lets so many milliseconds pass: timers run when they are due, each with all that follows from it. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settled();
    for (let timer = this.#due(until); timer !== null; timer = this.#due(until)) {
      this.#now = timer.at;
      this.#timers.delete(timer);
      timer.run();
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await settled();
    }
    this.#now = until;
  }

  #due(until: number): Timer | null {
    let first: Timer | null = null;
    for (const timer of this.#timers) {
      if (timer.at <= until && (first === null || timer.at < first.at)) first = timer;
    }
    return first;
  }
}

const TURNS = 4;

/** Resolves when what is on its way in this process has arrived. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) {
    // oxlint-disable-next-line no-await-in-loop -- so many turns of the event loop
    await new Promise<void>((resolve) => inNextTurn(resolve));
  }
}
