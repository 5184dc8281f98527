import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { type BlobHash, isBlobHash } from '../blobs/index.ts';
import { blobFile } from '../blobs/disk.ts';
import { readPragma } from '../storage/sqlite/schema.ts';

const PIECE_BYTES = 1024 * 1024;

/** Content that a database names. */
export type Content = {
  readonly hash: BlobHash;
  readonly size: number;
  /** An entry or a retained op names it; else it is only an upload, which may be gone for good reason. */
  readonly isNeeded: boolean;
};

const inEntries = `
  SELECT json_extract(value, '$.hash') AS hash, json_extract(value, '$.size') AS size, 1 AS needed
    FROM entries JOIN stores ON stores.key = entries.store WHERE type = 'file'`;
const inFiles = `
  UNION ALL SELECT hash, size, 1 FROM op_files JOIN stores ON stores.key = op_files.store
  UNION ALL SELECT hash, size, 0 FROM uploads JOIN stores ON stores.key = uploads.store`;

/** All content that a database names, each once; one of the first version has no tables for it yet. */
export function contentsOf(database: DatabaseSync): readonly Content[] {
  const named = readPragma(database, 'user_version') > 1 ? inEntries + inFiles : inEntries;
  const rows = database
    .prepare(
      `SELECT hash, max(size) AS size, max(needed) AS needed FROM (${named}) GROUP BY hash ORDER BY hash`,
    )
    .all();
  return rows.flatMap(({ hash, size, needed }) =>
    typeof hash === 'string' && isBlobHash(hash) && typeof size === 'number'
      ? [{ hash, size, isNeeded: needed === 1 }]
      : [],
  );
}

/** Copies content from one directory of files to another, checked on the way; false if it is not there or damaged. */
export async function copyContent(
  { hash }: Content,
  directories: { readonly from: string; readonly to: string },
): Promise<boolean> {
  const source = blobFile(join(directories.from, 'files'), hash);
  const target = blobFile(join(directories.to, 'files'), hash);
  if ((await stat(source).catch(() => null)) === null) return false;
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const digest = await copyFile(source, target);
  if (`sha256:${digest}` === hash) return true;
  await rm(target, { force: true });
  return false;
}

/** Copies a file, durably; resolves with the SHA-256 of what was copied, in hex. */
export async function copyFile(source: string, target: string): Promise<string> {
  const hash = createHash('sha256');
  const handle = await open(target, 'w', 0o600);
  try {
    for await (const piece of createReadStream(source, { highWaterMark: PIECE_BYTES })) {
      if (!(piece instanceof Uint8Array)) continue;
      hash.update(piece);
      await handle.appendFile(piece);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return hash.digest('hex');
}

/** The SHA-256 of a file in hex. */
export async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file, { highWaterMark: PIECE_BYTES })) {
    if (piece instanceof Uint8Array) hash.update(piece);
  }
  return hash.digest('hex');
}
