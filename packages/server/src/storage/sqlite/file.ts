import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StorageError } from '../port.ts';
import {
  closedStorage,
  corruptFile,
  movedFile,
  resultCode,
  toStorageError,
  unfinishedFile,
  unreachableFile,
} from './faults.ts';
import { applicationId, migrate, readPragma, refuseNewer } from './schema.ts';

/** How the file is opened. */
export type FileOptions = {
  /** Made if it is not there. One server uses it at a time. */
  readonly directory: string;
  /** `full` survives power loss; `process` survives the death of the process, and is faster on slow disks. */
  readonly durability?: 'full' | 'process';
  /** Quota of the database file; beyond it appends fail as on a full disk. */
  readonly bytesMax?: number;
};

/** Beyond this size a check of every page would delay the start; damage is then found when it is read. */
const checkedBytesMax = 64 * 1024 * 1024;
const pageBytes = 4096;
const readersMax = 8;
const sqliteBusy = 5;

/** An open database file that no other server has open. */
export class DatabaseFile {
  readonly name: string;
  readonly writer: DatabaseSync;
  readonly #lock: DatabaseSync;
  /** The file, and those that SQLite keeps beside it while it is open: what was committed last is in the first of them only. */
  readonly #places: readonly (readonly [name: string, place: string | null])[];
  readonly #idle: DatabaseSync[] = [];
  readonly #waiting: Waiting[] = [];
  #readers = 0;
  #closed = false;

  constructor(options: FileOptions) {
    this.name = join(options.directory, 'holdfast.db');
    makeDirectory(options.directory);
    if (!existsSync(this.name) && existsSync(partOf(this.name))) throw unfinishedFile(this.name);
    this.#lock = lockDirectory(options.directory, this.name);
    try {
      checkFile(this.name);
      this.writer = openWriter(this.name, options);
      const names = ['', '-wal', '-shm'].map((end) => `${this.name}${end}`);
      this.#places = names.map((name) => [name, placeOf(name)]);
    } catch (error) {
      this.#lock.close();
      throw toStorageError(error, this.name);
    }
  }

  /** Throws where a name leads to another file than was opened, or to none: what is written to that nobody would find again. */
  checkPlace(): void {
    for (const [name, place] of this.#places) if (placeOf(name) !== place) throw movedFile(name);
  }

  /** A read-only connection; few are out at a time, so that many loads at once do not exhaust descriptors. */
  async borrow(): Promise<DatabaseSync> {
    if (this.#closed) throw closedStorage();
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    if (this.#readers === readersMax) {
      return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    }
    this.checkPlace();
    const reader = openReader(this.name);
    this.#readers += 1;
    return reader;
  }

  /** Ends what the reader has begun. */
  giveBack(reader: DatabaseSync): void {
    try {
      reader.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back by itself, as it does where a disk fails.
    }
    const next = this.#waiting.shift();
    if (this.#closed) reader.close();
    else if (next === undefined) this.#idle.push(reader);
    else next.resolve(reader);
  }

  close(): void {
    this.#closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(closedStorage());
    for (const reader of this.#idle.splice(0)) reader.close();
    this.writer.close();
    // Last, so that nobody else opens the file while it is being closed.
    this.#lock.close();
  }
}

/** What a file is called while it is being restored. */
export function partOf(file: string): string {
  return `${file}.part`;
}

/** What a file keeps when it is written to, and no other has; null: there is none of that name. */
function placeOf(name: string): string | null {
  try {
    const place = statSync(name, { bigint: true, throwIfNoEntry: false });
    return place === undefined ? null : `${place.dev} ${place.ino}`;
  } catch (error) {
    throw unreachableFile(name, error);
  }
}

type Waiting = {
  readonly resolve: (reader: DatabaseSync) => void;
  readonly reject: (error: StorageError) => void;
};

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new StorageError(
      'io',
      `The data directory ${directory} cannot be made (${why}). Choose another or set its permissions.`,
      error,
    );
  }
}

/**
 * Excludes other servers by an exclusive transaction on a database of its own. The operating system releases it with the
 * process, however that dies; and the data file stays open to readers.
 */
function lockDirectory(directory: string, file: string): DatabaseSync {
  const name = join(directory, 'holdfast.lock');
  let lock: DatabaseSync | null = null;
  try {
    lock = new DatabaseSync(name);
    // Nothing is ever written, also no journal, so that a server starts on a disk that is full.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    refuseReadOnly(lock);
    return lock;
  } catch (error) {
    lock?.close();
    if ((resultCode(error) ?? 0) % 256 !== sqliteBusy) throw toStorageError(error, name);
    throw new StorageError(
      'locked',
      `${file} is in use by another Holdfast server. Stop that server, or give this one another data directory.`,
      error,
    );
  }
}

/**
 * Throws where this user may not write to the file: SQLite opens it all the same, and makes of a transaction that is to write
 * one that reads.
 */
function refuseReadOnly(db: DatabaseSync): void {
  db.exec(`PRAGMA user_version = ${readPragma(db, 'user_version')}`);
}

/** Looks at an existing file through a connection that cannot change it. */
function checkFile(name: string): void {
  const bytes = statSync(name, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes === 0) return;
  const db = new DatabaseSync(name, { readOnly: true });
  try {
    const version = readPragma(db, 'user_version');
    if (version > 0 && readPragma(db, 'application_id') === applicationId) {
      refuseNewer(version, name);
    } else if (db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n'] !== 0) {
      throw corruptFile(name, 'it belongs to another application');
    }
    const check = bytes <= checkedBytesMax ? db.prepare('PRAGMA quick_check(1)').get() : undefined;
    const verdict = check?.['quick_check'] ?? 'ok';
    if (verdict !== 'ok') throw corruptFile(name, String(verdict));
  } finally {
    db.close();
  }
}

function openWriter(name: string, { durability, bytesMax }: FileOptions): DatabaseSync {
  const db = new DatabaseSync(name);
  try {
    db.exec(`
      PRAGMA page_size = ${pageBytes};
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = ${durability === 'process' ? 'NORMAL' : 'FULL'};
      PRAGMA cache_size = -65536;
      PRAGMA temp_store = MEMORY;
      PRAGMA secure_delete = FAST;
      PRAGMA journal_size_limit = 67108864;
    `);
    migrate(db, name);
    db.exec('BEGIN IMMEDIATE');
    refuseReadOnly(db);
    db.exec('ROLLBACK');
    emptyLog(db);
    if (bytesMax !== undefined) {
      db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(bytesMax / pageBytes))}`);
    }
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Takes over what a process that was killed has left in its log. Otherwise the first commit would, while everybody waits:
 * seconds, where a reader had let it grow to hundreds of MB.
 */
function emptyLog(db: DatabaseSync): void {
  try {
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } catch {
    // A disk that is full has no room for it: the log stays, as it would under commits.
  }
}

function openReader(name: string): DatabaseSync {
  const db = new DatabaseSync(name, { readOnly: true });
  try {
    db.exec('PRAGMA cache_size = -8192');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
