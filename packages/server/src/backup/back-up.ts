import { existsSync } from 'node:fs';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { syncDirectory } from '../blobs/sync-directory.ts';
import { StorageError } from '../storage/port.ts';
import { toStorageError } from '../storage/sqlite/faults.ts';
import { readPragma, refuseNewer } from '../storage/sqlite/schema.ts';
import { contentsOf, copyContent, digestOf } from './contents.ts';
import {
  BackupError,
  type BackupReport,
  type BackupStep,
  databaseName,
  failureAt,
  type Manifest,
  manifestName,
  needEmpty,
  writeDurably,
} from './manifest.ts';

/** What is backed up, and where to. */
export type BackUpOptions = {
  /** The data directory of a server, which may be running. */
  readonly from: string;
  /** A directory that is empty or does not exist. */
  readonly to: string;
  readonly now: () => number;
  readonly onStep?: (step: BackupStep) => void;
};

const PAGES_PER_STEP = 4096;

/**
 * Copies a data directory as it was at one instant, while its server goes on: first the database, as one read transaction
 * sees it, then the content that this copy names. Content is deleted no sooner than 24 hours after nobody names it
 * (stores.md §14.3), so all of it is still there. `backup.json` comes last: a directory without it is no backup.
 */
export async function backUp(options: BackUpOptions): Promise<BackupReport> {
  const { from, to } = options;
  if (!existsSync(join(from, databaseName))) {
    throw new BackupError('no_data', `There is no Holdfast data in ${from}. Check --data.`);
  }
  await needEmpty(to);
  await mkdir(to, { recursive: true, mode: 0o700 });
  try {
    const madeAt = new Date(options.now()).toISOString();
    const database = await copyDatabase(options);
    const files = await copyFiles(options, database.contents);
    const report: BackupReport = { madeAt, ...database.report, ...files };
    const databaseSha256 = await digestOf(join(to, databaseName));
    const manifest: Manifest = { format: 1, ...report, databaseSha256 };
    await writeDurably(join(to, manifestName), `${JSON.stringify(manifest, null, 2)}\n`);
    await syncDirectory(to);
    return report;
  } catch (error) {
    const beside = ['', '-wal', '-shm', '-journal'].map((ending) => `${databaseName}${ending}`);
    const names = [manifestName, ...beside, 'files'];
    await Promise.all(names.map((name) => rm(join(to, name), { recursive: true, force: true })));
    throw damageIn(from, failureAt(to, error));
  }
}

/** What SQLite says of data that cannot be read, in words. */
function damageIn(from: string, error: unknown): unknown {
  const told = toStorageError(error, join(from, databaseName));
  return told instanceof StorageError && told.reason === 'corrupt' ? told : error;
}

type Copied = {
  readonly contents: ReturnType<typeof contentsOf>;
  readonly report: { readonly stores: number; readonly databaseBytes: number };
};

async function copyDatabase({ from, to, onStep }: BackUpOptions): Promise<Copied> {
  const file = join(to, databaseName);
  const source = new DatabaseSync(join(from, databaseName), { readOnly: true });
  try {
    // What newer code keeps, and which content it names, is not known here.
    refuseNewer(readPragma(source, 'user_version'), source.location() ?? from);
    const { bytes = 0 } = source
      .prepare('SELECT page_size AS bytes FROM pragma_page_size()')
      .get() ?? { bytes: 0 };
    // A backup begins again whenever another connection writes, unless its own has begun to read before.
    source.exec('BEGIN');
    source.prepare('SELECT count(*) FROM stores').get();
    await backup(source, file, {
      rate: PAGES_PER_STEP,
      progress: ({ totalPages, remainingPages }) =>
        onStep?.({
          part: 'database',
          doneBytes: (totalPages - remainingPages) * Number(bytes),
          totalBytes: totalPages * Number(bytes),
        }),
    });
  } finally {
    source.close();
  }
  return examine(file);
}

/** A backup that cannot be read is none: better known now. */
async function examine(file: string): Promise<Copied> {
  const copy = new DatabaseSync(file);
  try {
    // A file of its own, without a log beside it.
    copy.exec('PRAGMA journal_mode = DELETE');
    const verdict = copy.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
    if (verdict !== 'ok') {
      throw new BackupError(
        'damaged',
        `The database is damaged (${String(verdict)}). Restore the last good backup, and check the disk.`,
      );
    }
    const { count = 0 } = copy.prepare('SELECT count(*) AS count FROM stores').get() ?? {};
    const contents = contentsOf(copy);
    const { size } = await stat(file);
    return { contents, report: { stores: Number(count), databaseBytes: size } };
  } finally {
    copy.close();
  }
}

async function copyFiles(
  { from, to, onStep }: BackUpOptions,
  contents: Copied['contents'],
): Promise<Pick<BackupReport, 'files' | 'fileBytes' | 'missing'>> {
  const totalBytes = contents.reduce((sum, { size }) => sum + size, 0);
  const missing: string[] = [];
  let [files, fileBytes, doneBytes] = [0, 0, 0];
  for (const content of contents) {
    // oxlint-disable-next-line no-await-in-loop -- one at a time, so that the server keeps its disk
    const isCopied = await copyContent(content, { from, to });
    if (isCopied) {
      files += 1;
      fileBytes += content.size;
    } else if (content.isNeeded) missing.push(content.hash);
    doneBytes += content.size;
    onStep?.({ part: 'files', doneBytes, totalBytes });
  }
  return { files, fileBytes, missing };
}
