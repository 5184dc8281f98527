import { keptIn } from './kept.ts';
import type { Cache } from './port.ts';
import {
  cacheFault,
  type CacheFaultKind,
  faultKind,
  judge,
  type RowBatch,
  type RowChange,
  type RowKind,
  type RowStore,
  type TakeRows,
  type Written,
} from './rows.ts';
import {
  type Database,
  findSqlite,
  openDatabase,
  putAside,
  type Statement,
} from './node-sqlite.ts';

/** How an SQLite cache stores. */
export type SqliteCacheOptions = {
  /**
   * `relaxed` (default): a commit is stored when the operating system has it, which survives the end of the process;
   * `strict`: when the disk has it, which survives the power cord and costs a disk write per commit.
   */
  readonly durability?: 'relaxed' | 'strict';
  /** The file grows to this size at most, entries giving way to requests. Default: as far as the disk allows. */
  readonly bytesMax?: number;
};

/**
 * Keeps a client's stores in an SQLite file, in Node 22.13 or later; its directory must exist. Several processes may
 * share the file. Throws `cache_failed` where there is no `node:sqlite`.
 */
export function sqlite(file: string, options: SqliteCacheOptions = {}): Cache {
  if (typeof file !== 'string' || file === '') throw new TypeError('sqlite needs a file.');
  const { durability = 'relaxed', bytesMax = Infinity } = options;
  if (durability !== 'relaxed' && durability !== 'strict') {
    throw new TypeError('sqlite: "durability" must be relaxed or strict.');
  }
  if (typeof bytesMax !== 'number' || !(bytesMax >= pageBytes * 16)) {
    throw new TypeError(`sqlite: "bytesMax" must be a number of at least ${pageBytes * 16}.`);
  }
  findSqlite();
  return keptIn(new Rows(file, { durability, bytesMax }));
}

const pageBytes = 4096;
const pageRows = 1000;
const layout = 1;
/** For so long another process may hold the file. */
const busyMsMax = 5000;
const kinds: readonly RowKind[] = ['entry', 'map', 'request', 'letter'];

const schema = `
  CREATE TABLE note (name TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE place (n INTEGER PRIMARY KEY, place TEXT NOT NULL UNIQUE, pen TEXT NOT NULL, head TEXT);
  ${kinds.map((kind) => `CREATE TABLE ${kind} (n INTEGER, id TEXT, text TEXT, PRIMARY KEY (n, id)) WITHOUT ROWID;`).join('\n')}
  PRAGMA user_version = ${layout};`;

type Statements = {
  readonly place: Statement;
  readonly putPlace: Statement;
  readonly dropPlace: Statement;
  readonly note: Statement;
  readonly putNote: Statement;
  readonly waiting: Statement;
  readonly put: { readonly [Kind in RowKind]: Statement };
  readonly drop: { readonly [Kind in RowKind]: Statement };
  readonly clear: { readonly [Kind in RowKind]: Statement };
  readonly page: { readonly [Kind in RowKind]: Statement };
};

type Open = { readonly db: Database; readonly sql: Statements };
type Place = { readonly n: number; readonly pen: string; readonly head: string | null };

/** Rows in SQLite: a table per kind, a transaction per call. */
class Rows implements RowStore {
  readonly #file: string;
  readonly #options: Required<SqliteCacheOptions>;
  #open: Open | null = null;
  /** The transaction that is going on forgets all that there was. */
  #forgets = false;

  constructor(file: string, options: Required<SqliteCacheOptions>) {
    this.#file = file;
    this.#options = options;
  }

  read(
    place: string,
    { pen, kinds: wanted }: Parameters<RowStore['read']>[1],
    take: TakeRows,
  ): Promise<string | null> {
    return this.#transact(async ({ sql }) => {
      let known = placeIn(sql, place);
      if (pen !== null) known = putPlace(sql, { place, pen, head: known?.head ?? null });
      if (known === null) return null;
      const { n } = known;
      for (const kind of wanted) await readPages(sql.page[kind], n, (rows) => take(kind, rows));
      return known.head;
    });
  }

  write(batch: RowBatch): Promise<Written> {
    const { place, hand } = batch;
    return this.#transact(async ({ sql }) => {
      const found = placeIn(sql, place);
      const known = found ?? { pen: 'pen' in hand ? hand.pen : '', head: null };
      const reign = 'reign' in hand ? Number(noteIn(sql, 'reign')) : 0;
      const verdict = judge(batch, { isNew: found === null, pen: known.pen, reign });
      const { written, own, committed } = verdict;
      if (committed === null && own.length === 0) return written;
      const { n } = putPlace(sql, { place, pen: known.pen, head: committed?.head ?? known.head });
      await putRows(sql, n, own);
      if (committed?.clears === true) await this.#clear(sql, n, ['entry', 'map']);
      if (committed !== null) await putRows(sql, n, committed.rows);
      return written;
    });
  }

  note(name: string, next: (text: string | null) => string): Promise<string> {
    return this.#transact(async ({ sql }) => {
      const text = next(noteIn(sql, name));
      sql.putNote.run(name, text);
      return text;
    });
  }

  waiting(): Promise<readonly string[]> {
    return this.#transact(async ({ sql }) =>
      sql.waiting.all().map(({ place }) => textOf(place) ?? ''),
    );
  }

  clear(place: string): Promise<void> {
    return this.#transact(async ({ sql }) => {
      const known = placeIn(sql, place);
      if (known === null) return;
      await this.#clear(sql, known.n, kinds);
      sql.dropPlace.run(known.n);
    });
  }

  async renew(): Promise<string> {
    await this.close();
    return putAside(this.#file);
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    open?.db.close();
  }

  async #transact<T>(deed: (open: Open) => Promise<T>): Promise<T> {
    try {
      const open = await patiently(() => this.#begin());
      try {
        const result = await deed(open);
        await patiently(() => open.db.exec('COMMIT'));
        if (this.#forgets) emptyLog(open.db);
        return result;
      } catch (error) {
        if (open.db.isTransaction) open.db.exec('ROLLBACK');
        throw error;
      }
    } catch (error) {
      throw faultOf(error);
    }
  }

  async #clear(sql: Statements, n: number, of: readonly RowKind[]): Promise<void> {
    this.#forgets = true;
    for (const kind of of) {
      while (Number(sql.clear[kind].run(n, n).changes) === pageRows) await later(0);
    }
  }

  #begin(): Open {
    this.#open ??= this.#connect();
    this.#open.db.exec('BEGIN IMMEDIATE');
    this.#forgets = false;
    return this.#open;
  }

  #connect(): Open {
    const { durability, bytesMax } = this.#options;
    const db = openDatabase(this.#file);
    try {
      db.exec(`PRAGMA journal_mode = WAL`);
      db.exec(`PRAGMA synchronous = ${durability === 'strict' ? 'FULL' : 'NORMAL'}`);
      const pagesMax = Math.min(Math.floor(bytesMax / pageBytes), 0xfffffffe);
      db.exec(`PRAGMA max_page_count = ${pagesMax}`);
      // What may no longer be read is not to be read in the file either (P76).
      db.exec('PRAGMA secure_delete = ON');
      db.exec('BEGIN IMMEDIATE');
      prepareFile(db);
      db.exec('COMMIT');
      return { db, sql: statementsOf(db) };
    } catch (error) {
      db.close();
      throw error;
    }
  }
}

/** Nor in what SQLite has logged of it, which it would write over some time. */
function emptyLog(db: Database): void {
  try {
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } catch {
    // Another process is at work with the file: its log is emptied by whoever closes it last.
  }
}

/** Makes the tables in a new file; refuses one that is not ours, or of a later layout. */
function prepareFile(db: Database): void {
  const of = db.prepare('PRAGMA user_version').get()?.['user_version'];
  if (of === layout) return;
  if (typeof of === 'number' && of > layout) throw cacheFault('newer');
  const tables = db.prepare('SELECT count(*) AS count FROM sqlite_schema').get();
  if (tables?.['count'] !== 0) {
    throw cacheFault('unavailable', { cause: new Error('the file holds something else') });
  }
  db.exec(schema);
}

function statementsOf(db: Database): Statements {
  const perKind = (text: (kind: RowKind) => string): Statements['put'] => ({
    entry: db.prepare(text('entry')),
    map: db.prepare(text('map')),
    request: db.prepare(text('request')),
    letter: db.prepare(text('letter')),
  });
  return {
    place: db.prepare('SELECT n, pen, head FROM place WHERE place = ?'),
    putPlace: db.prepare(
      'INSERT INTO place (place, pen, head) VALUES (?, ?, ?) ON CONFLICT (place) DO UPDATE SET pen = excluded.pen, head = excluded.head RETURNING n, pen, head',
    ),
    dropPlace: db.prepare('DELETE FROM place WHERE n = ?'),
    note: db.prepare('SELECT text FROM note WHERE name = ?'),
    putNote: db.prepare('INSERT OR REPLACE INTO note (name, text) VALUES (?, ?)'),
    waiting: db.prepare('SELECT place FROM place WHERE n IN (SELECT n FROM request)'),
    put: perKind((kind) => `INSERT OR REPLACE INTO ${kind} (n, id, text) VALUES (?, ?, ?)`),
    drop: perKind((kind) => `DELETE FROM ${kind} WHERE n = ? AND id = ?`),
    clear: perKind(
      (kind) =>
        `DELETE FROM ${kind} WHERE n = ? AND id IN (SELECT id FROM ${kind} WHERE n = ? LIMIT ${pageRows})`,
    ),
    page: perKind(
      (kind) => `SELECT id, text FROM ${kind} WHERE n = ? AND id > ? ORDER BY id LIMIT ${pageRows}`,
    ),
  };
}

function placeIn(sql: Statements, place: string): Place | null {
  const row = sql.place.get(place);
  return row === undefined ? null : placeOf(row);
}

function putPlace(
  sql: Statements,
  { place, pen, head }: { place: string; pen: string; head: string | null },
): Place {
  const row = sql.putPlace.get(place, pen, head);
  if (row === undefined) throw cacheFault('failed');
  return placeOf(row);
}

function placeOf({ n, pen, head }: { readonly [column: string]: unknown }): Place {
  if (typeof n !== 'number') throw cacheFault('corrupt');
  return { n, pen: textOf(pen) ?? '', head: textOf(head) };
}

function noteIn(sql: Statements, name: string): string | null {
  return textOf(sql.note.get(name)?.['text']);
}

function textOf(column: unknown): string | null {
  return typeof column === 'string' ? column : null;
}

async function readPages(
  page: Statement,
  n: number,
  take: (rows: readonly (readonly [string, string])[]) => void,
): Promise<void> {
  let last = '';
  for (;;) {
    const rows = page
      .all(n, last)
      .map(({ id, text }) => [textOf(id) ?? '', textOf(text) ?? ''] as const);
    take(rows);
    const end = rows.at(-1)?.[0];
    if (rows.length < pageRows || end === undefined) return;
    last = end;
    await later(0);
  }
}

async function putRows(sql: Statements, n: number, rows: Iterable<RowChange>): Promise<void> {
  let count = 0;
  for (const [kind, id, text] of rows) {
    if (text === null) sql.drop[kind].run(n, id);
    else sql.put[kind].run(n, id, text);
    count += 1;
    if (count % pageRows === 0) await later(0);
  }
}

/** Tries again while another process holds the file, without holding up this one. */
async function patiently<T>(deed: () => T): Promise<T> {
  const start = performance.now();
  for (let waitMs = 2; ; waitMs = Math.min(waitMs * 2, 100)) {
    try {
      return deed();
    } catch (error) {
      if (kindOf(error) !== 'busy' || performance.now() - start > busyMsMax) throw error;
    }
    await later(waitMs);
  }
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Primary result codes of SQLite. */
const faults: ReadonlyMap<number, CacheFaultKind> = new Map([
  [5, 'busy'],
  [6, 'busy'],
  [8, 'unavailable'],
  [11, 'corrupt'],
  [13, 'full'],
  [14, 'unavailable'],
  [26, 'corrupt'],
]);

function kindOf(error: unknown): CacheFaultKind | null {
  if (!(error instanceof Error) || !('errcode' in error)) return null;
  const { errcode } = error;
  return typeof errcode === 'number' ? (faults.get(errcode & 0xff) ?? 'failed') : null;
}

function faultOf(error: unknown): unknown {
  if (faultKind(error) !== null) return error;
  const kind = kindOf(error);
  return kind === null ? error : cacheFault(kind, { cause: error });
}
