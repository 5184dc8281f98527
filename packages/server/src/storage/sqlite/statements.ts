import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** The statements of an append. */
export type Writes = Readonly<Record<keyof typeof writes, StatementSync>>;

const writes = {
  findPlace: 'SELECT key, head, answers, dedupe_since FROM stores WHERE id = ?',
  place: 'UPDATE stores SET head = ?, answers = ?, dedupe_since = ? WHERE key = ?',
  log: `INSERT INTO log (store, seq, op, path, value, arg, device_id, client_op_id, tx, at, principal, removed)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  entry: `INSERT INTO entries (store, path, value, type, revision) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET value = excluded.value, type = excluded.type, revision = excluded.revision`,
  dropEntry: 'DELETE FROM entries WHERE store = ? AND path = ?',
  map: `INSERT INTO maps (store, path, revision) VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET revision = excluded.revision`,
  dropMap: 'DELETE FROM maps WHERE store = ? AND path = ?',
  marker: `INSERT INTO markers (store, path, seq, at) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET seq = excluded.seq, at = excluded.at`,
  coverMarkers: 'DELETE FROM markers WHERE store = ? AND path >= ? AND path < ?',
  oldestMarker: 'SELECT at FROM markers WHERE store = ? ORDER BY seq LIMIT 1',
  dropMarkers: `DELETE FROM markers WHERE store = ? AND path IN
    (SELECT path FROM markers WHERE store = ? ORDER BY seq LIMIT ?) AND at < ?`,
  answer: `INSERT INTO answers (store, seq, op_id, device_id, fingerprint, at, reply, principal)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  oldestAnswers: `SELECT seq, op_id, device_id, at FROM answers WHERE store = ?
    ORDER BY seq, op_id, device_id LIMIT ?`,
  dropAnswer: 'DELETE FROM answers WHERE store = ? AND seq = ? AND op_id = ? AND device_id = ?',
  high: `INSERT INTO highs (store, client, counter, seq) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET counter = max(counter, excluded.counter), seq = excluded.seq`,
  opFile: 'INSERT OR IGNORE INTO op_files (store, seq, hash, size) VALUES (?, ?, ?, ?)',
  named: 'DELETE FROM free_blobs WHERE hash = ?',
  // Only if no later answer of the client is left.
  dropHigh: 'DELETE FROM highs WHERE store = ? AND client = ? AND seq <= ?',
} as const;

/** Whose an answer is that was given before answers noted it; null where the log has forgotten. */
export const askerByLog = `(SELECT coalesce('=' || log.principal, '') FROM log
  WHERE log.store = answers.store AND log.seq = answers.seq)`;

/** The statements of the reads of a store, on any connection. */
export type Reads = Readonly<Record<keyof typeof reads, StatementSync>>;

const reads = {
  size: 'SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()',
  findPlace: 'SELECT key, head, oldest_seq, dedupe_since FROM stores WHERE id = ?',
  entries: `SELECT path, value, type, revision FROM entries WHERE store = ? AND path > ?
    ORDER BY path LIMIT ?`,
  maps: 'SELECT path, revision FROM maps WHERE store = ? AND path > ? ORDER BY path LIMIT ?',
  log: `SELECT seq, op, path, value, arg, device_id, client_op_id, tx, at, principal, removed
    FROM log WHERE store = ? AND seq > ? ORDER BY seq LIMIT ?`,
  // Left to itself SQLite goes through all answers of the store, for they are in the order of their seqs. It is called a text,
  // for what is put together of several has no type that a declaration could tell by itself.
  answer: `SELECT seq, op_id, device_id, fingerprint, at, reply,
      coalesce(principal, ${askerByLog}) AS principal FROM answers
    INDEXED BY answers_by_id WHERE store = ? AND op_id = ? AND device_id = ? ORDER BY seq DESC` as string,
  high: 'SELECT counter FROM highs WHERE store = ? AND client = ?',
  markers: 'SELECT path, seq FROM markers WHERE store = ? AND seq > ? ORDER BY seq LIMIT ?',
} as const;

/** Prepares the statements of an append. */
export function prepareWrites(db: DatabaseSync): Writes {
  return prepareAll(db, writes);
}

/** Prepares the statements of the reads. */
export function prepareReads(db: DatabaseSync): Reads {
  return prepareAll(db, reads);
}

/** Prepares a table of statements. */
export function prepareAll<Name extends string>(
  db: DatabaseSync,
  texts: Readonly<Record<Name, string>>,
): Readonly<Record<Name, StatementSync>> {
  const pairs = Object.entries<string>(texts).map(([name, text]) => [name, db.prepare(text)]);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the names are those of the table
  return Object.fromEntries(pairs) as Record<Name, StatementSync>;
}
