import type { Client, Json, PageOptions, Store, StoreEntry } from '@holdfast/client';
import { type Opened, type Shelf, shelvesOf } from '@holdfast/client/shelf';
import { entriesSignal, entryScope, entrySignal, isReady } from '@holdfast/client/signals';
import { useSyncExternalStore } from 'react';
import { type Failures, type HookOptions, useFailures, useScope } from './scope.ts';
import { type Wanted, readyOf, useShared, useSharedState } from './shared.ts';
import { nothing, useSignal } from './signal.ts';
import { type HookState, useHealth, useHookState } from './state.ts';
import { nameIn } from './store.ts';

/** What hooks take that read in a store: its name, or a handle of a part of it. Default: the provider's, of which they load what they show. */
export type StoreHook = HookOptions & { readonly store?: Store | string };

/** One leaf of a list, typed. */
export type Entry<T> = Omit<StoreEntry, 'value'> & { readonly value: T };

/** What is shown of a store, and the handle that it is shown by. */
type Seen<T> = { readonly signal: Bound<T>; readonly store: Store };

/** A signal, of which React takes the functions alone. */
type Bound<T> = {
  readonly get: () => T;
  readonly getServer: () => T;
  readonly subscribe: (listener: () => void) => () => void;
};

/** What to look at, and through what: a handle of the application's, or one of the part that it takes. */
type Look = {
  readonly source: Store | Named;
  readonly of: string;
  readonly page?: PageOptions;
};

type Named = { readonly client: Client; readonly name: string };

type Shelves<T> = (of: Client | Store) => Shelf<Seen<T>, Look>;

const entries: Shelves<Json | undefined> = /* @__PURE__ */ shelvesOf((look) =>
  openLook(look, entryScope(look.of), entrySignal),
);

const lists: Shelves<readonly StoreEntry[]> = /* @__PURE__ */ shelvesOf((look) =>
  openLook(look, [look.of], entriesSignal),
);

function openLook<T>(
  { source, of, page }: Look,
  scope: readonly string[],
  see: (store: Store, of: string, page?: PageOptions) => Bound<T>,
): Opened<Seen<T>> {
  const isOwn = 'client' in source;
  const store = isOwn ? source.client.store(source.name, { scope }) : source;
  return {
    value: { signal: see(store, of, page), store },
    ready: isReady(store) ? null : store.ready,
    close: () => {
      if (isOwn) store.close();
    },
  };
}

/** The value at a path, of the type that the application says it is; undefined where nothing is. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- stores have no schema to infer it from
export function useEntry<T>(path: string, options: StoreHook = {}): T | undefined {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the application's word is taken for it
  return useSeen(usePlace('useEntry', options), entries, { of: path }) as T | undefined;
}

/** The same without suspending. */
export function useEntryState<T>(path: string, options: StoreHook = {}): HookState<T | undefined> {
  return useSeenState(usePlace('useEntryState', options), entries, { of: path });
}

/** The leaves that match a pattern, in path order; the same list, and the same entries, until something in them changes. */
export function useEntries<T>(
  pattern: string,
  options: StoreHook & PageOptions = {},
): readonly Entry<T>[] {
  const look = { of: pattern, page: pageOf(options) };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
  return useSeen(usePlace('useEntries', options), lists, look) as readonly Entry<T>[];
}

/** The same without suspending. */
export function useEntriesState<T>(
  pattern: string,
  options: StoreHook & PageOptions = {},
): HookState<readonly Entry<T>[]> {
  const look = { of: pattern, page: pageOf(options) };
  return useSeenState(usePlace('useEntriesState', options), lists, look);
}

function pageOf({
  client: _client,
  store: _store,
  ttl: _ttl,
  ...page
}: StoreHook & PageOptions): PageOptions {
  return page;
}

/** Where a hook looks, for how long that stays, and where it notes what fails. */
type Place = Pick<Look, 'source'> & {
  readonly failures: Failures;
  readonly ttl: number | undefined;
};

/** A handle names its client itself. */
function usePlace(hook: string, { store, client, ttl }: StoreHook): Place {
  if (typeof store === 'object') return { source: store, failures: useFailures(), ttl };
  const scope = useScope(hook, client);
  const source = { client: scope.client, name: nameIn(scope, hook, store) };
  return { source, failures: scope, ttl };
}

function wantedOf<T>(
  { source, ttl }: Place,
  shelves: Shelves<T>,
  { of, page = {} }: Omit<Look, 'source'>,
): Wanted<Seen<T>, Look> {
  const { limit, after, order } = page;
  return {
    shelf: shelves('client' in source ? source.client : source),
    key: JSON.stringify([nameOf(source), of, limit, after, order]),
    options: { source, of, page },
    ttl,
  };
}

const numbers = /* @__PURE__ */ new WeakMap<Store, number>();
let count = 0;

/** What a store is called in keys: one handle is not another. */
function nameOf(source: Store | Named): string | number {
  if ('client' in source) return source.name;
  const number = numbers.get(source) ?? (count += 1);
  numbers.set(source, number);
  return number;
}

function useSeen<T>(place: Place, shelves: Shelves<T>, look: Omit<Look, 'source'>): T {
  const { signal } = useShared(place.failures, wantedOf(place, shelves, look));
  return useSyncExternalStore(signal.subscribe, signal.get, signal.getServer);
}

function useSeenState<T, Read>(
  place: Place,
  shelves: Shelves<Read>,
  look: Omit<Look, 'source'>,
): HookState<T> {
  const wanted = wantedOf(place, shelves, look);
  const state = useSharedState(place.failures, wanted);
  const seen = readyOf(state);
  const value = useSignal<Read | undefined>(seen?.signal ?? nothing);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
  const shown = { value: value as T | undefined, ...useHealth(seen?.store) };
  return useHookState<T>(wanted, state, shown);
}
