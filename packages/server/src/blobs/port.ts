/** The name of a blob: `sha256:` and 64 hex digits of its content's SHA-256 (stores.md §14.1). */
export type BlobHash = `sha256:${string}`;

/** The name of an upload: `upload:` and 64 hex digits that the caller draws or derives; never text that a client chose. */
export type UploadId = `upload:${string}`;

/** A part of a blob: from `start`, up to but without `end`. */
export type ByteRange = { readonly start: number; readonly end: number };

/** What is kept under a name. */
export type KeptBytes = {
  readonly name: BlobHash | UploadId;
  readonly size: number;
  /** When bytes were last added, in milliseconds since 1970, by the clock of the medium. */
  readonly at: number;
};

/** Why a blob cannot be written or read; `reason` is a closed set, the message says what to do. */
export class BlobError extends Error {
  /** `offset`: not where the upload stands. `superseded`: another append took the upload over. `io`: the medium. */
  readonly reason: 'offset' | 'superseded' | 'full' | 'io';

  constructor(reason: BlobError['reason'], message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'BlobError';
    this.reason = reason;
  }
}

/**
 * Where the bytes of files live, under the hash of their content, and where uploads grow (stores.md §14, §15.5).
 *
 * - **Atomicity.** A blob is there whole and right, or not at all: `finish` checks the content before anybody can see it.
 *   Finishing what is there already changes nothing.
 * - **Durability.** What `append` and `finish` resolved with survives the death of the process; and of the machine, where
 *   the medium can promise that. A driver without a medium of its own says so.
 * - **Order.** One append at a time for each upload: a later one ends the earlier, which rejects as `superseded`. So a
 *   client whose connection hangs goes on by another. Finishing takes its turn among them, and is not ended; who finishes
 *   what another one has just finished gets the same answer.
 * - **Memory.** Bytes are streamed both ways: what is held does not grow with the blob, and a slow reader or medium slows
 *   the other end down.
 * - **Failure.** Methods reject with {@link BlobError}; names that are not of the right form are a RangeError. What is not
 *   there is null or 0, never an error.
 */
export interface Blobs {
  /** The size of a blob in bytes; null if it is not here. */
  stat(hash: BlobHash): Promise<number | null>;
  /** The bytes of a blob or of a part of it, to be read once; null if it is not here. The part lies within the blob. */
  read(hash: BlobHash, range?: ByteRange): Promise<AsyncIterable<Uint8Array> | null>;
  /** How many bytes of an upload are kept; 0 for one that nobody began. */
  received(upload: UploadId): Promise<number>;
  /**
   * Adds bytes to an upload, beginning one at 0; rejects with `offset`, and reads nothing, if `from` is not where it
   * stands. Resolves with how many are kept now. When the bytes end with an error, that is rethrown, and what came before
   * it is kept as far as the driver can.
   */
  append(upload: UploadId, from: number, bytes: AsyncIterable<Uint8Array>): Promise<number>;
  /**
   * Makes the upload the blob of this hash and resolves with its size; null, and no upload any more, if it is not. Of an
   * upload that is not there it says the size of the blob, if that is: it was just finished, or nobody began it. So its size
   * tells of bytes that were brought only to who has asked `received`.
   */
  finish(upload: UploadId, hash: BlobHash): Promise<number | null>;
  /** Deletes a blob or an upload, if there is one. */
  delete(name: BlobHash | UploadId): Promise<void>;
  /** All blobs and uploads, in any order. What comes or goes meanwhile may be in it or not. */
  list(): AsyncIterable<KeptBytes>;
}
