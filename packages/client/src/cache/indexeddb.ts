import {
  deleteDB,
  type DBSchema,
  type IDBPDatabase,
  type IDBPTransaction,
  openDB,
  type StoreNames,
  unwrap,
} from 'idb';
import { keptIn } from './kept.ts';
import type { Cache } from './port.ts';
import {
  cacheFault,
  faultKind,
  judge,
  type RowBatch,
  type RowChange,
  type RowKind,
  type RowStore,
  type TakeRows,
  type Written,
} from './rows.ts';

/** How an IndexedDB cache stores. */
export type IndexedDBOptions = {
  /**
   * `relaxed` (default): a commit is stored when the operating system has it, which survives the end of the page and of
   * the browser; `strict`: when the disk has it, which survives the power cord and costs a disk write per commit.
   */
  readonly durability?: 'relaxed' | 'strict';
};

/**
 * Keeps a client's stores in an IndexedDB database of this name, which the tabs of an origin may share. What is kept is
 * kept per server and principal; `indexedDB.deleteDatabase('holdfast/' + name)` forgets everything.
 */
export function indexedDB(name: string, options: IndexedDBOptions = {}): Cache {
  if (typeof name !== 'string' || name === '') throw new TypeError('indexedDB needs a name.');
  const { durability = 'relaxed' } = options;
  if (durability !== 'relaxed' && durability !== 'strict') {
    throw new TypeError('indexedDB: "durability" must be relaxed or strict.');
  }
  return keptIn(new Database(`holdfast/${name}`, durability));
}

type Place = {
  /** What the keys of its rows begin with. */
  readonly n: string;
  readonly pen: string;
  readonly head: string | null;
};

type Schema = DBSchema & {
  notes: { key: string; value: string };
  places: { key: string; value: Place };
} & { [Kind in RowKind]: { key: string; value: string } };

type Connection = IDBPDatabase<Schema>;
type Stores = readonly StoreNames<Schema>[];
type Transaction = IDBPTransaction<Schema, StoreNames<Schema>[], 'readwrite'>;

const version = 1;
const openMsMax = 5000;
/** What is written, and read, before others have their turn. */
const writePageRows = 1000;
const readPageRows = 2000;
const kinds: readonly RowKind[] = ['entry', 'map', 'request', 'letter'];

/** Rows in IndexedDB: an object store per kind, keys of short prefixes and ids, a transaction per call. */
class Database implements RowStore {
  readonly #name: string;
  readonly #durability: 'relaxed' | 'strict';
  #connection: Promise<Connection> | null = null;

  constructor(name: string, durability: 'relaxed' | 'strict') {
    this.#name = name;
    this.#durability = durability;
  }

  read(
    place: string,
    { pen, kinds: wanted }: Parameters<RowStore['read']>[1],
    take: TakeRows,
  ): Promise<string | null> {
    return this.#transact(['places', 'notes', ...wanted], async (tx) => {
      const known = await placeIn(tx, place);
      if (pen !== null) await putPlace(tx, place, { ...known, pen });
      for (const kind of wanted) await readPages(tx, { kind, n: known.n }, take);
      return known.head;
    });
  }

  write(batch: RowBatch): Promise<Written> {
    const { place, hand } = batch;
    const stores: Stores = batch.committed === null ? ['request', 'letter'] : kinds;
    return this.#transact(['places', 'notes', ...stores], async (tx) => {
      const known = await placeIn(tx, place);
      const reign = 'reign' in hand ? Number(await tx.objectStore('notes').get('reign')) : 0;
      const { written, own, committed } = judge(batch, { ...known, reign });
      const pen = known.isNew && 'pen' in hand ? hand.pen : known.pen;
      const head = committed?.head ?? known.head;
      if (head !== known.head || (known.isNew && own.length > 0)) {
        await putPlace(tx, place, { ...known, pen, head });
      }
      putRows(tx, known.n, own);
      if (committed?.clears === true) clearRows(tx, known.n, ['entry', 'map']);
      if (committed !== null) await putInPages(tx, known.n, committed.rows);
      return written;
    });
  }

  note(name: string, next: (text: string | null) => string): Promise<string> {
    return this.#transact(['notes'], async (tx) => {
      const notes = tx.objectStore('notes');
      const text = next((await notes.get(name)) ?? null);
      await notes.put(text, name);
      return text;
    });
  }

  waiting(): Promise<readonly string[]> {
    return this.#transact(['places', 'request'], async (tx) => {
      const waiting: string[] = [];
      const requests = tx.objectStore('request');
      for (const place of await tx.objectStore('places').getAllKeys()) {
        const { n } = await placeIn(tx, place);
        if ((await requests.count(rangeOf(n))) > 0) waiting.push(place);
      }
      return waiting;
    });
  }

  clear(place: string): Promise<void> {
    return this.#transact(['places', 'notes', ...kinds], async (tx) => {
      const { n } = await placeIn(tx, place);
      clearRows(tx, n, kinds);
      await tx.objectStore('places').delete(place);
    });
  }

  async renew(): Promise<null> {
    await this.close();
    await deleteDB(this.#name);
    return null;
  }

  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = null;
    if (connection !== null) (await connection).close();
  }

  /** A transaction; once more where the connection had been closed, which browsers do for reasons of their own. */
  async #transact<T>(stores: Stores, deed: (tx: Transaction) => Promise<T>): Promise<T> {
    try {
      return await this.#attempt(stores, deed);
    } catch (error) {
      if (!isClosing(error)) throw faultOf(error);
    }
    this.#connection = null;
    try {
      return await this.#attempt(stores, deed);
    } catch (error) {
      throw faultOf(error);
    }
  }

  async #attempt<T>(stores: Stores, deed: (tx: Transaction) => Promise<T>): Promise<T> {
    this.#connection ??= this.#open();
    const connection = await this.#connection;
    const tx = connection.transaction([...stores], 'readwrite', { durability: this.#durability });
    // Its end is waited for below, whatever becomes of the deed.
    const done = tx.done.catch((error: unknown) => {
      throw tx.error ?? error;
    });
    try {
      const result = await deed(tx);
      await done;
      return result;
    } catch (error) {
      done.catch(() => undefined);
      abort(tx);
      throw tx.error ?? error;
    }
  }

  async #open(): Promise<Connection> {
    const forget = (): void => {
      this.#connection = null;
    };
    const opening = open(this.#name, forget);
    try {
      const connection = await within(opening);
      // Another tab wants to change or delete the database: it must not wait for us.
      connection.addEventListener('versionchange', () => {
        forget();
        connection.close();
      });
      return connection;
    } catch (error) {
      forget();
      opening.then((late) => late.close()).catch(() => undefined);
      throw error;
    }
  }
}

async function open(name: string, terminated: () => void): Promise<Connection> {
  const { indexedDB: factory } = globalThis as Partial<typeof globalThis>;
  if (factory === undefined) throw cacheFault('unavailable');
  try {
    return await openDB<Schema>(name, version, {
      upgrade(db) {
        for (const store of ['notes', 'places', ...kinds] as const) db.createObjectStore(store);
      },
      terminated,
    });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'VersionError') {
      throw cacheFault('newer', { cause });
    }
    throw isQuota(cause) ? cacheFault('full', { cause }) : cacheFault('unavailable', { cause });
  }
}

/** Some browsers never answer, as when they are short of something. */
function within<T>(opening: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(cacheFault('stuck')), openMsMax);
    opening.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

async function placeIn(tx: Transaction, place: string): Promise<Place & { isNew: boolean }> {
  const known = await tx.objectStore('places').get(place);
  if (known !== undefined) return { ...known, isNew: false };
  const notes = tx.objectStore('notes');
  const n = String(Number((await notes.get('places')) ?? 0) + 1);
  return { n, pen: '', head: null, isNew: true };
}

async function putPlace(
  tx: Transaction,
  place: string,
  { n, pen, head, isNew }: Place & { readonly isNew: boolean },
): Promise<void> {
  if (isNew) void tx.objectStore('notes').put(n, 'places');
  await tx.objectStore('places').put({ n, pen, head }, place);
}

function rangeOf(n: string, after: string = `${n}!`): IDBKeyRange {
  return IDBKeyRange.bound(after, `${n}"`, true, true);
}

async function readPages(
  tx: Transaction,
  { kind, n }: { readonly kind: RowKind; readonly n: string },
  take: TakeRows,
): Promise<void> {
  const store = tx.objectStore(kind);
  const start = n.length + 1;
  let range = rangeOf(n);
  for (;;) {
    const [keys, texts] = await Promise.all([
      store.getAllKeys(range, readPageRows),
      store.getAll(range, readPageRows),
    ]);
    take(
      kind,
      keys.map((key, at) => [key.slice(start), texts[at] ?? '']),
    );
    const last = keys.at(-1);
    if (last === undefined || keys.length < readPageRows) return;
    range = rangeOf(n, last);
  }
}

function clearRows(tx: Transaction, n: string, of: readonly RowKind[]): void {
  for (const kind of of) unwrap(tx.objectStore(kind)).delete(rangeOf(n));
}

function putRows(tx: Transaction, n: string, rows: Iterable<RowChange>): void {
  for (const [kind, id, text] of rows) putRow(unwrap(tx.objectStore(kind)), `${n}!${id}`, text);
}

/** A promise for each row would cost more than the row; its failure is that of the transaction. */
function putRow(store: IDBObjectStore, key: string, text: string | null): void {
  if (text === null) store.delete(key);
  else store.put(text, key);
}

/** Lets the event loop go on between pages. */
async function putInPages(tx: Transaction, n: string, rows: Iterable<RowChange>): Promise<void> {
  const stores = new Map(kinds.map((kind) => [kind, unwrap(tx.objectStore(kind))] as const));
  let count = 0;
  for (const [kind, id, text] of rows) {
    const store = stores.get(kind);
    if (store !== undefined) putRow(store, `${n}!${id}`, text);
    count += 1;
    if (count % writePageRows === 0) await tx.objectStore('places').count();
  }
}

function abort(tx: Transaction): void {
  try {
    tx.abort();
  } catch {
    // It has ended already.
  }
}

function isClosing(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'InvalidStateError';
}

function isQuota(error: unknown): boolean {
  return error instanceof Error && error.name === 'QuotaExceededError';
}

function faultOf(error: unknown): unknown {
  if (faultKind(error) !== null) return error;
  return cacheFault(isQuota(error) ? 'full' : 'failed', { cause: error });
}
