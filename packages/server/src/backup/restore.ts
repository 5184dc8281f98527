import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { toStorageError } from '../storage/sqlite/faults.ts';
import { partOf } from '../storage/sqlite/file.ts';
import { applicationId, migrate, readPragma, refuseNewer } from '../storage/sqlite/schema.ts';
import { syncDirectory } from '../blobs/sync-directory.ts';
import { contentsOf, copyContent, copyFile } from './contents.ts';
import {
  BackupError,
  type BackupStep,
  databaseName,
  failureAt,
  type Manifest,
  readManifest,
} from './manifest.ts';

/** What is restored, and where to. */
export type RestoreOptions = {
  /** A directory that {@link backUp} made. */
  readonly from: string;
  /** A data directory without a database. */
  readonly to: string;
  readonly onStep?: (step: BackupStep) => void;
};

/** What was restored. */
export type RestoreReport = {
  /** When the backup was made; what was committed later is lost. */
  readonly madeAt: string;
  readonly stores: number;
  readonly files: number;
  /** Content that entries or the log name and that the backup has not. */
  readonly missing: readonly string[];
};

/**
 * Makes a data directory of a backup. Every store gets a new incarnation, so that clients which are ahead of the backup
 * notice, and take the store as it now is (stores.md §1.1.2); what was committed before stays known, so that repeats are
 * answered (§6.2). The database gets its name last: a directory without it is no data directory.
 */
export async function restore({ from, to, onStep }: RestoreOptions): Promise<RestoreReport> {
  const manifest = await readManifest(from);
  needFree(to);
  const file = join(to, databaseName);
  await mkdir(to, { recursive: true, mode: 0o700 });
  const part = partOf(file);
  try {
    await copyDatabase(from, part, manifest);
    const report = await copyFiles({ from, to, ...(onStep && { onStep }) }, renew(part, from));
    await rename(part, file);
    await syncDirectory(to);
    return { madeAt: manifest.madeAt, ...report };
  } catch (error) {
    await rm(part, { force: true });
    throw toStorageError(failureAt(to, error), join(from, databaseName));
  }
}

/** Also where only the log of a database is left, as of a process that was killed: SQLite would play it into the one that is restored. */
function needFree(to: string): void {
  const names = ['', '-wal', '-journal'].map((ending) => `${databaseName}${ending}`);
  const left = names.find((name) => existsSync(join(to, name)));
  if (left === undefined) return;
  throw new BackupError(
    'occupied',
    `${to} holds data already: ${left}. Move all of it away, or restore into another directory.`,
  );
}

async function copyDatabase(from: string, part: string, manifest: Manifest): Promise<void> {
  // With what a restore that was killed has left beside it: SQLite would take back changes of another file.
  for (const ending of ['', '-journal']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await rm(`${part}${ending}`, { force: true });
  }
  const digest = await copyFile(join(from, databaseName), part);
  if (digest === manifest.databaseSha256) return;
  throw new BackupError(
    'damaged',
    `The database in ${from} is not the one that was backed up. Use another backup.`,
  );
}

async function copyFiles(
  { from, to, onStep }: RestoreOptions,
  { stores, contents }: Renewed,
): Promise<Omit<RestoreReport, 'madeAt'>> {
  const totalBytes = contents.reduce((sum, { size }) => sum + size, 0);
  const missing: string[] = [];
  let [files, doneBytes] = [0, 0];
  for (const content of contents) {
    // oxlint-disable-next-line no-await-in-loop -- the medium sets the pace
    const isCopied = await copyContent(content, { from, to });
    if (isCopied) files += 1;
    else if (content.isNeeded) missing.push(content.hash);
    doneBytes += content.size;
    onStep?.({ part: 'files', doneBytes, totalBytes });
  }
  return { stores, files, missing };
}

type Renewed = { readonly stores: number; readonly contents: ReturnType<typeof contentsOf> };

/** Makes other stores of those in the file, with the same content. */
function renew(file: string, from: string): Renewed {
  const database = new DatabaseSync(file);
  try {
    if (readPragma(database, 'application_id') !== applicationId) {
      throw new BackupError('damaged', `The database in ${from} is none of Holdfast's.`);
    }
    refuseNewer(readPragma(database, 'user_version'), join(from, databaseName));
    migrate(database, file);
    const keys = database.prepare('SELECT key FROM stores').all();
    const change = database.prepare('UPDATE stores SET incarnation = ? WHERE key = ?');
    database.exec('BEGIN IMMEDIATE');
    for (const { key = null } of keys) change.run(randomUUID(), key);
    // What was about to be deleted then may be in this copy or not: looked at afresh.
    database.exec('DELETE FROM free_blobs; COMMIT');
    return { stores: keys.length, contents: contentsOf(database) };
  } finally {
    database.close();
  }
}
