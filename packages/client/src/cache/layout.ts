import type { DBSchema, IDBPDatabase, IDBPTransaction, StoreNames } from 'idb';
import type { Change, Counts } from './blocks.ts';
import type { RowKind } from './rows.ts';

/**
 * A database: requests and letters are a record each, under `n!id`; entries and maps lie in `Blocks`. `places` tells what
 * is known of each place, and `notes` are texts that belong to none.
 */
export type Layout = DBSchema & {
  notes: { key: string; value: string };
  places: { key: string; value: Place };
} & { [Kind in OwnKind]: { key: string; value: string } } & {
  [Kind in StateKind]: { key: string; value: readonly Change[] };
};

export type Connection = IDBPDatabase<Layout>;
export type Upgrade = IDBPTransaction<Layout, StoreNames<Layout>[], 'versionchange'>;

/** What is known of a place. */
export type Place = Readonly<Counts> & {
  /** What the keys of its rows begin with. */
  readonly n: string;
  readonly pen: string;
  readonly head: string | null;
};

export type StateKind = 'entry' | 'map';
export type OwnKind = Exclude<RowKind, StateKind>;

export const stateKinds: readonly StateKind[] = ['entry', 'map'];
export const ownKinds: readonly OwnKind[] = ['request', 'letter'];
export const kinds: readonly RowKind[] = [...stateKinds, ...ownKinds];

/** Makes a database of the present layout of one of the former. */
export type Regroup = (tx: Upgrade) => Promise<void>;

/** The rows of a place in an object store; those behind a key. */
export function rangeOf(n: string, after: string = `${n}!`): IDBKeyRange {
  return IDBKeyRange.bound(after, `${n}"`, true, true);
}
