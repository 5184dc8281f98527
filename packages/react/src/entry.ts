import type { Client, Json, PageOptions, Signal, Store, StoreEntry } from '@holdfast/client';
import { Shelf } from '@holdfast/client/shelf';
import { entriesSignal, entryScope, entrySignal, isReady } from '@holdfast/client/signals';
import { useMemo } from 'react';
import { type HookOptions, type Scope, useScope } from './scope.ts';
import { shelvesOf, useShared, useSharedState, type Wanted } from './shared.ts';
import { nothing, useSignal } from './signal.ts';
import { type HookState, useHealth, useHookState } from './state.ts';
import { nameIn } from './store.ts';

/** What hooks take that read in a store: its name, or a handle of a part of it. Default: the provider's, of which they load what they show. */
export type StoreHook = HookOptions & { readonly store?: Store | string };

/** One leaf of a list, typed. */
export type Entry<T> = Omit<StoreEntry, 'value'> & { readonly value: T };

/** What is shown of a store, and the handle that it is shown by. */
type Seen<T> = { readonly signal: Signal<T>; readonly store: Store };

/** What to look at, and through what. */
type Look = {
  readonly store: Store | string;
  readonly of: string;
  readonly page?: PageOptions;
};

const entries = /* @__PURE__ */ shelvesOf((client) =>
  shelf(client, {
    scope: ({ of }) => entryScope(of),
    see: (store, { of }) => entrySignal(store, of),
  }),
);

const lists = /* @__PURE__ */ shelvesOf((client) =>
  shelf(client, {
    scope: ({ of }) => [of],
    see: (store, { of, page }) => entriesSignal(store, of, page),
  }),
);

/** How a kind of thing is looked at. */
type Eye<T> = {
  /** What of the store has to be here for it. */
  scope(look: Look): readonly string[];
  see(store: Store, look: Look): Signal<T>;
};

function shelf<T>(client: Client, eye: Eye<T>): Shelf<Seen<T>, Look> {
  return new Shelf<Seen<T>, Look>(client, {
    // The client keeps a store, and the part that is here, for a minute after the last handle is gone.
    ttlMs: 0,
    max: Infinity,
    open: (look) => {
      const { store: given } = look;
      const isOwn = typeof given === 'string';
      const store = isOwn ? client.store(given, { scope: eye.scope(look) }) : given;
      return {
        value: { signal: eye.see(store, look), store },
        ready: isReady(store) ? null : store.ready,
        close: () => {
          if (isOwn) store.close();
        },
      };
    },
  });
}

/** The value at a path, of the type that the application says it is; undefined where nothing is. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- stores have no schema to infer it from
export function useEntry<T>(path: string, options: StoreHook = {}): T | undefined {
  const scope = useScope('useEntry', options.client);
  const { signal } = useShared(scope, entryWanted(scope, path, options));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the application's word is taken for it
  return useSignal(signal) as T | undefined;
}

/** The same without suspending. */
export function useEntryState<T>(path: string, options: StoreHook = {}): HookState<T | undefined> {
  const scope = useScope('useEntryState', options.client);
  return useSeenState<T | undefined, Json | undefined>(scope, entryWanted(scope, path, options));
}

/** The leaves that match a pattern, in path order; the same list, and the same entries, until something in them changes. */
export function useEntries<T>(
  pattern: string,
  options: StoreHook & PageOptions = {},
): readonly Entry<T>[] {
  const scope = useScope('useEntries', options.client);
  const { signal } = useShared(scope, listWanted(scope, pattern, options));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
  return useSignal(signal) as readonly Entry<T>[];
}

/** The same without suspending. */
export function useEntriesState<T>(
  pattern: string,
  options: StoreHook & PageOptions = {},
): HookState<readonly Entry<T>[]> {
  const scope = useScope('useEntriesState', options.client);
  return useSeenState<readonly Entry<T>[], readonly StoreEntry[]>(
    scope,
    listWanted(scope, pattern, options),
  );
}

function entryWanted(
  scope: Scope,
  of: string,
  options: StoreHook,
): Wanted<Seen<Json | undefined>, Look> {
  const { client } = scope;
  const store = options.store ?? nameIn(scope, 'useEntry', undefined);
  const key = `${nameOf(store)} ${of}`;
  return { shelf: entries(client), key, options: { store, of }, ttl: options.ttl };
}

function listWanted(
  scope: Scope,
  of: string,
  options: StoreHook & PageOptions,
): Wanted<Seen<readonly StoreEntry[]>, Look> {
  const { client } = scope;
  const store = options.store ?? nameIn(scope, 'useEntries', undefined);
  const { limit, after, order } = options;
  const page = {
    ...(limit !== undefined && { limit }),
    ...(after !== undefined && { after }),
    ...(order !== undefined && { order }),
  };
  const key = `${nameOf(store)} ${of} ${JSON.stringify(page)}`;
  return { shelf: lists(client), key, options: { store, of, page }, ttl: options.ttl };
}

const numbers = /* @__PURE__ */ new WeakMap<Store, number>();
let count = 0;

/** What a store is called in keys: one handle is not another. */
function nameOf(store: Store | string): string {
  if (typeof store === 'string') return store;
  const number = numbers.get(store) ?? (count += 1);
  numbers.set(store, number);
  return `#${number}`;
}

function useSeenState<T, Read>(scope: Scope, wanted: Wanted<Seen<Read>, Look>): HookState<T> {
  const state = useSharedState(scope, wanted);
  const seen = state?.status === 'ready' ? state.value : null;
  const value = useSignal<Read | undefined>(seen?.signal ?? nothing);
  const health = useHealth(seen?.store);
  const typed = useMemo(
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
    () => (state?.status === 'ready' ? { ...state, value: value as unknown as T } : state),
    [state, value],
  );
  return useHookState<T>(wanted, typed, health);
}
