import type { BlobHash, Blobs, ByteRange, KeptBytes, UploadId } from '@holdfast/server/blobs';
import type { Room } from './room.ts';

/**
 * Contents of files as one server process sees them: late. It ends with the process, in the midst of whatever is written:
 * what had come is kept, and what was being finished is finished, or not.
 */
export class BlobDisk implements Blobs {
  readonly #blobs: Blobs;
  readonly #room: Room;
  readonly #deleteMs: number;
  readonly #finishing = new Set<() => void>();
  #isOver = false;

  constructor(blobs: Blobs, room: Room, deleteMs = 10) {
    this.#blobs = blobs;
    this.#room = room;
    this.#deleteMs = deleteMs;
  }

  /** The process ends. */
  end(): void {
    this.#isOver = true;
    for (const finish of this.#finishing) if (this.#room.dice.chance(0.5)) finish();
    this.#finishing.clear();
  }

  async stat(hash: BlobHash): Promise<number | null> {
    await this.#wait(5);
    return this.#blobs.stat(hash);
  }

  async read(hash: BlobHash, range?: ByteRange): Promise<AsyncIterable<Uint8Array> | null> {
    await this.#wait(5);
    const bytes = await this.#blobs.read(hash, range);
    return bytes === null ? null : this.#late(bytes);
  }

  async received(upload: UploadId): Promise<number> {
    await this.#wait(5);
    return this.#blobs.received(upload);
  }

  async append(upload: UploadId, from: number, bytes: AsyncIterable<Uint8Array>): Promise<number> {
    await this.#wait(5);
    const received = await this.#blobs.append(upload, from, this.#late(bytes));
    await this.#wait(5);
    return received;
  }

  async finish(upload: UploadId, hash: BlobHash): Promise<number | null> {
    const finish = (): void => void this.#blobs.finish(upload, hash);
    this.#finishing.add(finish);
    await this.#wait(20);
    this.#finishing.delete(finish);
    const size = await this.#blobs.finish(upload, hash);
    await this.#wait(5);
    return size;
  }

  async delete(name: BlobHash | UploadId): Promise<void> {
    await this.#wait(this.#deleteMs);
    return this.#blobs.delete(name);
  }

  async *list(): AsyncIterable<KeptBytes> {
    await this.#wait(10);
    yield* this.#blobs.list();
  }

  async *#late(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const piece of bytes) {
      await this.#wait(10);
      yield piece;
    }
  }

  /** Some time; for ever where the process is gone by then. */
  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#room.agenda.later(this.#room.delay(ms), () => {
        if (!this.#isOver) resolve();
      });
    });
  }
}
