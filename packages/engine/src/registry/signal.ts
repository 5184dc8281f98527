import { releaseOnce } from './release.ts';
import type { Release } from './types.ts';

/**
 * A value that changes (registry.md §9). `get` returns the identical value until it changes; `subscribe` does not call
 * the listener now, and every call is its own registration.
 */
export interface Signal<T> {
  get(): T;
  subscribe(listener: () => void): Release;
  /** The value that a server rendered with. */
  getServer?(): T;
}

/**
 * Calls back with the value now, then on each change (registry.md §9). A change made inside the callback is delivered
 * after it, so that every state is seen once and in order. A first call that throws leaves nothing behind.
 */
export function observe<T>(
  signal: Signal<T>,
  callback: (value: T) => void,
  options: { skipInitial?: boolean } = {},
): Release {
  const states: T[] = [];
  let latest = signal.get();
  let live = true;
  let delivering = true;

  const deliver = (): void => {
    if (delivering) return;
    delivering = true;
    const errors: unknown[] = [];
    // The list grows while it is walked when the callback changes the signal, and ends at a release.
    for (const value of states) {
      try {
        callback(value);
      } catch (error) {
        errors.push(error);
      }
    }
    states.length = 0;
    delivering = false;
    // The signal isolates its listeners; it, not this observer, reports the failure.
    if (errors.length > 0) throw errors[0];
  };

  const unsubscribe = signal.subscribe(() => {
    const value = signal.get();
    if (!live || Object.is(value, latest)) return;
    latest = value;
    states.push(value);
    deliver();
  });
  const release = releaseOnce(() => {
    live = false;
    states.length = 0;
    unsubscribe();
  });
  try {
    if (options.skipInitial !== true) callback(latest);
    delivering = false;
    deliver();
  } catch (error) {
    release();
    throw error;
  }
  return release;
}
