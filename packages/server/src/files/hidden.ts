import type { Bound } from '@holdfast/engine/data';
import type { Json, Path } from '@holdfast/protocol';
import type { Principal } from '../access/index.ts';
import type { StoreRow } from '../storage/port.ts';
import type { FilesRoom } from './room.ts';

type Viewed = { readonly row: StoreRow; valueAt(path: Path): Json | undefined };

/** Who sees what of which store. */
type Sights = {
  readonly withStore: <T>(storeId: string, use: (store: Viewed) => T) => Promise<T>;
  readonly veilOf: (principal: Principal, store: Viewed) => Bound | null;
};

/** Looks whether the rules of records hide the entries of files; stores of which they hide nothing are not opened. */
export function hiddenBy({ withStore, veilOf }: Sights): NonNullable<FilesRoom['hides']> {
  return async (principal, { store: row, path }) => {
    if (veilOf(principal, { row, valueAt: () => undefined }) === null) return false;
    return withStore(row.id, (store) => veilOf(principal, store)?.covers(path) === false);
  };
}
