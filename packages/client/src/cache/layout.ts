import {
  type DBSchema,
  type IDBPDatabase,
  type IDBPTransaction,
  openDB,
  type StoreNames,
  unwrap,
} from 'idb';
import { Blocks, type Change, type Counts, noCounts } from './blocks.ts';
import { cacheFault, type RowKind } from './rows.ts';

/** A database: requests and letters are a record each, under `n!id`; entries and maps lie in {@link Blocks}. */
export type Layout = DBSchema & {
  notes: { key: string; value: string };
  places: { key: string; value: Place };
} & { [Kind in OwnKind]: { key: string; value: string } } & {
  [Kind in StateKind]: { key: string; value: readonly Change[] };
};

/** What is known of a place. */
export type Place = Readonly<Counts> & {
  /** What the keys of its rows begin with. */
  readonly n: string;
  readonly pen: string;
  readonly head: string | null;
};

export type StateKind = 'entry' | 'map';
export type OwnKind = Exclude<RowKind, StateKind>;
export type Connection = IDBPDatabase<Layout>;
type Upgrade = IDBPTransaction<Layout, StoreNames<Layout>[], 'versionchange'>;

export const stateKinds: readonly StateKind[] = ['entry', 'map'];
export const ownKinds: readonly OwnKind[] = ['request', 'letter'];
export const kinds: readonly RowKind[] = [...stateKinds, ...ownKinds];

/** In that of 1 each entry and each map was a record, too. */
const version = 2;

/** What happens while a database is opened, and later. */
type Heard = {
  /** It answers, and changes the layout. */
  readonly upgrading: () => void;
  /** The browser has closed the connection. */
  readonly terminated: () => void;
};

/** Opens a database, and makes one of this layout of it where it is new or of a former layout. */
export async function openLayout(
  name: string,
  heard: Heard,
  keepsState = true,
): Promise<Connection> {
  const { indexedDB: factory } = globalThis as Partial<typeof globalThis>;
  if (factory === undefined) throw cacheFault('unavailable');
  let isOld = false;
  try {
    return await openDB<Layout>(name, version, {
      upgrade(...[db, from, , tx]) {
        heard.upgrading();
        isOld = from === 1;
        const made = ['notes', 'places', ...kinds] as const;
        if (!isOld) for (const kind of made) db.createObjectStore(kind);
        Promise.all([isOld && regroup(tx, keepsState), tx.done]).catch(() => abort(tx));
      },
      terminated: heard.terminated,
    });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'VersionError') {
      throw cacheFault('newer', { cause });
    }
    // As where there is no room for both, the old and the new: the server has the entries.
    if (isOld && keepsState) return openLayout(name, heard, false);
    throw cacheFault(isQuota(cause) ? 'full' : 'unavailable', { cause });
  }
}

/** From version 1 to 2. */
async function regroup(tx: Upgrade, keepsState: boolean): Promise<void> {
  const places = tx.objectStore('places');
  for (const name of await places.getAllKeys()) {
    const place = await places.get(name);
    if (place === undefined) continue;
    const counts = { ...noCounts };
    for (const kind of stateKinds) {
      const store = tx.objectStore(kind);
      const range = rangeOf(place.n);
      const [keys, texts] = await Promise.all([store.getAllKeys(range), store.getAll(range)]);
      const rows = keys.map((key, at): Change => [
        key.slice(place.n.length + 1),
        String(texts[at]),
      ]);
      const blocks = new Blocks(unwrap(store), place.n, counts);
      blocks.clear();
      for (const row of keepsState ? rows : []) blocks.add(row);
      blocks.flush();
    }
    await places.put({ ...place, ...counts, head: keepsState ? place.head : null }, name);
  }
}

/** The rows of a place in an object store; those behind a key. */
export function rangeOf(n: string, after: string = `${n}!`): IDBKeyRange {
  return IDBKeyRange.bound(after, `${n}"`, true, true);
}

export function abort(tx: { abort(): void }): void {
  try {
    tx.abort();
  } catch {
    // It has ended already.
  }
}

export function isQuota(error: unknown): boolean {
  return error instanceof Error && error.name === 'QuotaExceededError';
}
