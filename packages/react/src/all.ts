import type { CollectionDef, RecordRef } from '@holdfast/client/records';
import { type CollectionView, useCollectionView } from './collection.ts';
import { type Handle, useHandle, type UseView, wantedOf } from './handles.ts';
import { type RecordView, useRecordView } from './record.ts';
import { type HookOptions, useScope } from './scope.ts';
import { begin } from './shared.ts';

/** What {@link useAll} loads: records, as their definitions name them by `ref`, and collections. */
export type Loadable = RecordRef | CollectionDef;

/** What is shown of each. */
export type Loaded<T> =
  T extends CollectionDef<infer R>
    ? CollectionView<R>
    : T extends RecordRef<infer R>
      ? RecordView<R>
      : never;

/**
 * Several records and collections at once: every load is begun before any is waited for. There are as many, of the same
 * names and kinds, in every render.
 */
export function useAll<T extends Readonly<Record<string, Loadable>>>(
  requests: T,
  options: HookOptions = {},
): { readonly [K in keyof T]: Loaded<T[K]> } {
  const scope = useScope('useAll', options.client);
  const { client } = scope;
  const loading = <H extends Handle, V>(make: () => H, useViewOf: UseView<H, V>): (() => V) => {
    const wanted = wantedOf(scope, make, options);
    begin(scope, wanted);
    return () => useHandle([scope, wanted], useViewOf);
  };
  // It is of the same kind in each render.
  const all = Object.entries(requests).map(
    ([name, request]) =>
      [
        name,
        'kind' in request
          ? loading(() => client.collection(request), useCollectionView)
          : loading(() => client.record(request.record, request.params), useRecordView),
      ] as const,
  );
  const views = all.map(([name, useLoaded]) => [name, useLoaded()]);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each name with what was asked for by it
  return Object.fromEntries(views) as { readonly [K in keyof T]: Loaded<T[K]> };
}
