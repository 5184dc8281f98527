import type { HoldfastError } from '@holdfast/client';
import type {
  CollectionDef,
  CollectionHandle,
  CollectionSpec,
  CollectionState,
  Out,
  RecordBy,
  RecordDef,
  RecordNames,
} from '@holdfast/client/records';
import { useMemo } from 'react';
import { useHandle, useHandleState, wantedOf } from './handles.ts';
import { type HookOptions, type Scope, useScope } from './scope.ts';
import type { Wanted } from './shared.ts';
import { nothing, useSignal } from './signal.ts';
import type { HookState } from './state.ts';

/** A collection as a component sees it: its state, all of one moment, the values alone, and its rows to write to. */
export type CollectionView<R extends RecordDef = RecordDef> = CollectionState<R> & {
  readonly values: readonly Out<R>[];
} & Pick<CollectionHandle<R>, 'row' | 'loadMore'>;

/** {@link useCollection} for an application: records by their names are those of its app. */
export type UseCollection<App> = {
  <R extends RecordDef>(query: CollectionDef<R> | null, options?: HookOptions): CollectionView<R>;
  <N extends RecordNames<App>>(
    name: N,
    spec: CollectionSpec<RecordBy<App, N>> | null,
    options?: HookOptions,
  ): CollectionView<RecordBy<App, N>>;
};

type ShownState<R extends RecordDef = RecordDef> = HookState<CollectionView<R>, HoldfastError>;

/** {@link useCollectionState} for an application. */
export type UseCollectionState<App> = {
  <R extends RecordDef>(query: CollectionDef<R> | null, options?: HookOptions): ShownState<R>;
  <N extends RecordNames<App>>(
    name: N,
    spec: CollectionSpec<RecordBy<App, N>> | null,
    options?: HookOptions,
  ): ShownState<RecordBy<App, N>>;
};

/**
 * A live set of records, of a definition or of the name of one with a spec; suspends until it is known which rows there
 * are. `null`: none is loaded, and it is empty. The client needs `records` among its options.
 */
export function useCollection<R extends RecordDef>(
  query: CollectionDef<R> | null,
  options?: HookOptions,
): CollectionView<R>;
export function useCollection(
  name: string,
  spec: CollectionSpec<RecordDef> | null,
  options?: HookOptions,
): CollectionView;
export function useCollection(
  of: CollectionDef | string | null,
  second?: Second,
  third?: HookOptions,
): CollectionView {
  return useHandle(useWanted('useCollection', of, [second, third]), useCollectionView);
}

/** The same without suspending. */
export function useCollectionState<R extends RecordDef>(
  query: CollectionDef<R> | null,
  options?: HookOptions,
): ShownState<R>;
export function useCollectionState(
  name: string,
  spec: CollectionSpec<RecordDef> | null,
  options?: HookOptions,
): ShownState;
export function useCollectionState(
  of: CollectionDef | string | null,
  second?: Second,
  third?: HookOptions,
): ShownState {
  return useHandleState(useWanted('useCollectionState', of, [second, third]), useCollectionView);
}

/** The first row of a collection; undefined where there is none. */
export function useOne<R extends RecordDef>(
  query: CollectionDef<R> | null,
  options: HookOptions = {},
): Out<R> | undefined {
  const one = query && {
    ...query,
    query: { ...query.query, limit: 1 },
    key: `${query.key} one`,
  };
  const [first] = useCollection<R>(one, options).values;
  return first;
}

/** After a name comes a spec, after a definition the options. */
type Second = CollectionSpec<RecordDef> | HookOptions | null | undefined;

function useWanted(
  hook: string,
  of: CollectionDef | string | null,
  [second, third]: readonly [Second, HookOptions | undefined],
): readonly [Scope, Wanted<CollectionHandle, CollectionHandle> | null] {
  const isNamed = typeof of === 'string';
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the overloads say which it is
  const options = ((isNamed ? third : second) ?? {}) as HookOptions;
  const scope = useScope(hook, options.client);
  const { client } = scope;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
  const spec = second as CollectionSpec<RecordDef> | null;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what comes after a definition is not looked at
  const open = client.collection as (name: unknown, spec: unknown) => CollectionHandle;
  const make = (isNamed ? spec : of) && (() => open(of, spec));
  return [scope, wantedOf(scope, make, options)];
}

const none: CollectionState<RecordDef> = {
  rows: [],
  status: 'idle',
  ready: false,
  hasMore: false,
  endCursor: null,
};

/** The state of a collection with its values: the same object until something in it changes. */
export function useCollectionView(handle: CollectionHandle | undefined): CollectionView {
  const state = useSignal(handle?.state ?? nothing) ?? none;
  const values = useMemo(() => state.rows.map(({ value }) => value), [state.rows]);
  const deeds = useMemo(
    (): Pick<CollectionView, 'row' | 'loadMore'> => ({
      row: (key) => handle?.row(key),
      loadMore: async (count) => handle?.loadMore(count),
    }),
    [handle],
  );
  return useMemo(() => ({ ...state, values, ...deeds }), [state, values, deeds]);
}
