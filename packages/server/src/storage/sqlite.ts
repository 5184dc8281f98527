import type { DatabaseSync } from 'node:sqlite';
import type { EpochMs, Path, Seq } from '@holdfast/protocol';
import { retentionOf } from './batch.ts';
import { givenClocks } from './settled.ts';
import {
  type Answer,
  type AnswersAsked,
  type AnswersFound,
  type AppendResult,
  type Batch,
  type ClearMarker,
  type LoadChunk,
  type LoggedOp,
  type ReadLimit,
  type Retention,
  type Storage,
  StorageError,
  type StoreHead,
} from './port.ts';
import { SqliteFiles } from './sqlite/files.ts';
import { SqliteStores, SqliteTokens } from './sqlite/admin.ts';
import { SqliteDevices } from './sqlite/devices.ts';
import { SqliteAudit } from './sqlite/audit.ts';
import { SqliteKeys } from './sqlite/keys.ts';
import { Appender } from './sqlite/appender.ts';
import { KeptClock } from './sqlite/clock.ts';
import { Commits } from './sqlite/commits.ts';
import { toStorageError, UnknownOutcome } from './sqlite/faults.ts';
import { DatabaseFile, type FileOptions } from './sqlite/file.ts';
import { type Row, RowReader } from './sqlite/rows.ts';
import { askerByLog, prepareAll, prepareReads, type Reads } from './sqlite/statements.ts';
import { Sweep } from './sqlite/sweep.ts';
import { SqliteWebhooks } from './sqlite/webhooks.ts';

/** How to keep stores in an SQLite file. */
export type SqliteOptions = FileOptions & {
  readonly retention?: Partial<Retention>;
  /**
   * The wall clock; the system's by default, of which a jump ahead makes nothing old that is kept for a time (such as the
   * answers by which repeats are known) until it has stood for a day, also one that comes about while the file is closed.
   */
  readonly now?: () => EpochMs;
  /** A clock in milliseconds that nobody sets, by which a jump of `now` is noticed; default: the system's, or `now` itself if given. */
  readonly monotonic?: () => number;
};

const chunkRows = 1000;

/**
 * Keeps everything in `holdfast.db` in a directory of which this process is the only user. Throws {@link StorageError} at
 * once if it is locked, damaged, written by newer code, or unreadable.
 */
export function sqlite(options: SqliteOptions): Storage {
  const retention = retentionOf(options.retention);
  const file = new DatabaseFile(options);
  try {
    return new SqliteStorage(file, { retention, ...givenClocks(options) });
  } catch (error) {
    file.close();
    throw toStorageError(error, file.name);
  }
}

type Policy = { readonly retention: Retention } & ReturnType<typeof givenClocks>;

class SqliteStorage implements Storage {
  readonly stores: SqliteStores;
  readonly tokens: SqliteTokens;
  readonly devices: SqliteDevices;
  readonly files: SqliteFiles;
  readonly webhooks: SqliteWebhooks;
  readonly audit: SqliteAudit;
  readonly keys: SqliteKeys;
  readonly now: () => EpochMs;
  readonly settled?: () => Promise<EpochMs>;
  readonly #file: DatabaseFile;
  readonly #rows: RowReader;
  readonly #commits: Commits;
  readonly #appender: Appender;
  readonly #reads: Reads;
  readonly #compaction;
  readonly #sweep: Sweep;
  #closed: Promise<void> | null = null;

  constructor(file: DatabaseFile, { retention, now, monotonic }: Policy) {
    const db = file.writer;
    this.#file = file;
    this.now = now;
    this.#rows = new RowReader(file.name);
    this.#commits = new Commits(file);
    const room = { db, commits: this.#commits, rows: this.#rows, now };
    const clock = monotonic === undefined ? null : new KeptClock({ ...room, monotonic });
    if (clock !== null) this.settled = () => clock.keep();
    const desk = { ...room, retention, settled: clock === null ? now : () => clock.read() };
    this.#appender = new Appender(db, this.#rows, desk);
    this.#reads = prepareReads(db);
    this.#compaction = prepareAll(db, {
      // Before the log forgets it.
      note: `UPDATE answers SET principal = ${askerByLog}
        WHERE store = ? AND seq >= ? AND seq <= ? AND principal IS NULL`,
      drop: 'DELETE FROM log WHERE store = ? AND seq < ?',
      dropFiles: 'DELETE FROM op_files WHERE store = ? AND seq < ?',
      mark: 'UPDATE stores SET oldest_seq = ? WHERE key = ?',
    });
    this.#sweep = new Sweep(desk);
    this.stores = new SqliteStores(desk, (key) => this.#sweep.start(key));
    this.tokens = new SqliteTokens(desk);
    this.devices = new SqliteDevices(desk);
    this.files = new SqliteFiles(desk);
    this.webhooks = new SqliteWebhooks(desk);
    this.audit = new SqliteAudit(desk);
    this.keys = new SqliteKeys(desk);
    this.#sweep.resume();
  }

  async open(store: string): Promise<StoreHead | null> {
    return this.#commits.read(() => {
      const place = this.#place(store);
      if (place === null) return null;
      return {
        head: this.#rows.integer(place, 'head'),
        oldestSeq: this.#rows.integer(place, 'oldest_seq'),
        dedupeSince: this.#rows.integer(place, 'dedupe_since'),
      };
    });
  }

  async *load(store: string): AsyncIterable<LoadChunk> {
    try {
      const reader = await this.#file.borrow();
      try {
        yield* this.#loadFrom(reader, store);
      } finally {
        this.#file.giveBack(reader);
      }
    } catch (error) {
      throw toStorageError(error, this.#file.name);
    }
  }

  async append(store: string, expected: Seq, batch: Batch): Promise<AppendResult> {
    const weight = batch.ops.length + batch.entries.length;
    try {
      return await this.#commits.enqueue(weight, () =>
        this.#appender.append(store, expected, batch),
      );
    } catch (error) {
      if (error instanceof UnknownOutcome) return { status: 'unknown' };
      if (!(error instanceof StorageError)) throw error;
      return { status: 'failed', message: error.message, reason: error.reason };
    }
  }

  async read(store: string, after: Seq, limit: ReadLimit): Promise<readonly LoggedOp[]> {
    return this.#commits.read(() => {
      const place = this.#place(store);
      if (place === null) return [];
      const ops: LoggedOp[] = [];
      let bytes = 0;
      for (const row of this.#reads.log.iterate(this.#key(place), after, limit.ops)) {
        bytes += textLength(row['value']) + textLength(row['arg']) + textLength(row['removed']);
        if (ops.length > 0 && bytes > (limit.bytes ?? Infinity)) break;
        ops.push(this.#rows.op(row));
      }
      return ops;
    });
  }

  async answers(store: string, { ids, clients }: AnswersAsked): Promise<AnswersFound> {
    return this.#commits.read(() => {
      const answers: Answer[] = [];
      const highs = new Map<string, number>();
      const place = this.#place(store);
      if (place === null) return { answers, highs };
      for (const { deviceId, opId } of ids) {
        const rows = this.#reads.answer.all(this.#key(place), opId, deviceId);
        for (const row of rows) answers.push(this.#rows.answer(row));
      }
      for (const client of clients) {
        const row = this.#reads.high.get(this.#key(place), client);
        if (row !== undefined) highs.set(client, this.#rows.integer(row, 'counter'));
      }
      return { answers, highs };
    });
  }

  async markers(store: string, after: Seq, limit: number): Promise<readonly ClearMarker[]> {
    return this.#commits.read(() => {
      const place = this.#place(store);
      if (place === null) return [];
      const rows = this.#reads.markers.all(this.#key(place), after, limit);
      return rows.map((row) => ({
        path: this.#rows.path(row),
        seq: this.#rows.integer(row, 'seq'),
      }));
    });
  }

  compact(store: string, through: Seq, limit: number): Promise<Seq> {
    return this.#commits.enqueue(limit, () => {
      const place = this.#place(store);
      if (place === null) return 1;
      const oldest = this.#rows.integer(place, 'oldest_seq');
      const last = Math.min(through, this.#rows.integer(place, 'head'), oldest + limit - 1);
      if (last < oldest) return oldest;
      this.#compaction.note.run(this.#key(place), oldest, last);
      this.#compaction.drop.run(this.#key(place), last + 1);
      this.#compaction.dropFiles.run(this.#key(place), last + 1);
      this.#compaction.mark.run(last + 1, this.#key(place));
      return last + 1;
    });
  }

  async size(): Promise<number> {
    return this.#commits.read(() => {
      const row = this.#reads.size.get();
      return row === undefined ? 0 : this.#rows.integer(row, 'bytes');
    });
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const swept = this.#sweep.stop();
    void this.settled?.();
    this.#commits.close();
    await swept;
    this.#file.close();
  }

  #place(store: string): Row | null {
    return this.#reads.findPlace.get(store) ?? null;
  }

  #key(place: Row): number {
    return this.#rows.integer(place, 'key');
  }

  /** All chunks come from one read transaction, which sees one seq whatever is appended meanwhile. */
  *#loadFrom(reader: DatabaseSync, store: string): Iterable<LoadChunk> {
    reader.exec('BEGIN');
    const { findPlace, entries, maps } = prepareReads(reader);
    const place = findPlace.get(store);
    if (place === undefined) return;
    const key = this.#key(place);
    const seq = this.#rows.integer(place, 'head');
    for (const rows of pages((after) => entries.all(key, after, chunkRows))) {
      yield { seq, entries: rows.map((row) => this.#rows.entry(row)), maps: [] };
    }
    for (const rows of pages((after) => maps.all(key, after, chunkRows))) {
      if (rows.length > 0) yield { seq, entries: [], maps: rows.map((row) => this.#map(row)) };
    }
  }

  #map(row: Row): readonly [Path, Seq] {
    return [this.#rows.path(row), this.#rows.integer(row, 'revision')];
  }
}

/** Pages of rows in path order; at least one, which may be empty. */
function* pages(read: (after: string) => Row[]): Iterable<readonly Row[]> {
  let after = '';
  for (;;) {
    const rows = read(after);
    yield rows;
    const last = rows.at(-1)?.['path'];
    if (rows.length < chunkRows || typeof last !== 'string') return;
    after = last;
  }
}

function textLength(value: unknown): number {
  return typeof value === 'string' ? value.length : 0;
}
