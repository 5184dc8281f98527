import type { DatabaseSync } from 'node:sqlite';
import { StorageError } from '../port.ts';

/** Marks the file as ours: "HFLD". */
export const applicationId = 0x48464c44;

/**
 * How a file of each older version becomes one of the next; index 0 makes an empty file version 1. `user_version` counts
 * them. A migration runs in one transaction, and is never changed once released.
 *
 * Stores have an integer key inside, never reused, that keeps rows and indexes small. Rows are clustered by their primary
 * key (`WITHOUT ROWID`); text compares by UTF-8 bytes, which is the order of paths. JSON is kept as text.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE stores (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    inserted_at INTEGER NOT NULL,
    expires_at INTEGER,
    head INTEGER NOT NULL DEFAULT 0,
    oldest_seq INTEGER NOT NULL DEFAULT 1,
    answers INTEGER NOT NULL DEFAULT 0,
    dedupe_since INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX stores_by_expiry ON stores (expires_at) WHERE status = 'active' AND expires_at IS NOT NULL;

  CREATE TABLE log (
    store INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    op TEXT NOT NULL,
    path TEXT NOT NULL,
    value TEXT,
    arg TEXT,
    device_id TEXT NOT NULL,
    client_op_id TEXT NOT NULL,
    tx INTEGER,
    at INTEGER NOT NULL,
    principal TEXT,
    removed TEXT,
    PRIMARY KEY (store, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE entries (
    store INTEGER NOT NULL,
    path TEXT NOT NULL,
    value TEXT NOT NULL,
    type TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (store, path)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE maps (
    store INTEGER NOT NULL,
    path TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (store, path)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE markers (
    store INTEGER NOT NULL,
    path TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (store, path)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX markers_by_seq ON markers (store, seq);

  CREATE TABLE answers (
    store INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    op_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    fingerprint INTEGER NOT NULL,
    at INTEGER NOT NULL,
    reply TEXT,
    PRIMARY KEY (store, seq, op_id, device_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX answers_by_id ON answers (store, op_id);

  CREATE TABLE highs (
    store INTEGER NOT NULL,
    client TEXT NOT NULL,
    counter INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (store, client)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE devices (
    name TEXT NOT NULL,
    device_id TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    scope TEXT NOT NULL,
    unconfirmed INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (name, device_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX devices_by_use ON devices (used_at);

  CREATE TABLE tokens (
    id TEXT PRIMARY KEY NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    last4 TEXT NOT NULL,
    name TEXT NOT NULL,
    org TEXT NOT NULL,
    creator TEXT,
    scopes TEXT NOT NULL,
    store_access TEXT,
    path_rules TEXT,
    inserted_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    last_used_at INTEGER
  ) STRICT;
  CREATE INDEX tokens_by_org ON tokens (org, inserted_at, id);

  CREATE TABLE purged (key INTEGER PRIMARY KEY) STRICT;
  CREATE TABLE settled (id INTEGER PRIMARY KEY CHECK (id = 1), count INTEGER NOT NULL) STRICT;
  INSERT INTO settled VALUES (1, 0);
  `,
  // Which content is in use. What entries name is in their own rows; ops have rows of their own, gone with them.
  `
  CREATE INDEX files_of_store ON entries (store, json_extract(value, '$.hash'), json_extract(value, '$.size'))
    WHERE type = 'file';
  CREATE INDEX files_by_hash ON entries (json_extract(value, '$.hash')) WHERE type = 'file';

  CREATE TABLE op_files (
    store INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (store, seq, hash)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX op_files_by_hash ON op_files (hash, store);

  CREATE TABLE uploads (
    store INTEGER NOT NULL,
    hash TEXT NOT NULL,
    size INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (store, hash)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX uploads_by_hash ON uploads (hash);
  CREATE INDEX uploads_by_time ON uploads (at);

  CREATE TABLE free_blobs (
    hash TEXT PRIMARY KEY NOT NULL,
    since INTEGER NOT NULL,
    condemned INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;

  INSERT OR IGNORE INTO op_files (store, seq, hash, size)
    SELECT log.store, log.seq, json_extract(node.value, '$.hash'), json_extract(node.value, '$.size')
    FROM log, json_tree(log.value) AS node
    WHERE instr(log.value, '"_type":"file"')
      AND CASE WHEN node.type = 'object' THEN json_extract(node.value, '$._type') END = 'file';
  INSERT OR IGNORE INTO op_files (store, seq, hash, size)
    SELECT log.store, log.seq, json_extract(node.value, '$.hash'), json_extract(node.value, '$.size')
    FROM log, json_tree(log.removed) AS node
    WHERE instr(log.removed, '"_type":"file"')
      AND CASE WHEN node.type = 'object' THEN json_extract(node.value, '$._type') END = 'file';
  `,
  // Webhooks, how far each has come, and its attempts to deliver.
  `
  CREATE TABLE webhooks (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    store INTEGER NOT NULL,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    patterns TEXT NOT NULL,
    ops TEXT,
    inserted_at INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    inactive_reason TEXT,
    failures INTEGER NOT NULL DEFAULT 0,
    retry_at INTEGER
  ) STRICT;
  CREATE INDEX webhooks_of_store ON webhooks (store);

  CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook INTEGER NOT NULL REFERENCES webhooks (key) ON DELETE CASCADE,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    status_code INTEGER,
    response_ms INTEGER NOT NULL,
    error TEXT,
    at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX deliveries_of_webhook ON deliveries (webhook, number);
  `,
  // What administrators did; it names stores by themselves, for it outlives them.
  `
  CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    org TEXT NOT NULL,
    act TEXT NOT NULL,
    actor TEXT,
    store_id TEXT,
    store_name TEXT,
    target TEXT,
    details TEXT NOT NULL
  ) STRICT;
  CREATE INDEX audit_of_org ON audit (org, number);
  `,
  // Keys under which something was asked for that is no commit of a store.
  `
  CREATE TABLE keys (
    name TEXT PRIMARY KEY NOT NULL,
    print INTEGER NOT NULL,
    at INTEGER NOT NULL,
    answer TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX keys_by_time ON keys (at);
  `,
  // When tokens ended, so that those long gone are found.
  `
  CREATE INDEX tokens_by_end ON tokens (coalesce(revoked_at, expires_at))
    WHERE coalesce(revoked_at, expires_at) IS NOT NULL;
  `,
  // What holds for who made a token holds for the token.
  `
  ALTER TABLE tokens ADD COLUMN presence INTEGER;
  ALTER TABLE tokens ADD COLUMN limits TEXT;
  `,
  // Whose each answer is, also when the log has forgotten it: '' nobody's by name, else = and the name. Those that are there
  // have it from the log, as long as that goes, and then by the compaction: to note it of all took half a minute a million.
  `
  ALTER TABLE answers ADD COLUMN principal TEXT;
  `,
  // Who joined as a device, as answers have it.
  `
  ALTER TABLE devices ADD COLUMN subject TEXT;
  `,
  // What the wall clock was believed to tell when that was noted last, and what it may have told, each for how long.
  `
  CREATE TABLE clock (reads INTEGER NOT NULL, stood INTEGER NOT NULL) STRICT;
  `,
];

/** Brings the file to the version of this code; a file of a newer version is left alone. */
export function migrate(db: DatabaseSync, file: string): void {
  const version = readPragma(db, 'user_version');
  refuseNewer(version, file);
  for (const [index, sql] of migrations.entries()) {
    if (index < version) continue;
    db.exec(`BEGIN IMMEDIATE; ${sql}
      PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}

/** Refuses a file that newer code has written. */
export function refuseNewer(version: number, file: string): void {
  if (version <= migrations.length) return;
  throw new StorageError(
    'newer_schema',
    `${file} has schema version ${version}; this version of Holdfast knows versions up to ${migrations.length}. ` +
      'Nothing was changed. Start the version of Holdfast that wrote it, or a newer one.',
  );
}

/** The value of a pragma that is one integer. */
export function readPragma(db: DatabaseSync, name: 'user_version' | 'application_id'): number {
  const value = db.prepare(`PRAGMA ${name}`).get()?.[name];
  return typeof value === 'number' ? value : 0;
}
