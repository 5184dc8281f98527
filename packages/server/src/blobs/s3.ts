import { createHash } from 'node:crypto';

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';

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

/** How to keep blobs in an S3 bucket. */
export type S3BlobOptions = {
  /** From `@aws-sdk/client-s3`, set up by the application: region, credentials, endpoint. */
  readonly client: S3Client;
  readonly bucket: string;
  /** Of all keys, such as `holdfast/`. Default: none. */
  readonly prefix?: string;
};

/**
 * Keeps blobs in a bucket that speaks S3, which needs the package `@aws-sdk/client-s3`. An upload is a row of objects, one
 * for each 8 MiB received, so that it goes on after any restart; finishing it reads them back, checks the hash, and writes
 * the blob by a multipart upload that is completed only if it is right.
 */
export function s3Blobs(options: S3BlobOptions): Blobs {
  return new S3Blobs(options);
}

/** Parts of a multipart upload must have at least 5 MiB, the last excepted. */
const pieceBytes = 8 * 1024 * 1024;
const offsetDigits = 16;
/** The SDK waits for good. */
const answerMs = 60_000;
/** What carries a piece, or puts all of them together, takes its time. */
const carriedMs = 600_000;

type Stored = { readonly key: string; readonly size: number; readonly at: number };

class S3Blobs implements Blobs {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #appends = new Appends();

  constructor({ client, bucket, prefix = '' }: S3BlobOptions) {
    this.#client = client;
    this.#bucket = bucket;
    this.#prefix = prefix;
  }

  async stat(hash: BlobHash): Promise<number | null> {
    const Key = this.#blobKey(hash);
    const head = await unlessMissing((how) =>
      this.#client.send(new HeadObjectCommand({ Bucket: this.#bucket, Key }), how),
    );
    return head === null ? null : (head.ContentLength ?? 0);
  }

  async read(hash: BlobHash, range?: ByteRange): Promise<AsyncIterable<Uint8Array> | null> {
    const size = await this.stat(hash);
    return size === null
      ? null
      : this.#bytes(this.#blobKey(hash), range ?? { start: 0, end: size });
  }

  async received(upload: UploadId): Promise<number> {
    return sizeOf(await this.#piecesOf(upload));
  }

  async append(upload: UploadId, from: number, bytes: AsyncIterable<Uint8Array>): Promise<number> {
    const prefix = this.#uploadKey(upload);
    return this.#appends.run(upload, bytes, async (turn) => {
      const received = await this.received(upload);
      if (from !== received) throw wrongOffset(from, received);
      return this.#write(prefix, from, turn);
    });
  }

  async finish(upload: UploadId, hash: BlobHash): Promise<number | null> {
    digitsOf(hash);
    return this.#appends.alone(upload, () => this.#finish(upload, hash));
  }

  async #finish(upload: UploadId, hash: BlobHash): Promise<number | null> {
    const Key = this.#blobKey(hash);
    const pieces = await this.#piecesOf(upload);
    // Somebody else may have finished it.
    const finished = pieces.length === 0 ? await this.stat(hash) : null;
    if (finished !== null) return finished;
    const size = sizeOf(pieces);
    const right = await this.#assemble(pieces, { Key, size, digest: digitsOf(hash) });
    await this.#deleteAll(pieces);
    return right ? size : null;
  }

  async delete(name: BlobHash | UploadId): Promise<void> {
    if (!isBlobHash(name)) return this.#deleteAll(await this.#piecesOf(name));
    const Key = this.#blobKey(name);
    await answered((how) =>
      this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key }), how),
    );
  }

  async *list(): AsyncIterable<KeptBytes> {
    for await (const { key, size, at } of this.#objects(`${this.#prefix}blobs/`)) {
      const name = hashOf(key.slice(key.lastIndexOf('/') + 1));
      if (name !== null) yield { name, size, at };
    }
    yield* uploadsOf(this.#objects(`${this.#prefix}uploads/`));
  }

  /** Collects bytes to pieces; what is left when they break off is a shorter piece. */
  async #write(prefix: string, from: number, turn: Turn): Promise<number> {
    let at = from;
    let held: Uint8Array[] = [];
    let size = 0;
    const flush = async (): Promise<void> => {
      if (size === 0) return;
      await this.#putPiece(
        `${prefix}${String(at).padStart(offsetDigits, '0')}`,
        Buffer.concat(held),
      );
      at += size;
      held = [];
      size = 0;
    };
    try {
      for (let bytes = await turn.next(); bytes !== null; bytes = await turn.next()) {
        held.push(bytes.slice());
        size += bytes.byteLength;
        // oxlint-disable-next-line no-await-in-loop -- the medium sets the pace
        if (size >= pieceBytes) await flush();
      }
    } finally {
      await flush();
    }
    return at;
  }

  async #putPiece(Key: string, Body: Uint8Array): Promise<void> {
    await answered(
      (how) => this.#client.send(new PutObjectCommand({ Bucket: this.#bucket, Key, Body }), how),
      carriedMs,
    );
  }

  /** Writes the blob of these pieces, or nothing if its digest is another. */
  async #assemble(
    pieces: readonly Stored[],
    blob: { readonly Key: string; readonly size: number; readonly digest: string },
  ): Promise<boolean> {
    const hash = createHash('sha256');
    const whole = cut(this.#bytesOf(pieces), (bytes) => hash.update(bytes));
    if (blob.size > pieceBytes) {
      return this.#multipart(blob.Key, whole, () => hash.digest('hex') === blob.digest);
    }
    const held: Uint8Array[] = [];
    for await (const part of whole) held.push(part);
    if (hash.digest('hex') !== blob.digest) return false;
    await this.#putPiece(blob.Key, Buffer.concat(held));
    return true;
  }

  async #multipart(
    Key: string,
    parts: AsyncIterable<Uint8Array>,
    isRight: () => boolean,
  ): Promise<boolean> {
    const at = { Bucket: this.#bucket, Key };
    const { UploadId: id } = await answered((how) =>
      this.#client.send(new CreateMultipartUploadCommand(at), how),
    );
    const named = { ...at, UploadId: id };
    try {
      const done: { PartNumber: number; ETag: string | undefined }[] = [];
      for await (const Body of parts) {
        const PartNumber = done.length + 1;
        const { ETag } = await answered(
          (how) => this.#client.send(new UploadPartCommand({ ...named, PartNumber, Body }), how),
          carriedMs,
        );
        done.push({ PartNumber, ETag });
      }
      if (isRight()) {
        const MultipartUpload = { Parts: done };
        await answered(
          (how) =>
            this.#client.send(
              new CompleteMultipartUploadCommand({ ...named, MultipartUpload }),
              how,
            ),
          carriedMs,
        );
        return true;
      }
    } catch (error) {
      await this.#abort(named);
      throw error;
    }
    await this.#abort(named);
    return false;
  }

  /** As well as it goes: parts that nobody completes are for the bucket's lifecycle rules to remove. */
  async #abort(named: {
    Bucket: string;
    Key: string;
    UploadId: string | undefined;
  }): Promise<void> {
    await answered((how) => this.#client.send(new AbortMultipartUploadCommand(named), how)).catch(
      () => undefined,
    );
  }

  async *#bytesOf(pieces: readonly Stored[]): AsyncIterable<Uint8Array> {
    for (const { key, size } of pieces) yield* this.#bytes(key, { start: 0, end: size });
  }

  async *#bytes(Key: string, { start, end }: ByteRange): AsyncIterable<Uint8Array> {
    if (end <= start) return;
    const Range = `bytes=${start}-${end - 1}`;
    const giveUp = new AbortController();
    const named = { Bucket: this.#bucket, Key, Range };
    const { Body } = await answered(
      (how) => this.#client.send(new GetObjectCommand(named), how),
      answerMs,
      giveUp,
    );
    const pieces = Body?.transformToWebStream()[Symbol.asyncIterator]();
    let left = end - start;
    try {
      while (left > 0) {
        // oxlint-disable-next-line no-await-in-loop -- how long its reader takes does not count
        const piece = await answered(async () => pieces?.next(), answerMs, giveUp);
        if (piece === undefined || piece.done === true) break;
        if (!(piece.value instanceof Uint8Array)) continue;
        // Some servers send more than they are asked for.
        yield piece.value.subarray(0, left);
        left -= piece.value.byteLength;
      }
    } finally {
      giveUp.abort();
    }
    if (left > 0) throw ioError(new Error(`${left} bytes are missing`));
  }

  /** The pieces of an upload that follow each other without a gap, from 0 on. */
  async #piecesOf(upload: UploadId): Promise<readonly Stored[]> {
    const pieces: Stored[] = [];
    let size = 0;
    for await (const piece of this.#objects(this.#uploadKey(upload))) {
      if (Number(piece.key.slice(-offsetDigits)) !== size) break;
      pieces.push(piece);
      size += piece.size;
    }
    return pieces;
  }

  async *#objects(Prefix: string): AsyncIterable<Stored> {
    let ContinuationToken: string | undefined;
    do {
      const page = {
        Bucket: this.#bucket,
        Prefix,
        ...(ContinuationToken && { ContinuationToken }),
      };
      // oxlint-disable-next-line no-await-in-loop -- each page begins where the one before ended
      const listed = await answered((how) =>
        this.#client.send(new ListObjectsV2Command(page), how),
      );
      for (const { Key, Size = 0, LastModified } of listed.Contents ?? []) {
        if (Key !== undefined) yield { key: Key, size: Size, at: LastModified?.getTime() ?? 0 };
      }
      ContinuationToken = listed.NextContinuationToken;
      // Some servers name an empty one behind the last page, which would be the first again.
    } while (ContinuationToken !== undefined && ContinuationToken !== '');
  }

  async #deleteAll(pieces: readonly Stored[]): Promise<void> {
    for (let at = 0; at < pieces.length; at += 1000) {
      const Objects = pieces.slice(at, at + 1000).map(({ key }) => ({ Key: key }));
      // oxlint-disable-next-line no-await-in-loop -- a thousand at a time, as S3 allows
      await answered((how) =>
        this.#client.send(
          new DeleteObjectsCommand({ Bucket: this.#bucket, Delete: { Objects } }),
          how,
        ),
      );
    }
  }

  #blobKey(hash: BlobHash): string {
    const digits = digitsOf(hash);
    return `${this.#prefix}blobs/${digits.slice(0, 2)}/${digits}`;
  }

  #uploadKey(upload: UploadId): string {
    return `${this.#prefix}uploads/${uploadDigits(upload)}/`;
  }
}

/** The same bytes in parts of one size, but for the last: some servers take no others. */
async function* cut(
  pieces: AsyncIterable<Uint8Array>,
  note: (bytes: Uint8Array) => void,
): AsyncIterable<Uint8Array> {
  let held: Uint8Array[] = [];
  let size = 0;
  for await (const bytes of pieces) {
    note(bytes);
    for (let at = 0; at < bytes.byteLength;) {
      const part = bytes.subarray(at, at + pieceBytes - size);
      held.push(part);
      size += part.byteLength;
      at += part.byteLength;
      if (size < pieceBytes) continue;
      yield Buffer.concat(held);
      held = [];
      size = 0;
    }
  }
  if (size > 0) yield Buffer.concat(held);
}

/** The uploads that pieces are of; in the order of keys those of one follow each other. */
async function* uploadsOf(pieces: AsyncIterable<Stored>): AsyncIterable<KeptBytes> {
  let last: KeptBytes | undefined;
  for await (const { key, size, at } of pieces) {
    const name = uploadOf(key.split('/').at(-2) ?? '');
    if (name === null) continue;
    if (last !== undefined && last.name === name) {
      last = { name, size: size + last.size, at: Math.max(at, last.at) };
      continue;
    }
    if (last !== undefined) yield last;
    last = { name, size, at };
  }
  if (last !== undefined) yield last;
}

function sizeOf(pieces: readonly Stored[]): number {
  return pieces.reduce((sum, { size }) => sum + size, 0);
}

async function unlessMissing<T>(ask: Ask<T>): Promise<T | null> {
  try {
    return await answered(ask);
  } catch (error) {
    if (error instanceof BlobError && isMissing(error.cause)) return null;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && (error.name === 'NotFound' || error.name === 'NoSuchKey');
}

type Ask<T> = (how: { readonly abortSignal: AbortSignal }) => Promise<T>;

/** What the bucket says, in time: whoever waits behind what it does not say would wait for ever. */
async function answered<T>(
  ask: Ask<T>,
  ms: number = answerMs,
  giveUp: AbortController = new AbortController(),
): Promise<T> {
  const late = new Error(`it has said nothing for ${ms / 1000} s`);
  const timer = setTimeout(() => giveUp.abort(late), ms);
  try {
    return await ask({ abortSignal: giveUp.signal });
  } catch (error) {
    throw ioError(giveUp.signal.reason === late ? late : error);
  } finally {
    clearTimeout(timer);
  }
}

function ioError(error: unknown): BlobError {
  const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const message = `The bucket did not do as it was asked (${why}). Check its address, credentials and policy.`;
  return new BlobError('io', message, error);
}
