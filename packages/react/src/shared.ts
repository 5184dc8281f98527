import type { Place, Shelf, Shelved } from '@holdfast/client/shelf';
import { useEffect, useSyncExternalStore } from 'react';
import { type Failures, use } from './scope.ts';
import { nothing } from './signal.ts';

/** What a hook wants of a shelf. Only its key has to be the same between renders. */
export type Wanted<T, O> = {
  readonly shelf: Shelf<T, O>;
  readonly key: string;
  /** What it is opened with. */
  readonly options: O;
  readonly ttl: number | undefined;
};

/**
 * A value of a shelf; suspends until it is ready, and throws why it never will be (registry.md §10.2). It is asked for in
 * every render, kept from then on for as long as an abandoned one would need, and held while the component is mounted.
 */
export function useShared<T, O>(failures: Failures, wanted: Wanted<T, O>): T;
export function useShared<T, O>(failures: Failures, wanted: Wanted<T, O> | null): T | undefined;
export function useShared<T, O>(failures: Failures, wanted: Wanted<T, O> | null): T | undefined {
  // Who waited by `use` when something was wanted has to go on asking so.
  if (wanted === null) use?.(none);
  const value = wanted === null ? undefined : waitFor(failures, wanted);
  useTenure(wanted);
  return value;
}

/** The same as a state that is told of; neither suspends nor throws. */
export function useSharedState<T, O>(
  failures: Failures,
  wanted: Wanted<T, O> | null,
): Shelved<T> | null {
  begin(failures, wanted);
  return useTenure(wanted);
}

/** Has it opened, and says nothing of how that goes. */
export function begin<T, O>(failures: Failures, wanted: Wanted<T, O> | null): void {
  try {
    if (wanted !== null) void ask(failures, wanted);
  } catch {
    // The state says so.
  }
}

// Idempotent, so that a render that comes to nothing does no harm.
function ask<T, O>(failures: Failures, { shelf, key, options, ttl }: Wanted<T, O>): T | Promise<T> {
  try {
    return shelf.get(key, options, ttl);
  } catch (error) {
    failures.failed?.add(shelf);
    throw error;
  }
}

/** Waits in the way of the React at hand: 18 is thrown the promise, 19 has `use`. */
function waitFor<T, O>(failures: Failures, wanted: Wanted<T, O>): T {
  const asked = ask(failures, wanted);
  if (use !== null) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is promised
    return use(promiseOf(wanted.shelf.place(wanted.key, wanted.options), asked)) as T;
  }
  // oxlint-disable-next-line typescript/only-throw-error -- how React 18 suspends
  if (asked instanceof Promise) throw asked;
  return asked;
}

/** A promise with the notes that React makes on those that it waits for. */
type Noted = Promise<unknown> & { readonly status?: string; readonly value?: unknown };

const noted = /* @__PURE__ */ new WeakMap<object, Noted>();

/**
 * What React is to use, by place: who has once waited by `use` has to go on asking so, and for the same promise. Nothing
 * waits for one that is noted as fulfilled.
 */
function promiseOf<T>(place: object, asked: T | Promise<T>): Noted {
  const known = noted.get(place);
  if (!(asked instanceof Promise) && known !== undefined) {
    // It has ended, and has yet to tell React.
    if (known.status === 'pending') void Object.assign(known, fulfilled(asked));
    if (Object.is(known.value, asked)) return known;
  }
  const isPending = asked instanceof Promise;
  const promise: Noted = isPending
    ? asked
    : Object.assign(Promise.resolve(asked), fulfilled(asked));
  noted.set(place, promise);
  return promise;
}

function fulfilled<T>(value: T): { readonly status: 'fulfilled'; readonly value: T } {
  return { status: 'fulfilled', value };
}

/** Instead of the promise of what is not wanted. */
const none = /* @__PURE__ */ Object.assign(
  /* @__PURE__ */ Promise.resolve(),
  /* @__PURE__ */ fulfilled(undefined),
);

/** Holds what is wanted while the component is mounted, and draws it again when its state changes. */
function useTenure<T, O>(wanted: Wanted<T, O> | null): Shelved<T> | null {
  const { shelf, key, ttl } = wanted ?? {};
  const place: Place<T> | typeof nowhere =
    wanted?.shelf.place(wanted.key, wanted.options) ?? nowhere;
  const state = useSyncExternalStore<Shelved<T> | null>(
    place.subscribe,
    place.getState,
    place.getState,
  );
  const generation = state?.generation;
  useEffect(
    () => wanted?.shelf.retain(wanted.key, wanted.options, wanted.ttl),
    // What it is opened with is not looked at: of the same key it is the same.
    [shelf, key, generation, ttl],
  );
  return state;
}

/** What is ready on a shelf. */
export function readyOf<T>(state: Shelved<T> | null): T | undefined {
  return state?.status === 'ready' ? state.value : undefined;
}

const nowhere = { ...nothing, getState: () => null };
