import { createHash } from 'node:crypto';
import { type Refusal, refuse } from '@holdfast/protocol';
import { BlobError, type BlobHash, noBytes, type UploadId } from '../blobs/index.ts';
import type { FileContent } from '../storage/port.ts';
import type { Collector } from './collector.ts';
import { ContentRefused } from './refused.ts';
import type { FilesRoom } from './room.ts';
import type { Unfinished } from './unfinished.ts';

/** Content that is kept now, and that the store may name. */
export type KeptContent = FileContent & { readonly hash: BlobHash };

/** Where an upload in pieces belongs: its pieces are nobody else's (stores.md §15.5.2). */
export type PieceKey = {
  readonly storeId: string;
  readonly subject: string | null;
  readonly hash: BlobHash;
  /** As of {@link Coming}. */
  readonly replaced?: number;
};

/** What is known of content before it comes. */
export type Coming = {
  /** What its digest has to be; null: whatever it is. */
  readonly expected: BlobHash | null;
  /** The bytes of what it takes the place of; left out where only the commit knows. */
  readonly replaced?: number;
};

/** What a piece came to: more is wanted, it does not begin where the upload stands, it is not what it was said to be, or all is there. */
export type PieceOutcome =
  | { readonly status: 'received'; readonly received: number }
  | { readonly status: 'offset_mismatch'; readonly received: number }
  | { readonly status: 'digest_mismatch' }
  | { readonly status: 'kept'; readonly content: KeptContent };

/**
 * Takes content in: whole, as a stream, or in pieces. What is kept is durable and noted as uploaded to the store before
 * anything names it; nothing names it before a commit does (stores.md §14.2).
 */
export class Intake {
  readonly #room: FilesRoom;
  readonly #collector: Collector;
  readonly #unfinished: Unfinished;

  constructor(room: FilesRoom, collector: Collector, unfinished: Unfinished) {
    this.#room = room;
    this.#collector = collector;
    this.#unfinished = unfinished;
  }

  /** Keeps bytes that are in memory already. */
  async keep(storeId: string, bytes: Uint8Array, replaced: number): Promise<KeptContent> {
    const hash: BlobHash = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const content = { hash, size: bytes.byteLength };
    const { blobs, storage } = this.#room;
    // What others hold is written once more: who waits less would know of it.
    const isHeld = (await storage.files.held(storeId, hash)) !== null;
    await this.#note(storeId, content, replaced);
    if (isHeld && (await blobs.stat(hash)) !== null) return content;
    const upload = this.#unfinished.draw(storeId);
    await blobs.append(upload, 0, once(bytes));
    return this.#finish(upload, content);
  }

  /** Keeps a stream to its end; null, and nothing kept, if its digest is not the one that was expected. */
  async receive(
    storeId: string,
    bytes: AsyncIterable<Uint8Array>,
    { expected, replaced = Infinity }: Coming,
  ): Promise<KeptContent | null> {
    const { blobs, limits } = this.#room;
    const upload = this.#unfinished.draw(storeId);
    const digest = createHash('sha256');
    let isKept = false;
    try {
      const size = await blobs.append(
        upload,
        0,
        limited(bytes, limits.max_file_bytes, (piece, held) => {
          this.#unfinished.grow(upload, held);
          digest.update(piece);
        }),
      );
      const hash: BlobHash = `sha256:${digest.digest('hex')}`;
      if (expected !== null && hash !== expected) return null;
      await this.#note(storeId, { hash, size }, replaced);
      const kept = await this.#finish(upload, { hash, size });
      isKept = true;
      return kept;
    } finally {
      if (!isKept) await this.#drop(upload);
      this.#unfinished.done(upload);
    }
  }

  async #drop(upload: UploadId): Promise<void> {
    await this.#room.blobs.delete(upload).catch((error: unknown) => {
      this.#room.report('an upload that failed was not deleted', error);
    });
  }

  /** Goes on with an upload in pieces; without bytes, only asks how far it is. */
  async piece(
    key: PieceKey,
    piece: { readonly from: number; readonly bytes: AsyncIterable<Uint8Array> } | null,
    total: number,
  ): Promise<PieceOutcome> {
    const { limits } = this.#room;
    const { storeId, hash } = key;
    if (total > limits.max_file_bytes) throw tooLarge(limits.max_file_bytes);
    const upload = this.#unfinished.nameOf(storeId, key.subject, hash);
    const held = piece === null ? await this.#held(key, total) : null;
    if (held !== null) return held;
    const received = await this.#extend(upload, piece, total);
    if (typeof received !== 'number') {
      // A piece of what is complete already: the answer to the last one was lost.
      const isOver = received.status === 'offset_mismatch' && received.received === 0;
      return (isOver ? await this.#held(key, total) : null) ?? received;
    }
    if (received < total) return { status: 'received', received };
    return this.#unfinished.inTurn(upload, () => this.#complete(upload, key, total));
  }

  /**
   * Makes content of an upload that is all there. It is noted only when it is right: whoever says what they bring, and brings
   * something else, would hold what others have brought.
   */
  async #complete(upload: UploadId, key: PieceKey, total: number): Promise<PieceOutcome> {
    const { storeId, hash, replaced = Infinity } = key;
    const { blobs } = this.#room;
    const received = await blobs.received(upload);
    // The one before has finished it, and of what is not there it would be said that it is right.
    if (received !== total) {
      return (await this.#held(key, total)) ?? { status: 'offset_mismatch', received };
    }
    const content = { hash, size: total };
    await this.#needRoom(storeId, content, replaced);
    await this.#spare(content, null);
    const size = await blobs.finish(upload, hash);
    this.#unfinished.done(upload);
    if (size !== total) return { status: 'digest_mismatch' };
    await this.#spare(content, storeId);
    return { status: 'kept', content };
  }

  /** What the store holds needs no bytes. */
  async #held(
    { storeId, hash, replaced = Infinity }: PieceKey,
    total: number,
  ): Promise<PieceOutcome | null> {
    const { blobs, storage } = this.#room;
    const content = { hash, size: total };
    if ((await storage.files.held(storeId, hash)) !== total) return null;
    await this.#note(storeId, content, replaced);
    return (await blobs.stat(hash)) === total ? { status: 'kept', content } : null;
  }

  async #extend(
    upload: UploadId,
    piece: { readonly from: number; readonly bytes: AsyncIterable<Uint8Array> } | null,
    total: number,
  ): Promise<number | PieceOutcome> {
    const { blobs } = this.#room;
    if (piece === null) return this.#standing(upload);
    try {
      const { from } = piece;
      const bytes = limited(piece.bytes, total - from, (_piece, held) =>
        this.#unfinished.grow(upload, from + held),
      );
      return await blobs.append(upload, piece.from, bytes);
    } catch (error) {
      if (!(error instanceof BlobError) || error.reason !== 'offset') throw error;
      return { status: 'offset_mismatch', received: await blobs.received(upload) };
    }
  }

  /** How far an upload is. Whoever asks goes on from there, so a request that still adds to it ends here. */
  async #standing(upload: UploadId): Promise<number> {
    const { blobs } = this.#room;
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- until it stands still
      const received = await blobs.received(upload);
      if (received === 0) return 0;
      try {
        // oxlint-disable-next-line no-await-in-loop -- the same
        return await blobs.append(upload, received, noBytes());
      } catch (error) {
        if (!(error instanceof BlobError) || error.reason !== 'offset') throw error;
      }
    }
  }

  /**
   * Why a store takes no more content in: there would be more of it in use than the quota, when what is replaced has gone.
   * What was uploaded and is not named, for its commit is still to come or was refused, is no charge (stores.md §14.2); but
   * of it there may be no more than the quota either, until it is collected.
   */
  async refuseMore(storeId: string, size: number, replaced: number): Promise<Refusal | null> {
    const limit = this.#room.quotas?.file_storage;
    if (limit === undefined) return null;
    const { files } = this.#room.storage;
    const used = await files.usage(storeId);
    const beyond = (current: number): Refusal =>
      refuse('limit_exceeded', { dimension: 'file_storage', current, limit });
    if (used - replaced + size > limit) return beyond(used);
    const pending = await files.pending(storeId);
    return pending < limit && size <= limit ? null : beyond(pending + used);
  }

  async #note(storeId: string, content: KeptContent, replaced: number): Promise<void> {
    await this.#needRoom(storeId, content, replaced);
    await this.#spare(content, storeId);
  }

  async #needRoom(storeId: string, { hash, size }: KeptContent, replaced: number): Promise<void> {
    const isHeld = (await this.#room.storage.files.held(storeId, hash)) !== null;
    const refusal = isHeld ? null : await this.refuseMore(storeId, size, replaced);
    if (refusal !== null) throw new ContentRefused(refusal);
  }

  /** What is condemned goes first, and then comes again. */
  async #spare(content: KeptContent, uploadedTo: string | null): Promise<void> {
    while (!(await this.#room.storage.files.spare(content, uploadedTo))) {
      // oxlint-disable-next-line no-await-in-loop -- until the bytes that were to go are gone
      await this.#collector.bury(content.hash);
    }
  }

  async #finish(upload: UploadId, content: KeptContent): Promise<KeptContent> {
    const size = await this.#room.blobs.finish(upload, content.hash);
    if (size === content.size) return content;
    throw new BlobError('io', 'What was written is not what was received.');
  }
}

function tooLarge(limit: number): ContentRefused {
  return new ContentRefused(refuse('file_too_large', { limit }));
}

async function* once(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** Tells of each piece before it is kept, and how much is held with it. */
async function* limited(
  bytes: AsyncIterable<Uint8Array>,
  max: number,
  note: (piece: Uint8Array, held: number) => void,
): AsyncIterable<Uint8Array> {
  let held = 0;
  for await (const piece of bytes) {
    held += piece.byteLength;
    if (held > max) throw tooLarge(max);
    note(piece, held);
    yield piece;
  }
}
