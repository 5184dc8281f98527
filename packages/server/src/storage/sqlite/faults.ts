import { StorageError } from '../port.ts';

/** An error at COMMIT that leaves open whether the transaction would come back after a crash. */
export class UnknownOutcome extends StorageError {
  constructor(file: string, cause: unknown) {
    super(
      'io',
      `It is not known whether ${file} stored the last changes. Check the disk; the next read settles it.`,
      cause,
    );
  }
}

// Primary result codes, https://sqlite.org/rescode.html
const busy = 5;
const locked = 6;
const readOnly = 8;
const ioError = 10;
const corrupt = 11;
const full = 13;
const notDatabase = 26;
/** No permission, no memory, read-only, I/O error, cannot open. */
const weather: ReadonlySet<number> = new Set([3, 7, readOnly, ioError, 14]);
const ioErrorWrite = ioError | (3 << 8);

/** What SQLite calls some primary codes: not each runtime gives the codes of its errors, too. */
const named: ReadonlyMap<string, number> = new Map([
  ['database is locked', busy],
  ['database table is locked', locked],
  ['attempt to write a readonly database', readOnly],
  ['database disk image is malformed', corrupt],
  ['database or disk is full', full],
  ['file is not a database', notDatabase],
]);

/** The extended result code of an error that SQLite raised, or the primary one by its name; null for any other. */
export function resultCode(error: unknown): number | null {
  if (!(error instanceof Error)) return null;
  if ('errcode' in error && typeof error.errcode === 'number') return error.errcode;
  return named.get(error.message) ?? null;
}

/** A refused write left no whole commit record behind, so the transaction is gone for good. */
export function isRefusedWrite(error: unknown): boolean {
  const code = resultCode(error);
  return code === full || code === ioErrorWrite;
}

/** What SQLite's error means to an operator; errors of another origin come back as they are. */
export function toStorageError(error: unknown, file: string): unknown {
  const code = resultCode(error);
  if (code === null || !(error instanceof Error)) return error;
  const primary = code & 0xff;
  if (primary === corrupt || primary === notDatabase) {
    return corruptFile(file, error.message, error);
  }
  if (primary === busy || primary === locked) {
    const message = `Another program is writing to ${file}, so nothing was stored. Let only one Holdfast server use it.`;
    return new StorageError('locked', message, error);
  }
  if (primary === full) {
    const message = `There is no space left for ${file}, so nothing was stored. Free space on the disk or raise the quota; writes then work again.`;
    return new StorageError('full', message, error);
  }
  if (primary === readOnly) {
    const message = `${file} may not be written to by this user. Give the data directory, and all in it, to the user that the server runs as.`;
    return new StorageError('io', message, error);
  }
  // Anything else is a constraint or a statement of ours: a bug, not the weather.
  if (!weather.has(primary)) return error;
  const message = `${file} could not be read or written (${error.message}, code ${code}). Check the disk, its space and the permissions.`;
  return new StorageError('io', message, error);
}

/** The file cannot be trusted. */
export function corruptFile(file: string, detail: string, cause?: unknown): StorageError {
  return new StorageError(
    'corrupt',
    `${file} is not a sound Holdfast database (${detail}). It was not changed. Move it away and restore a backup, or rescue what is left with "sqlite3 <file> .recover".`,
    cause,
  );
}

/** The file was renamed, deleted or replaced under an open server. */
export function movedFile(file: string): StorageError {
  return new StorageError(
    'io',
    `${file} is not the file that this server has open: it was moved, deleted or replaced. Nothing was stored. Put it back, or stop the server first and start it again.`,
  );
}

/** A restore into the directory goes on, or was broken off: a new file there would be an empty server's. */
export function unfinishedFile(file: string): StorageError {
  return new StorageError(
    'io',
    `${file} is not there yet: a restore goes on, or was broken off. Wait for it; or empty the directory, and restore again.`,
  );
}

/** The name of the file leads nowhere for a reason that says nothing of the file, such as a directory that lost its permissions. */
export function unreachableFile(file: string, cause: unknown): StorageError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new StorageError(
    'io',
    `${file} cannot be reached any more (${why}). Nothing was stored. Check its directory, the permissions and the disk; writes then work again.`,
    cause,
  );
}

/** The storage was closed. */
export function closedStorage(): StorageError {
  return new StorageError('io', 'The storage is closed. Open it again.');
}
