import type { Client } from '@holdfast/client';
import type { Place, Shelf, Shelved } from '@holdfast/client/shelf';
import * as React from 'react';
import type { Scope } from './scope.ts';

const { useEffect, useSyncExternalStore } = React;

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
export function useShared<T, O>(scope: Scope, wanted: Wanted<T, O>): T;
export function useShared<T, O>(scope: Scope, wanted: Wanted<T, O> | null): T | undefined;
export function useShared<T, O>(scope: Scope, wanted: Wanted<T, O> | null): T | undefined {
  const value = wanted === null ? undefined : waitFor(scope, wanted);
  useTenure(wanted);
  return value;
}

/** The same as a state that is told of; neither suspends nor throws. */
export function useSharedState<T, O>(scope: Scope, wanted: Wanted<T, O> | null): Shelved<T> | null {
  begin(scope, wanted);
  return useTenure(wanted);
}

/** Has it opened, and says nothing of how that goes. */
export function begin<T, O>(scope: Scope, wanted: Wanted<T, O> | null): void {
  try {
    if (wanted !== null) void ask(scope, wanted);
  } catch {
    // The state says so.
  }
}

function ask<T, O>({ shelves }: Scope, { shelf, key, options, ttl }: Wanted<T, O>): T | Promise<T> {
  // Idempotent, so that a render that comes to nothing does no harm.
  shelves.add(shelf);
  return shelf.get(key, options, ttl);
}

// Not by its name, which bundlers would look for in a React that has it not.
const use: unknown = Reflect.get(React, 'use');

/** Waits in the way of the React at hand: 18 is thrown the promise, 19 has `use`. */
function waitFor<T, O>(scope: Scope, wanted: Wanted<T, O>): T {
  const asked = ask(scope, wanted);
  if (typeof use === 'function') {
    return use(promiseOf(wanted.shelf.place(wanted.key, wanted.options), asked));
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

/** Holds what is wanted while the component is mounted, and draws it again when its state changes. */
function useTenure<T, O>(wanted: Wanted<T, O> | null): Shelved<T> | null {
  const { shelf, key, ttl } = wanted ?? {};
  const place: Place<T> | Nowhere =
    wanted === null ? nowhere : wanted.shelf.place(wanted.key, wanted.options);
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

type Nowhere = Pick<Place<never>, 'subscribe'> & { readonly getState: () => null };

const nothing = (): void => undefined;

const nowhere: Nowhere = {
  getState: () => null,
  subscribe: () => Object.assign(() => undefined, { [Symbol.dispose]: nothing }),
};

/** The shelves of each client, made when they are first asked for. */
export function shelvesOf<T, O>(
  make: (client: Client) => Shelf<T, O>,
): (client: Client) => Shelf<T, O> {
  const known = new WeakMap<Client, Shelf<T, O>>();
  return (client) => {
    const shelf = known.get(client) ?? make(client);
    known.set(client, shelf);
    return shelf;
  };
}
