import type { Bound } from '@holdfast/engine/data';
import { HoldfastError, type Json, type Path } from '@holdfast/protocol';
import type { Principal } from '../access/index.ts';
import type { StoreRow } from '../storage/port.ts';
import type { FileSight } from './room.ts';

type Viewed = { readonly row: StoreRow; valueAt(path: Path): Json | undefined };

/** Who sees what of which store. */
type Sights = {
  readonly withStore: <T>(storeId: string, use: (store: Viewed) => T) => Promise<T>;
  readonly veilOf: (principal: Principal, store: Viewed) => Bound | null;
};

/** Looks what records hide of files; stores of which they hide nothing are not opened. */
export function sightOf({ withStore, veilOf }: Sights): FileSight {
  // It does not look at values.
  const mayHide: FileSight['mayHide'] = (principal, row) =>
    veilOf(principal, { row, valueAt: () => undefined }) !== null;
  return {
    mayHide,
    hides: async (principal, { store: row, path }) =>
      mayHide(principal, row) &&
      withStore(row.id, (store) => veilOf(principal, store)?.covers(path) === false).catch(isGone),
  };
}

/** A store that was purged since it was found shows nobody anything; throws what else kept it from being opened. */
function isGone(error: unknown): true {
  if (error instanceof HoldfastError && error.code === 'unauthorized') return true;
  throw error;
}
