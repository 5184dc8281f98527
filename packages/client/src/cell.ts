import { conduct, releaseOnce, type Release, type Signal } from '@holdfast/engine/registry';
import { soon } from './turns.ts';

/** Where failures of an application's callbacks go. */
export type Report = (error: unknown) => void;

/**
 * A signal that its owner sets. Listeners run in a microtask after the change, once for all that changed meanwhile, each
 * on its own: one that throws is reported (registry.md §9).
 */
export class Cell<T> implements Signal<T> {
  /** Has the listeners called, for a value that is read in another way. */
  readonly notify: () => void;
  #value: T;
  /** Wrapped, so that each registration of the same listener is one of its own. */
  readonly #listeners = new Set<{ readonly run: () => void }>();

  constructor(value: T, report: Report) {
    this.#value = value;
    this.notify = soon(() => {
      // Who comes meanwhile has seen the new value; who is removed meanwhile is not called.
      for (const listener of Array.from(this.#listeners)) {
        if (this.#listeners.has(listener)) call(listener.run, report);
      }
    });
  }

  get(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    this.notify();
  }

  subscribe(run: () => void): Release {
    const listener = { run };
    this.#listeners.add(listener);
    return releaseOnce(() => this.#listeners.delete(listener));
  }
}

/** Calls a callback of the application, whose failure is nobody else's (stores.md §18 C14). */
export function call(callback: () => unknown, report: Report): void {
  conduct(callback, () => undefined, report);
}
