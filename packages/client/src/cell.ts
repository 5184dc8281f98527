import { releaseOnce, type Release, type Signal } from '@holdfast/engine/registry';

type Registration = { readonly listener: () => void };

/** Where failures of an application's callbacks go. */
export type Report = (error: unknown) => void;

/**
 * A signal that its owner sets. Listeners run in a microtask after the change, once for all that changed meanwhile, each
 * on its own: one that throws is reported (registry.md §9).
 */
export class Cell<T> implements Signal<T> {
  #value: T;
  readonly #report: Report;
  readonly #registrations = new Set<Registration>();
  #isDue = false;

  constructor(value: T, report: Report) {
    this.#value = value;
    this.#report = report;
  }

  get(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    this.notify();
  }

  /** Has the listeners called, for a value that is read in another way. */
  notify(): void {
    if (this.#isDue || this.#registrations.size === 0) return;
    this.#isDue = true;
    queueMicrotask(() => this.#deliver());
  }

  subscribe(listener: () => void): Release {
    const registration = { listener };
    this.#registrations.add(registration);
    return releaseOnce(() => this.#registrations.delete(registration));
  }

  #deliver(): void {
    this.#isDue = false;
    // Who comes meanwhile has seen the new value; who is removed meanwhile is not called.
    const registrations = new Set(this.#registrations);
    for (const registration of registrations) {
      if (this.#registrations.has(registration)) call(registration.listener, this.#report);
    }
  }
}

/** Calls a callback of the application, whose failure is nobody else's (stores.md §18 C14). */
export function call(callback: () => unknown, report: Report): void {
  try {
    const result = callback();
    if (result instanceof Promise) result.catch(report);
  } catch (error) {
    report(error);
  }
}
