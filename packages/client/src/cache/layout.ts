import type { Counts } from './blocks.ts';
import type { RowKind } from './rows.ts';

/*
 * A database: requests and letters are a record each, under `n!id`; entries and maps lie in `Blocks`. `places` tells what
 * is known of each place, and `notes` are texts that belong to none.
 */

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
export type Regroup = (tx: IDBTransaction) => Promise<void>;

/** The rows of a place in an object store; those behind a key. */
export function rangeOf(n: string, after: string = `${n}!`): IDBKeyRange {
  return IDBKeyRange.bound(after, `${n}"`, true, true);
}
