import type { CollectionDef, RecordRef } from '@holdfast/client/records';
import { collectionWanted, type CollectionView, useCollectionView } from './collection.ts';
import { recordWanted, type RecordView, useRecordView } from './record.ts';
import { type HookOptions, type Scope, useScope } from './scope.ts';
import { begin, useShared } from './shared.ts';

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
  const all = Object.entries(requests).map(
    ([name, request]) => [name, wantedOf(scope, request, options)] as const,
  );
  for (const [, { record, collection }] of all) {
    begin(scope, record ?? null);
    begin(scope, collection ?? null);
  }
  const views = all.map(([name, { record, collection }]) => [
    name,
    // It is of the same kind in each render.
    collection === undefined
      ? useRecordView(useShared(scope, record))
      : useCollectionView(useShared(scope, collection)),
  ]);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each name with what was asked for by it
  return Object.fromEntries(views) as { readonly [K in keyof T]: Loaded<T[K]> };
}

type Wants =
  | { readonly record: ReturnType<typeof recordWanted>; readonly collection?: undefined }
  | { readonly record?: undefined; readonly collection: ReturnType<typeof collectionWanted> };

function wantedOf(scope: Scope, request: Loadable, options: HookOptions): Wants {
  const { client } = scope;
  if ('kind' in request) {
    return { collection: collectionWanted(scope, client.collection(request), options) };
  }
  const handle = client.record(request.record, request.params);
  return { record: recordWanted(scope, handle, options) };
}
