import { createHash } from 'node:crypto';

import { Appends, wrongOffset } from './appends.ts';
import { digitsOf, isBlobHash, uploadDigits } from './names.ts';
import type { BlobHash, Blobs, ByteRange, KeptBytes, UploadId } from './port.ts';

/** How to keep blobs in memory. */
export type MemoryBlobOptions = {
  /** The wall clock; the system's by default. */
  readonly now?: () => number;
};

/** Keeps blobs in this process and nothing beyond it: for tests and for files that may be lost. */
export function memoryBlobs(options: MemoryBlobOptions = {}): Blobs {
  return new MemoryBlobs(options.now ?? Date.now);
}

type Kept = { readonly pieces: Uint8Array[]; size: number; at: number };

class MemoryBlobs implements Blobs {
  readonly #now: () => number;
  readonly #blobs = new Map<BlobHash, Kept>();
  readonly #uploads = new Map<UploadId, Kept>();
  readonly #appends = new Appends();

  constructor(now: () => number) {
    this.#now = now;
  }

  async stat(hash: BlobHash): Promise<number | null> {
    digitsOf(hash);
    return this.#blobs.get(hash)?.size ?? null;
  }

  async read(hash: BlobHash, range?: ByteRange): Promise<AsyncIterable<Uint8Array> | null> {
    digitsOf(hash);
    const kept = this.#blobs.get(hash);
    return kept === undefined ? null : slices(kept.pieces, range ?? { start: 0, end: kept.size });
  }

  async received(upload: UploadId): Promise<number> {
    uploadDigits(upload);
    return this.#uploads.get(upload)?.size ?? 0;
  }

  async append(upload: UploadId, from: number, bytes: AsyncIterable<Uint8Array>): Promise<number> {
    uploadDigits(upload);
    return this.#appends.run(upload, bytes, async (turn) => {
      const received = await this.received(upload);
      if (from !== received) throw wrongOffset(from, received);
      for (let piece = await turn.next(); piece !== null; piece = await turn.next()) {
        this.#add(upload, piece);
      }
      return this.received(upload);
    });
  }

  async finish(upload: UploadId, hash: BlobHash): Promise<number | null> {
    digitsOf(hash);
    uploadDigits(upload);
    return this.#appends.alone(upload, async () => this.#finish(upload, hash));
  }

  #finish(upload: UploadId, hash: BlobHash): number | null {
    const begun = this.#uploads.get(upload);
    // Somebody else may have finished it.
    const finished = begun === undefined ? this.#blobs.get(hash) : undefined;
    if (finished !== undefined) return finished.size;
    const { pieces, size } = begun ?? { pieces: [], size: 0 };
    this.#uploads.delete(upload);
    const digest = createHash('sha256');
    for (const piece of pieces) digest.update(piece);
    if (digest.digest('hex') !== digitsOf(hash)) return null;
    if (!this.#blobs.has(hash)) this.#blobs.set(hash, { pieces, size, at: this.#now() });
    return size;
  }

  async delete(name: BlobHash | UploadId): Promise<void> {
    if (isBlobHash(name)) {
      this.#blobs.delete(name);
    } else {
      uploadDigits(name);
      this.#uploads.delete(name);
    }
  }

  async *list(): AsyncIterable<KeptBytes> {
    for (const [name, { size, at }] of [...this.#blobs, ...this.#uploads]) {
      yield { name, size, at };
    }
  }

  #add(upload: UploadId, piece: Uint8Array): void {
    const kept: Kept = this.#uploads.get(upload) ?? { pieces: [], size: 0, at: 0 };
    // The giver may use its buffer again.
    kept.pieces.push(piece.slice());
    kept.size += piece.byteLength;
    kept.at = this.#now();
    this.#uploads.set(upload, kept);
  }
}

async function* slices(
  pieces: readonly Uint8Array[],
  { start, end }: ByteRange,
): AsyncIterable<Uint8Array> {
  let at = 0;
  for (const piece of pieces) {
    const part = piece.subarray(Math.max(0, start - at), Math.max(0, end - at));
    if (part.byteLength > 0) yield part;
    at += piece.byteLength;
  }
}
