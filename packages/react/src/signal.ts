import { useCallback, useEffect, useMemo, useRef, useSyncExternalStore } from 'react';

/** Anything with a value that changes: signals of Holdfast, and whatever else is of their shape (registry.md §9). */
export type AnySignal<T> = {
  get(): T;
  readonly subscribe: (listener: () => void) => () => void;
  getServer?(): T;
};

/** A signal of nothing. */
export const nothing: AnySignal<undefined> = {
  get: () => undefined,
  subscribe: () => () => undefined,
};

/** A signal that a server, and a page that takes over what it has drawn, draw as something else. */
export function useDrawnAs<T>(signal: AnySignal<T>, as: T): AnySignal<T> {
  return useMemo(
    () => ({
      get: () => signal.get(),
      subscribe: (listener) => signal.subscribe(listener),
      getServer: () => as,
    }),
    [signal, as],
  );
}

/**
 * The value of a signal, or what is selected of it; the component is drawn again only when that is another, by `isEqual`,
 * which is `Object.is` by default.
 */
export function useSignal<T>(signal: AnySignal<T>): T;
export function useSignal<T, U>(
  signal: AnySignal<T>,
  select: (value: T) => U,
  isEqual?: (a: U, b: U) => boolean,
): U;
export function useSignal<T, U>(
  signal: AnySignal<T>,
  select?: (value: T) => U,
  isEqual: (a: U, b: U) => boolean = Object.is,
): T | U {
  /** What is on the screen. */
  const shown = useRef<{ readonly value: U } | null>(null);
  // Of its own: a selection that is written inline is another in each render.
  const subscribe = useCallback((listener: () => void) => signal.subscribe(listener), [signal]);
  const { get, getServer } = useMemo(() => {
    let last: { readonly of: T; readonly value: U } | null = null;
    const pick = (of: T): T | U => {
      if (select === undefined) return of;
      if (last !== null && Object.is(last.of, of)) return last.value;
      const known = last ?? shown.current;
      const fresh = select(of);
      last = { of, value: known !== null && isEqual(known.value, fresh) ? known.value : fresh };
      return last.value;
    };
    return {
      get: () => pick(signal.get()),
      getServer: () => pick(signal.getServer === undefined ? signal.get() : signal.getServer()),
    };
  }, [signal, select, isEqual]);
  const value = useSyncExternalStore(subscribe, get, getServer);
  useEffect(() => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- with a selection it is what was selected
    if (select !== undefined) shown.current = { value: value as U };
  }, [select, value]);
  return value;
}
