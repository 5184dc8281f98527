import { createHash, randomBytes } from 'node:crypto';
import { refuse } from '@holdfast/protocol';
import { isBlobHash, type KeptBytes, type UploadId } from '../blobs/index.ts';
import { ContentRefused } from './refused.ts';
import type { FilesRoom } from './room.ts';

/** More uploads than this are never on their way to one store but by mistake or ill will. */
const UPLOADS_MAX = 1000;
const RETRY_MS = 60_000;
const digits = 32;

/**
 * The uploads of each store that have yet to become content: how many there are, and what they hold. Bounded, for else they
 * would fill a disk without a commit that a quota could refuse. An upload's name begins with that of its store, so what a
 * former process has left is found again by the first sweep.
 */
export class Unfinished {
  readonly #room: Pick<FilesRoom, 'quotas'>;
  /** By store, then by upload: bytes. */
  readonly #stores = new Map<string, Map<UploadId, number>>();
  /** Those that only a sweep knows of; the next one may know better. */
  readonly #inherited = new Set<UploadId>();
  /** What the last one that ends an upload came to. */
  readonly #endings = new Map<UploadId, Promise<unknown>>();

  constructor(room: Pick<FilesRoom, 'quotas'>) {
    this.#room = room;
  }

  /** The name of an upload that nobody can go on with. */
  draw(storeId: string): UploadId {
    return `upload:${storePart(storeId)}${randomBytes(digits / 2).toString('hex')}`;
  }

  /** The name of an upload in pieces: the same for the same subject and content, so that it is found again after a restart. */
  nameOf(storeId: string, subject: string | null, hash: string): UploadId {
    return `upload:${storePart(storeId)}${digest([storeId, subject, hash])}`;
  }

  /** An upload is about to hold so many bytes; throws where that is too much for its store. */
  grow(upload: UploadId, size: number): void {
    const uploads = this.#uploadsBeside(upload);
    if (!uploads.has(upload) && uploads.size >= UPLOADS_MAX) {
      throw new ContentRefused(refuse('overloaded', { retry_after_ms: RETRY_MS }));
    }
    const limit = this.#room.quotas?.file_storage ?? Infinity;
    let current = 0;
    for (const [name, bytes] of uploads) if (name !== upload) current += bytes;
    if (current + size > limit) {
      const dimension = 'file_storage';
      throw new ContentRefused(refuse('limit_exceeded', { dimension, current, limit }));
    }
    uploads.set(upload, size);
    this.#inherited.delete(upload);
  }

  /** What is there as far as a sweep saw: of a former process, too. */
  inherit(seen: readonly Pick<KeptBytes, 'name' | 'size'>[]): void {
    for (const upload of this.#inherited) this.done(upload);
    for (const { name, size } of seen) {
      if (isBlobHash(name) || this.#uploadsBeside(name).has(name)) continue;
      this.#uploadsBeside(name).set(name, size);
      this.#inherited.add(name);
    }
  }

  /** Who makes content of an upload, or deletes it, does so in turn: of what has just gone nobody can say that it was right. */
  async inTurn<T>(upload: UploadId, work: () => Promise<T>): Promise<T> {
    const before = this.#endings.get(upload) ?? Promise.resolve();
    const ending = before.then(work, work);
    this.#endings.set(upload, ending);
    try {
      return await ending;
    } finally {
      if (this.#endings.get(upload) === ending) this.#endings.delete(upload);
    }
  }

  /** It is content now, or gone. */
  done(upload: UploadId): void {
    this.#inherited.delete(upload);
    const uploads = this.#uploadsBeside(upload);
    uploads.delete(upload);
    if (uploads.size === 0) this.#stores.delete(partOf(upload));
  }

  #uploadsBeside(upload: UploadId): Map<UploadId, number> {
    const part = partOf(upload);
    const uploads = this.#stores.get(part) ?? new Map<UploadId, number>();
    this.#stores.set(part, uploads);
    return uploads;
  }
}

function storePart(storeId: string): string {
  return digest([storeId]);
}

function partOf(upload: UploadId): string {
  return upload.slice('upload:'.length).slice(0, digits);
}

function digest(of: readonly (string | null)[]): string {
  return createHash('sha256').update(JSON.stringify(of)).digest('hex').slice(0, digits);
}
