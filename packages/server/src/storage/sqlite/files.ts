import type { SQLInputValue, StatementSync } from 'node:sqlite';
import { fileGraceMs } from '../batch.ts';
import type { FileContent, FilePlace, FileTable } from '../port.ts';
import type { Desk } from './desk.ts';
import type { Row } from './rows.ts';
import { prepareAll } from './statements.ts';

const pageRows = 200;
const prunedUploads = 16;

/** Which content is in use. */
export class SqliteFiles implements FileTable {
  readonly #desk: Desk;
  readonly #sql;

  constructor(desk: Desk) {
    this.#desk = desk;
    this.#sql = prepareAll(desk.db, {
      key: 'SELECT key FROM stores WHERE id = ?',
      isMarked: 'SELECT 1 FROM free_blobs WHERE hash = ?',
      isCondemned: 'SELECT 1 FROM free_blobs WHERE hash = ? AND condemned = 1',
      upload: `INSERT INTO uploads (store, hash, size, at) SELECT key, ?, ?, ? FROM stores WHERE id = ?
        ON CONFLICT DO UPDATE SET size = excluded.size, at = excluded.at`,
      prune: `DELETE FROM uploads WHERE (store, hash) IN
        (SELECT store, hash FROM uploads WHERE at <= ? ORDER BY at LIMIT ${prunedUploads})`,
      byEntry: `SELECT json_extract(value, '$.size') AS size FROM entries
        WHERE store = ? AND type = 'file' AND json_extract(value, '$.hash') = ? LIMIT 1`,
      // SQLite takes a primary key by its first column where it may take an index by two.
      byOp: `SELECT size FROM op_files INDEXED BY op_files_by_hash
        WHERE hash = ? AND store = ? LIMIT 1`,
      byUpload: 'SELECT size FROM uploads WHERE store = ? AND hash = ? AND at > ?',
      places: `SELECT entries.store AS place, path, value, stores.* FROM entries
        JOIN stores ON stores.key = entries.store
        WHERE type = 'file' AND json_extract(value, '$.hash') = ? AND (entries.store, path) > (?, ?)
        AND name >= ? AND name < ? ORDER BY entries.store, path LIMIT ${pageRows}`,
      usage: `SELECT coalesce(sum(size), 0) AS bytes FROM (SELECT DISTINCT json_extract(value, '$.hash'),
        json_extract(value, '$.size') AS size FROM entries WHERE store = ? AND type = 'file')`,
      // The plus takes the kind of the column away: with it an index of what JSON holds does not fit.
      pending: `SELECT coalesce(sum(size), 0) AS bytes FROM uploads WHERE store = ?1 AND at > ?2
        AND NOT EXISTS (SELECT 1 FROM op_files WHERE op_files.hash = uploads.hash AND op_files.store = ?1)
        AND NOT EXISTS (SELECT 1 FROM entries WHERE entries.store = ?1 AND type = 'file'
          AND json_extract(value, '$.hash') = +uploads.hash)`,
      isNamed: `SELECT 1 FROM entries WHERE type = 'file' AND json_extract(value, '$.hash') = ?1
        UNION ALL SELECT 1 FROM op_files WHERE hash = ?1
        UNION ALL SELECT 1 FROM uploads WHERE hash = ?1 AND at > ?2 LIMIT 1`,
      // A clock that was ahead, and is right now, may not keep it until then.
      free: `INSERT INTO free_blobs (hash, since) VALUES (?, ?)
        ON CONFLICT DO UPDATE SET since = min(since, excluded.since)`,
      condemn: 'UPDATE free_blobs SET condemned = 1 WHERE hash = ? AND since <= ?',
      forget: 'DELETE FROM free_blobs WHERE hash = ?',
    });
  }

  spare({ hash, size }: FileContent, uploadedTo: string | null): Promise<boolean> {
    const { isCondemned, forget, upload, prune } = this.#sql;
    return this.#desk.commits.enqueue(1, () => {
      if (isCondemned.get(hash) !== undefined) return false;
      forget.run(hash);
      if (uploadedTo === null) return true;
      const now = this.#desk.now();
      prune.run(this.#desk.settled() - fileGraceMs);
      upload.run(hash, size, now, uploadedTo);
      return true;
    });
  }

  async held(store: string, hash: string): Promise<number | null> {
    return this.#read((key) => {
      const { byEntry, byOp, byUpload } = this.#sql;
      const row =
        byEntry.get(key, hash) ??
        byOp.get(hash, key) ??
        byUpload.get(key, hash, this.#desk.settled() - fileGraceMs);
      return row === undefined ? null : this.#desk.rows.integer(row, 'size');
    }, store);
  }

  async *places(hash: string, org: string): AsyncIterable<FilePlace> {
    const { rows } = this.#desk;
    // `0` is the character after `/`.
    const range = [`${org}/`, `${org}0`] as const;
    let after: readonly [number, string] = [0, ''];
    for (;;) {
      const page = this.#page(this.#sql.places, hash, ...after, ...range);
      for (const row of page) {
        yield { store: rows.store(row), path: rows.path(row), value: rows.json(row, 'value') };
      }
      const last = page.at(-1);
      if (last === undefined || page.length < pageRows) return;
      after = [rows.integer(last, 'place'), rows.path(last)];
    }
  }

  async usage(store: string): Promise<number> {
    const bytes = this.#read((key) => {
      const row = this.#sql.usage.get(key);
      return row === undefined ? 0 : this.#desk.rows.integer(row, 'bytes');
    }, store);
    return bytes ?? 0;
  }

  async pending(store: string): Promise<number> {
    const bytes = this.#read((key) => {
      const row = this.#sql.pending.get(key, this.#desk.settled() - fileGraceMs);
      return row === undefined ? 0 : this.#desk.rows.integer(row, 'bytes');
    }, store);
    return bytes ?? 0;
  }

  async condemn(hash: string): Promise<'named' | 'free' | 'condemned'> {
    const { isNamed, forget, free, condemn, isCondemned, isMarked } = this.#sql;
    const { commits, now, settled } = this.#desk;
    // What is in use, as most is at each look, costs no write.
    const isInUse = commits.read(
      () =>
        isMarked.get(hash) === undefined &&
        isNamed.get(hash, settled() - fileGraceMs) !== undefined,
    );
    if (isInUse) return 'named';
    return commits.enqueue(1, () => {
      const old = settled() - fileGraceMs;
      // What is condemned stays so: its bytes may be gone already.
      if (isCondemned.get(hash) !== undefined) return 'condemned';
      if (isNamed.get(hash, old) !== undefined) {
        forget.run(hash);
        return 'named';
      }
      if (Number(condemn.run(hash, old).changes) > 0) return 'condemned';
      free.run(hash, now());
      return 'free';
    });
  }

  async absolve(hash: string): Promise<void> {
    await this.#desk.commits.enqueue(1, () => this.#sql.forget.run(hash));
  }

  #read<T>(read: (key: number) => T, store: string): T | null {
    const { commits, rows } = this.#desk;
    return commits.read(() => {
      const row = this.#sql.key.get(store);
      return row === undefined ? null : read(rows.integer(row, 'key'));
    });
  }

  #page(statement: StatementSync, ...args: SQLInputValue[]): readonly Row[] {
    return this.#desk.commits.read(() => statement.all(...args));
  }
}
