import { releaseOnce, type Release, type Signal } from '../registry/index.ts';

/**
 * A signal that its owner sets first and tells of afterwards, when all that belongs together is set (records.md §6.2). A
 * listener that causes another change hears of it after all have heard of the first.
 */
export class Beat<T> implements Signal<T> {
  #value: T;
  #told: T;
  readonly #report: (error: unknown) => void;
  /** Wrapped, so that each registration of the same listener is one of its own. */
  readonly #listeners = new Set<{ readonly run: () => void; seen: T }>();
  #isTelling = false;

  /** `report` hears of listeners that throw. */
  constructor(value: T, report: (error: unknown) => void) {
    this.#value = value;
    this.#told = value;
    this.#report = report;
  }

  readonly get = (): T => this.#value;

  put(value: T): void {
    this.#value = value;
  }

  /** Has the listeners called if the value is not the one they were last told of. */
  tell(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    while (!Object.is(this.#told, this.#value)) {
      this.#told = this.#value;
      for (const listener of Array.from(this.#listeners)) {
        // One that is called after a listener which has caused another change hears of both at once.
        if (!this.#listeners.has(listener) || Object.is(listener.seen, this.#value)) continue;
        listener.seen = this.#value;
        guarded(listener.run, this.#report);
      }
    }
    this.#isTelling = false;
  }

  readonly subscribe = (run: () => void): Release => {
    const listener = { run, seen: this.#told };
    this.#listeners.add(listener);
    return releaseOnce(() => this.#listeners.delete(listener));
  };
}

/** Calls what may throw, or reject, without harm to the caller. */
export function guarded(run: () => unknown, report: (error: unknown) => void): void {
  try {
    const result = run();
    if (result instanceof Promise) result.catch(report);
  } catch (error) {
    report(error);
  }
}
