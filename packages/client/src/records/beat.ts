import { releaseOnce, type Release, type Signal } from '@holdfast/engine/registry';
import { call, type Report } from '../cell.ts';

/**
 * A signal that its owner sets first and tells of afterwards, when all that belongs together is set (records.md §6.2). A
 * listener that causes another change hears of it after all have heard of the first.
 */
export class Beat<T> implements Signal<T> {
  #value: T;
  #told: T;
  readonly #report: Report;
  /** Wrapped, so that each registration of the same listener is one of its own. */
  readonly #listeners = new Set<{ readonly run: () => void }>();
  #isTelling = false;

  constructor(value: T, report: Report) {
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
        if (this.#listeners.has(listener)) call(listener.run, this.#report);
      }
    }
    this.#isTelling = false;
  }

  readonly subscribe = (run: () => void): Release => {
    const listener = { run };
    this.#listeners.add(listener);
    return releaseOnce(() => this.#listeners.delete(listener));
  };
}
