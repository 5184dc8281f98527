import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { syncDirectory } from './sync-directory.ts';
import { Appends, type Turn, wrongOffset } from './appends.ts';
import { digitsOf, hashOf, isBlobHash, uploadDigits, uploadOf } from './names.ts';
import {
  BlobError,
  type BlobHash,
  type Blobs,
  type ByteRange,
  type KeptBytes,
  type UploadId,
} from './port.ts';

/** How to keep blobs in files. */
export type DiskBlobOptions = {
  /** Made if it is missing. Nobody else writes in it. */
  readonly directory: string;
};

/**
 * Keeps each blob in a file of its own below a directory: `blobs/ab/abcd…` and `uploads/…`. File names are digits of
 * hashes that this process has checked; nothing that a client sent is ever part of a path.
 */
export function diskBlobs({ directory }: DiskBlobOptions): Blobs {
  return new DiskBlobs(directory);
}

/** The file in which {@link diskBlobs} keeps a blob. */
export function blobFile(directory: string, hash: BlobHash): string {
  const digits = digitsOf(hash);
  return join(directory, 'blobs', digits.slice(0, 2), digits);
}

const pieceBytes = 256 * 1024;
const hashesMax = 1000;

/** The digest of what an upload holds, as far as this process has written it itself. */
type Digest = { readonly hash: Hash; readonly size: number };

class DiskBlobs implements Blobs {
  readonly #directory: string;
  readonly #blobs: string;
  readonly #uploads: string;
  readonly #appends = new Appends();
  readonly #digests = new Map<UploadId, Digest>();

  constructor(directory: string) {
    this.#directory = directory;
    this.#blobs = join(directory, 'blobs');
    this.#uploads = join(directory, 'uploads');
  }

  async stat(hash: BlobHash): Promise<number | null> {
    return sizeOf(this.#blobFile(hash));
  }

  async read(hash: BlobHash, range?: ByteRange): Promise<AsyncIterable<Uint8Array> | null> {
    const file = this.#blobFile(hash);
    return (await sizeOf(file)) === null ? null : bytesOf(file, range ?? null);
  }

  async received(upload: UploadId): Promise<number> {
    return (await sizeOf(this.#uploadFile(upload))) ?? 0;
  }

  async append(upload: UploadId, from: number, bytes: AsyncIterable<Uint8Array>): Promise<number> {
    const name = this.#uploadFile(upload);
    return this.#appends.run(upload, bytes, async (turn) => {
      const received = (await sizeOf(name)) ?? 0;
      if (from !== received) throw wrongOffset(from, received);
      const file = await this.#begin(name);
      try {
        return await this.#write(upload, { file, received }, turn);
      } finally {
        await file.close();
      }
    });
  }

  async finish(upload: UploadId, hash: BlobHash): Promise<number | null> {
    digitsOf(hash);
    return this.#appends.alone(upload, () => this.#finish(upload, hash));
  }

  async #finish(upload: UploadId, hash: BlobHash): Promise<number | null> {
    const from = this.#uploadFile(upload);
    const to = this.#blobFile(hash);
    const size = await this.received(upload);
    // Somebody else has finished it, or it is of nothing and may never have been begun.
    const finished = size === 0 ? await this.stat(hash) : null;
    if (finished !== null) return finished;
    if (size === 0) await (await this.#begin(from)).close();
    if ((await this.#digestOf(upload, size)) !== digitsOf(hash)) {
      await this.delete(upload);
      return null;
    }
    this.#digests.delete(upload);
    await onDisk(async () => {
      await mkdir(this.#directoryOf(hash), { recursive: true });
      await rename(from, to);
      await syncDirectory(this.#directoryOf(hash));
      await syncDirectory(this.#blobs);
    });
    return size;
  }

  async delete(name: BlobHash | UploadId): Promise<void> {
    if (!isBlobHash(name)) this.#digests.delete(name);
    const file = isBlobHash(name) ? this.#blobFile(name) : this.#uploadFile(name);
    await onDisk(() => rm(file, { force: true }));
  }

  async *list(): AsyncIterable<KeptBytes> {
    for (const name of await namesIn(this.#uploads)) {
      const upload = uploadOf(name);
      if (upload !== null) yield* keptAt(join(this.#uploads, name), upload);
    }
    for (const shelf of await namesIn(this.#blobs)) {
      // oxlint-disable-next-line no-await-in-loop -- one directory in memory at a time
      for (const name of await namesIn(join(this.#blobs, shelf))) {
        const hash = hashOf(name);
        if (hash !== null) yield* keptAt(join(this.#blobs, shelf, name), hash);
      }
    }
  }

  async #begin(name: string): Promise<FileHandle> {
    await onDisk(() => mkdir(this.#uploads, { recursive: true }));
    return onDisk(() => open(name, 'a'));
  }

  async #write(
    upload: UploadId,
    { file, received }: { readonly file: FileHandle; readonly received: number },
    turn: Turn,
  ): Promise<number> {
    const hash = this.#digestAt(upload, received);
    let size = received;
    try {
      for (let piece = await turn.next(); piece !== null; piece = await turn.next()) {
        // oxlint-disable-next-line no-await-in-loop, no-loop-func -- the medium sets the pace
        await onDisk(() => writeAll(file, piece));
        hash?.update(piece);
        size += piece.byteLength;
      }
    } finally {
      await onDisk(() => file.sync());
      if (hash !== null) this.#remember(upload, { hash, size });
    }
    return size;
  }

  /** A digest to go on with; null where this process has not seen what came before. */
  #digestAt(upload: UploadId, received: number): Hash | null {
    const known = this.#digests.get(upload);
    this.#digests.delete(upload);
    if (received === 0) return createHash('sha256');
    return known?.size === received ? known.hash : null;
  }

  #remember(upload: UploadId, digest: Digest): void {
    this.#digests.set(upload, digest);
    for (const oldest of this.#digests.keys()) {
      if (this.#digests.size <= hashesMax) break;
      this.#digests.delete(oldest);
    }
  }

  async #digestOf(upload: UploadId, size: number): Promise<string> {
    const known = this.#digests.get(upload);
    if (known?.size === size) return known.hash.copy().digest('hex');
    const hash = createHash('sha256');
    for await (const piece of bytesOf(this.#uploadFile(upload), null)) hash.update(piece);
    return hash.digest('hex');
  }

  #directoryOf(hash: BlobHash): string {
    return dirname(this.#blobFile(hash));
  }

  #blobFile(hash: BlobHash): string {
    return blobFile(this.#directory, hash);
  }

  #uploadFile(upload: UploadId): string {
    return join(this.#uploads, uploadDigits(upload));
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength;) {
    // oxlint-disable-next-line no-await-in-loop -- a write may take only a part
    at += (await file.write(bytes, at)).bytesWritten;
  }
}

/** Opened when the first byte is wanted; from then on it is read to its end, even if it is deleted meanwhile. */
async function* bytesOf(file: string, range: ByteRange | null): AsyncIterable<Uint8Array> {
  if (range !== null && range.end <= range.start) return;
  const part = range === null ? {} : { start: range.start, end: range.end - 1 };
  const stream = createReadStream(file, { highWaterMark: pieceBytes, ...part });
  try {
    for await (const piece of stream) if (piece instanceof Uint8Array) yield piece;
  } catch (error) {
    throw ioError(error);
  }
}

async function* keptAt(file: string, name: KeptBytes['name']): AsyncIterable<KeptBytes> {
  const found = await unlessMissing(() => stat(file));
  if (found !== null) yield { name, size: found.size, at: found.mtimeMs };
}

async function sizeOf(file: string): Promise<number | null> {
  return (await unlessMissing(() => stat(file)))?.size ?? null;
}

async function namesIn(directory: string): Promise<readonly string[]> {
  return (await unlessMissing(() => readdir(directory))) ?? [];
}

async function unlessMissing<T>(run: () => Promise<T>): Promise<T | null> {
  try {
    return await run();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null;
    throw ioError(error);
  }
}

async function onDisk<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw ioError(error);
  }
}

function ioError(error: unknown): BlobError {
  const code = codeOf(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new BlobError(
      'full',
      'There is no space left for files. Free some, or raise the quota.',
      error,
    );
  }
  return new BlobError(
    'io',
    `A file could not be read or written (${code}). Check the disk and its permissions.`,
    error,
  );
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
