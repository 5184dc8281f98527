import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { refuse } from '@holdfast/protocol';

import { sweepLeftovers } from '../files/index.ts';
import { StorageError } from '../storage/port.ts';
import { toStorageError } from '../storage/sqlite/faults.ts';
import type { HttpDeps } from './deps.ts';
import { Problem, refused } from './errors.ts';
import { type Exported, leavesOf, sendOf } from './exported.ts';
import { turn } from './turns.ts';

const SLICE_ROWS = 500;
const PIECE_BYTES = 256 * 1024;
/** Each is a whole store on the disk for temporary files, for as long as its reader takes. */
const FILES_MAX = 16;
const RETRY_MS = 10_000;
const PREFIX = 'holdfast-export';
let files = 0;

type Desk = Pick<HttpDeps, 'clock'> & {
  /** Aborts when who has asked is gone. */
  readonly left: AbortSignal;
};

/** The state as a database file: `entries` and `meta`; made in a temporary file, and gone with the answer, or with who has asked. */
export async function exportSqlite(
  exported: Exported,
  desk: Desk,
): Promise<ReadableStream<Uint8Array>> {
  if (files >= FILES_MAX) throw refused(refuse('overloaded', { retry_after_ms: RETRY_MS }));
  if (files === 0) sweepLeftovers(tmpdir(), PREFIX);
  files += 1;
  let isOver = false;
  const end = (): void => {
    if (!isOver) files -= 1;
    isOver = true;
  };
  return make(exported, { ...desk, end }).catch((error: unknown) => {
    end();
    throw asTrouble(error);
  });
}

/** A disk for temporary files that is full, say, is no failure of ours; the log names it. */
function asTrouble(error: unknown): unknown {
  const place = join(tmpdir(), PREFIX);
  const isOfFiles = error instanceof Error && 'syscall' in error;
  if (!isOfFiles) return toStorageError(error, place);
  const message = `${place} cannot be made or written to (${error.message}). Check the disk for temporary files, its space and the permissions.`;
  return new StorageError('io', message, error);
}

async function make(
  exported: Exported,
  { clock, left, end }: Desk & { readonly end: () => void },
): Promise<ReadableStream<Uint8Array>> {
  const directory = await mkdtemp(join(tmpdir(), `${PREFIX}-${process.pid}-`));
  const forget = async (): Promise<void> => {
    // What cannot be removed, as where somebody has it open, is no reason to refuse others for good.
    await rm(directory, { recursive: true, force: true }).finally(end);
  };
  const file = join(directory, 'export.db');
  try {
    await write(file, exported, left);
  } catch (error) {
    await forget();
    throw error;
  }
  return sendOf(exported, read(file), { clock, end: forget });
}

async function* read(file: string): AsyncGenerator<Uint8Array> {
  for await (const piece of createReadStream(file, { highWaterMark: PIECE_BYTES })) {
    if (piece instanceof Uint8Array) yield piece;
  }
}

/** Slice by slice, so that others have their turns in between. */
async function write(file: string, exported: Exported, left: AbortSignal): Promise<void> {
  const database = new DatabaseSync(file);
  try {
    // Nobody needs the file if the process ends before it is whole.
    database.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
      CREATE TABLE entries (path TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL, type TEXT NOT NULL,
        revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
      BEGIN`);
    const meta = database.prepare('INSERT INTO meta (key, value) VALUES (?, ?)');
    const { _header: _, ...told } = exported.header;
    for (const [key, value] of Object.entries(told)) meta.run(key, String(value));
    const add = database.prepare(
      'INSERT INTO entries (path, value, type, revision) VALUES (?, ?, ?, ?)',
    );
    let rows = 0;
    for (const entry of leavesOf(exported)) {
      if (entry !== null) {
        add.run(entry.path, JSON.stringify(entry.value), entry.type, entry.revision);
        rows += 1;
      }
      if (entry === null || rows % SLICE_ROWS === 0) await turn();
      // Nobody hears of it.
      if (left.aborted) throw new Problem(408, 'request_timeout');
    }
    database.exec('COMMIT');
  } finally {
    database.close();
  }
}
