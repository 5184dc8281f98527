import { isObject } from '@holdfast/protocol';
import { deleteDB, type IDBPTransaction, type StoreNames, unwrap } from 'idb';
import { Blocks, isLoose, noCounts } from './blocks.ts';
import type { fold } from './fold.ts';
import { keptIn } from './kept.ts';
import {
  type Connection,
  kinds,
  type Layout,
  type OwnKind,
  ownKinds,
  type Place,
  rangeOf,
  stateKinds,
} from './layout.ts';
import { abort, isQuota, openLayout } from './opening.ts';
import type { Cache } from './port.ts';
import {
  cacheFault,
  faultKind,
  judge,
  type RowBatch,
  type RowKind,
  type RowStore,
  type TakeRows,
  unreadable,
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
 * kept per server and principal; `indexedDB.deleteDatabase('holdfast/' + name)` forgets everything. Throws `cache_failed` on a
 * platform that has no IndexedDB; where it is there and fails, the client goes on in memory.
 */
export function indexedDB(name: string, options: IndexedDBOptions = {}): Cache {
  if (typeof name !== 'string' || name === '') throw new TypeError('indexedDB needs a name.');
  const { durability = 'relaxed' } = options;
  if (durability !== 'relaxed' && durability !== 'strict') {
    throw new TypeError('indexedDB: "durability" must be relaxed or strict.');
  }
  if (globalThis.indexedDB === undefined) throw cacheFault('unavailable');
  return keptIn(new Database(`holdfast/${name}`, durability));
}

type Stores = readonly StoreNames<Layout>[];
type Transaction = IDBPTransaction<Layout, StoreNames<Layout>[], 'readwrite'>;

const openMsMax = 5000;
/** While data is cleared nothing can be opened. */
const reopenPausesMs = [0, 100, 1000];
/** What is written, and read, before others have their turn. */
const writePageRows = 1000;
const readPageRows = 2000;

/** Rows in IndexedDB: an object store per kind, a transaction per call. */
class Database implements RowStore {
  removed?: () => void;
  readonly #name: string;
  readonly #durability: 'relaxed' | 'strict';
  #connection: Promise<Connection> | null = null;
  /** The browser was asked to open it, and has yet to answer. */
  #isStuck = false;
  /** Doubles with every fold that fails. */
  #patience = 1;
  /** What folds, once it is loaded; false: it is on its way. */
  #folder: typeof fold | false | null = null;

  constructor(name: string, durability: 'relaxed' | 'strict') {
    this.#name = name;
    this.#durability = durability;
  }

  read(
    place: string,
    { pen, kinds: wanted }: Parameters<RowStore['read']>[1],
    take: TakeRows,
  ): Promise<string | null> {
    let isTaken = false;
    const takeOnce: TakeRows = (kind, rows) => {
      isTaken = true;
      take(kind, rows);
    };
    return this.#transact(['places', 'notes', ...wanted], async (tx) => {
      // Nothing is read twice.
      if (isTaken) throw cacheFault('failed');
      const known = await placeIn(tx, place);
      await Promise.all([
        pen === null ? null : putPlace(tx, place, { ...known, pen }),
        ...wanted.map((kind) => readRows(tx, { kind, n: known.n }, takeOnce)),
      ]);
      return known.head;
    });
  }

  async write(batch: RowBatch): Promise<Written> {
    const { place, hand } = batch;
    const stores: Stores = batch.committed === null ? ['request', 'letter'] : kinds;
    // The rows can be gone through once: of a commit that was cut off the rest is stored.
    let left = batch;
    const [done, counts] = await this.#transact(['places', 'notes', ...stores], async (tx) => {
      const known = await placeIn(tx, place);
      const reign = 'reign' in hand ? Number(await noteIn(tx, 'reign')) : 0;
      const isNew = known.isNew || known.head === unreadable;
      const { written, own, committed } = judge(left, { ...known, isNew, reign });
      const isCut = left !== batch && written === 'stored';
      const pen = known.isNew && 'pen' in hand ? hand.pen : known.pen;
      if (committed !== null) left = { ...batch, committed: null };
      putOwn(tx, known.n, own);
      const now = committed === null ? known : await putState(tx, known, committed);
      if (committed !== null || (known.isNew && own.length > 0)) {
        await putPlace(tx, place, { ...now, pen });
      }
      return [isCut ? 'gone' : written, now] as const;
    });
    if (isLoose(counts, this.#patience)) {
      // No commit waits for the network: what folds is there for a later one.
      if (this.#folder) await this.#fold(place, this.#folder);
      else if (this.#folder === null) void this.#loadFolder();
    }
    return done;
  }

  note(name: string, next: (text: string | null) => string): Promise<string> {
    return this.#transact(['notes'], async (tx) => {
      const known = await noteIn(tx, name);
      const text = next(known);
      if (text !== known) await tx.objectStore('notes').put(text, name);
      return text;
    });
  }

  waiting(): Promise<readonly string[]> {
    return this.#transact(['places', 'request'], async (tx) => {
      const waiting: string[] = [];
      const requests = tx.objectStore('request');
      const places = tx.objectStore('places');
      for (const place of await places.getAllKeys()) {
        const n = numberOf(await places.get(place));
        if (n > 0 && (await requests.count(rangeOf(String(n)))) > 0) waiting.push(place);
      }
      return waiting;
    });
  }

  clear(place: string): Promise<void> {
    return this.#transact(['places', 'notes', ...kinds], async (tx) => {
      const { n } = await placeIn(tx, place);
      clearRows(tx, n);
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

  async #loadFolder(): Promise<void> {
    this.#folder = false;
    try {
      this.#folder = (await import('./fold.ts')).fold;
    } catch {
      this.#folder = null;
      this.#patience *= 2;
    }
  }

  /** A transaction of its own: a commit does not fail because there is no room for this, or something is damaged. */
  async #fold(place: string, folder: typeof fold): Promise<void> {
    try {
      await this.#transact(['places', 'notes', ...stateKinds], async (tx) => {
        const known = await placeIn(tx, place);
        // It was cleared meanwhile, and a place that there is would be added to.
        if (known.isNew) return;
        const counts = { size: known.size, loose: 0, next: 0 };
        for (const kind of stateKinds) {
          await folder(new Blocks(unwrap(tx.objectStore(kind)), known.n, counts));
        }
        await putPlace(tx, place, { ...known, ...counts });
      });
    } catch {
      // Nothing has changed: there is more to be read than there need be.
      this.#patience *= 2;
    }
  }

  /**
   * A transaction; again, over another connection, where it fails for no reason of ours: browsers close connections, also
   * amid a transaction, for reasons of their own, and where the user has the data cleared. They have many names for that.
   */
  async #transact<T>(
    stores: Stores,
    deed: (tx: Transaction) => Promise<T>,
    pausesMs: readonly number[] = reopenPausesMs,
  ): Promise<T> {
    const [pauseMs, ...rest] = pausesMs;
    try {
      return await this.#attempt(stores, deed);
    } catch (error) {
      const isOpening = faultKind(error) === 'unavailable' && pausesMs !== reopenPausesMs;
      const isOfBrowser = isOpening || (error instanceof DOMException && !isQuota(error));
      if (pauseMs === undefined || !isOfBrowser) throw faultOf(error);
    }
    await this.close();
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    return this.#transact(stores, deed, rest);
  }

  async #attempt<T>(stores: Stores, deed: (tx: Transaction) => Promise<T>): Promise<T> {
    // Each store would wait as long again, one after the other.
    if (this.#isStuck) throw cacheFault('stuck');
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
    // Some browsers never answer, as when they are short of something.
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(cacheFault('stuck')), openMsMax);
    });
    const upgrading = (): void => clearTimeout(timer);
    // The next attempt meets it closed, and waits until another can be opened.
    const terminated = (): void => this.removed?.();
    const opening = openLayout(this.#name, { terminated, upgrading });
    try {
      const connection = await Promise.race([opening, late]);
      // Another tab wants to change or delete the database: it must not wait for us.
      connection.addEventListener('versionchange', ({ newVersion }) => {
        forget();
        connection.close();
        if (newVersion === null) this.removed?.();
      });
      return connection;
    } catch (error) {
      forget();
      this.#isStuck = faultKind(error) === 'stuck';
      const answered = (): void => {
        this.#isStuck = false;
      };
      opening.then((slow) => slow.close()).then(answered, answered);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Nothing is believed: what is kept under a record that makes no sense is as what is kept under an unreadable head. */
async function placeIn(tx: Transaction, place: string): Promise<Place & { isNew: boolean }> {
  const places = tx.objectStore('places');
  const known: unknown = await places.get(place);
  if (isPlace(known)) return { ...known, isNew: false };
  const head = known === undefined && (await places.count(place)) === 0 ? null : unreadable;
  const n = numberOf(known);
  if (n > 0) return { n: String(n), pen: '', head, ...noCounts, isNew: false };
  // A number that is given twice would show one what is kept of the other.
  const taken = (await places.getAll()).map(numberOf);
  const last = numberOf({ n: await noteIn(tx, 'places') });
  return { n: String(Math.max(last, ...taken) + 1), pen: '', head, ...noCounts, isNew: true };
}

function isPlace(record: unknown): record is Place {
  if (numberOf(record) === 0 || !isObject(record)) return false;
  const { head, size, loose, next } = record;
  const isHead = head === null || typeof head === 'string';
  return isHead && [size, loose, next].every((count) => Number.isSafeInteger(count));
}

/** The number of a place; 0: it has none that makes sense. */
function numberOf(record: unknown): number {
  const n = isObject(record) ? record['n'] : null;
  return typeof n === 'string' && /^[1-9]\d{0,14}$/.test(n) ? Number(n) : 0;
}

async function noteIn(tx: Transaction, name: string): Promise<string | null> {
  const note: unknown = await tx.objectStore('notes').get(name);
  return typeof note === 'string' ? note : null;
}

async function putPlace(
  tx: Transaction,
  place: string,
  { isNew, ...known }: Place & { readonly isNew: boolean },
): Promise<void> {
  if (isNew) void tx.objectStore('notes').put(known.n, 'places');
  await tx.objectStore('places').put(known, place);
}

function readRows(
  tx: Transaction,
  { kind, n }: { readonly kind: RowKind; readonly n: string },
  take: TakeRows,
): Promise<void> {
  if (kind === 'request' || kind === 'letter') return readPages(tx, { kind, n }, take);
  return new Blocks(unwrap(tx.objectStore(kind)), n).read((rows) => take(kind, rows));
}

async function readPages(
  tx: Transaction,
  { kind, n }: { readonly kind: OwnKind; readonly n: string },
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
      keys.map((key, at) => [key.slice(start), textOf(texts[at])]),
    );
    const last = keys.at(-1);
    if (last === undefined || keys.length < readPageRows) return;
    range = rangeOf(n, last);
  }
}

function textOf(record: unknown): string {
  return typeof record === 'string' ? record : '';
}

function clearRows(tx: Transaction, n: string): void {
  for (const kind of stateKinds) new Blocks(unwrap(tx.objectStore(kind)), n).clear();
  for (const kind of ownKinds) unwrap(tx.objectStore(kind)).delete(rangeOf(n));
}

/** A promise for each row would cost more than the row; its failure is that of the transaction. */
function putOwn(tx: Transaction, n: string, rows: RowBatch['own']): void {
  for (const [kind, id, text] of rows) {
    const store = unwrap(tx.objectStore(kind));
    if (text === null) store.delete(`${n}!${id}`);
    else store.put(text, `${n}!${id}`);
  }
}

/** Puts entries and maps under their head, and gives what the place is then. */
async function putState<P extends Place>(
  tx: Transaction,
  place: P,
  { head, clears, rows }: NonNullable<RowBatch['committed']>,
): Promise<P> {
  const { size, loose, next } = clears ? noCounts : place;
  const counts = { size, loose, next };
  const entries = new Blocks(unwrap(tx.objectStore('entry')), place.n, counts);
  const maps = new Blocks(unwrap(tx.objectStore('map')), place.n, counts);
  if (clears) for (const blocks of [entries, maps]) blocks.clear();
  let count = 0;
  for (const [kind, id, text] of rows) {
    (kind === 'entry' ? entries : maps).add([id, text]);
    count += 1;
    // Lets the event loop go on between pages.
    if (count % writePageRows === 0) await tx.objectStore('places').count();
  }
  for (const blocks of [entries, maps]) blocks.flush();
  return { ...place, ...counts, head };
}

function faultOf(error: unknown): unknown {
  if (faultKind(error) !== null) return error;
  return cacheFault(isQuota(error) ? 'full' : 'failed', { cause: error });
}
