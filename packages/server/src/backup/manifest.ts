import { existsSync } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The file that makes a directory a backup; written last. */
export const manifestName = 'backup.json';
/** The database, in a backup and in a data directory. */
export const databaseName = 'holdfast.db';

/** Why a backup cannot be made or used; the message says what to do. */
export class BackupError extends Error {
  /** `no_data`: nothing to back up. `no_backup`: nothing to restore. `occupied`, `full`: the target. `damaged`: the backup. */
  readonly reason: 'no_data' | 'no_backup' | 'occupied' | 'full' | 'damaged';

  constructor(reason: BackupError['reason'], message: string) {
    super(message);
    this.name = 'BackupError';
    this.reason = reason;
  }
}

/** How far a backup or a restore is. */
export type BackupStep = {
  readonly part: 'database' | 'files';
  readonly doneBytes: number;
  readonly totalBytes: number;
};

/** What a backup holds. */
export type BackupReport = {
  /** RFC 3339: everything committed before this instant is in it. */
  readonly madeAt: string;
  readonly stores: number;
  readonly databaseBytes: number;
  readonly files: number;
  readonly fileBytes: number;
  /** Content that entries or the log name and that was not there, or was damaged. */
  readonly missing: readonly string[];
};

/** What `backup.json` says: the report, and how to see that the database is whole. */
export type Manifest = BackupReport & { readonly format: 1; readonly databaseSha256: string };

/** Reads what a backup says of itself. */
export async function readManifest(directory: string): Promise<Manifest> {
  const file = join(directory, manifestName);
  if (!existsSync(file)) {
    throw new BackupError(
      'no_backup',
      `${directory} holds no finished backup: ${manifestName} is missing. Name the directory that "holdfast backup" made.`,
    );
  }
  const value = parse(await readFile(file, 'utf8'));
  if (isManifest(value)) return value;
  throw new BackupError(
    'damaged',
    `${file} is not of a form that this version knows. Use the version of Holdfast that made the backup, or a newer one.`,
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isManifest(value: unknown): value is Manifest {
  const { format, databaseSha256, databaseBytes }: Record<string, unknown> = Object(value);
  return format === 1 && typeof databaseSha256 === 'string' && typeof databaseBytes === 'number';
}

/** Writes a small file so that it is whole or not there, and durable. */
export async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

// https://sqlite.org/rescode.html
const sqliteFull = 13;

/** What went wrong while a directory was written to: it may be that there is no room. */
export function failureAt(directory: string, error: unknown): unknown {
  const { errcode, code }: { readonly errcode?: unknown; readonly code?: unknown } = Object(error);
  if (errcode !== sqliteFull && code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new BackupError('full', `There is no space left for ${directory}.`);
}

/** Ends unless the directory is empty or not there. */
export async function needEmpty(directory: string): Promise<void> {
  const names = existsSync(directory) ? await readdir(directory) : [];
  if (names.length === 0) return;
  throw new BackupError(
    'occupied',
    `${directory} is not empty. Name a directory that is empty, or that does not exist.`,
  );
}
