import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';

import { BlobError, type BlobHash, type Blobs, type KeptBytes, type UploadId } from './port.ts';

/** The driver under test. */
export type BlobSubject = {
  /** Opens an empty place for blobs that no other case uses. */
  readonly open: () => Promise<Blobs>;
  /** Opens again what a former process has kept, without any goodbye of it; or why there is nothing to open. */
  readonly reopen: ((before: Blobs) => Promise<Blobs>) | { readonly skip: string };
};

/** One sentence of the law, and how to see that it holds. `run` rejects if it does not. */
export type BlobCase = { readonly name: string; readonly run: () => Promise<void> };

type Case = {
  readonly name: string;
  readonly reopens?: true;
  readonly run: (blobs: Blobs, reopen: () => Promise<Blobs>) => Promise<void>;
};

const upload: UploadId = `upload:${'a'.repeat(64)}`;
const other: UploadId = `upload:${'b'.repeat(64)}`;

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function hashOf(bytes: Uint8Array): BlobHash {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function* from(...pieces: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* pieces;
}

/** Bytes that break off. */
async function* broken(piece: Uint8Array): AsyncIterable<Uint8Array> {
  yield piece;
  throw new Error('the line broke');
}

const idle = (): void => undefined;

/** Bytes that come, and then no more come, nor an end. */
function hanging(piece: Uint8Array): {
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly taken: Promise<void>;
} {
  let took = idle;
  const taken = new Promise<void>((resolve) => (took = resolve));
  async function* bytes(): AsyncIterable<Uint8Array> {
    yield piece;
    took();
    await new Promise(() => undefined);
  }
  return { bytes: bytes(), taken };
}

/** Bytes that no compression or repetition makes small. */
function noise(size: number): Uint8Array {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at += 32) {
    createHash('sha256')
      .update(String(at))
      .digest()
      .copy(bytes, at, 0, Math.min(32, size - at));
  }
  return bytes;
}

async function put(blobs: Blobs, bytes: Uint8Array): Promise<BlobHash> {
  const hash = hashOf(bytes);
  await blobs.append(upload, 0, from(bytes));
  assert.equal(await blobs.finish(upload, hash), bytes.byteLength);
  return hash;
}

async function contentOf(
  blobs: Blobs,
  hash: BlobHash,
  range?: { start: number; end: number },
): Promise<Buffer> {
  const stream = await blobs.read(hash, range);
  assert(stream !== null, `${hash} is not there`);
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function listed(blobs: Blobs): Promise<readonly KeptBytes[]> {
  const all: KeptBytes[] = [];
  for await (const kept of blobs.list()) all.push(kept);
  return all.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

const because = (reason: BlobError['reason']) => (error: unknown) =>
  error instanceof BlobError && error.reason === reason;

const cases: readonly Case[] = [
  {
    name: 'what is not there is null or 0, and deleting it is no error',
    async run(blobs) {
      const hash = hashOf(bytesOf('nothing'));
      assert.equal(await blobs.stat(hash), null);
      assert.equal(await blobs.read(hash), null);
      assert.equal(await blobs.received(upload), 0);
      await blobs.delete(hash);
      await blobs.delete(upload);
      assert.deepEqual(await listed(blobs), []);
    },
  },
  {
    name: 'a blob is read as it was written, whole and in part, none of it and a byte too',
    async run(blobs) {
      const bytes = noise(300_001);
      const hash = await put(blobs, bytes);
      assert.equal(await blobs.stat(hash), bytes.byteLength);
      assert((await contentOf(blobs, hash)).equals(bytes));
      for (const [start, end] of [
        [0, 1],
        [299_999, 300_001],
        [65_535, 65_537],
        [10, 10],
        [0, 300_001],
      ] as const) {
        const part = await contentOf(blobs, hash, { start, end });
        assert(part.equals(bytes.subarray(start, end)), `${start} to ${end}`);
      }
      const empty = await put(blobs, new Uint8Array(0));
      assert.equal(await blobs.stat(empty), 0);
      assert.equal((await contentOf(blobs, empty)).byteLength, 0);
    },
  },
  {
    name: 'an upload grows by appends in order, and is no blob before it is finished',
    async run(blobs) {
      const [a, b] = [noise(70_000), bytesOf('the end')];
      const bytes = Buffer.concat([a, b]);
      assert.equal(
        await blobs.append(upload, 0, from(a.subarray(0, 1000), a.subarray(1000))),
        70_000,
      );
      assert.equal(await blobs.received(upload), 70_000);
      await assert.rejects(blobs.append(upload, 0, from(b)), because('offset'));
      await assert.rejects(blobs.append(upload, 70_001, from(b)), because('offset'));
      assert.equal(await blobs.append(upload, 70_000, from(b)), 70_007);
      assert.equal(await blobs.stat(hashOf(bytes)), null);
      assert.equal(await blobs.finish(upload, hashOf(bytes)), 70_007);
      assert((await contentOf(blobs, hashOf(bytes))).equals(bytes));
      assert.equal(await blobs.received(upload), 0);
    },
  },
  {
    name: 'an upload whose content is not what it is said to be is refused, and gone',
    async run(blobs) {
      const wrong = hashOf(bytesOf('something else'));
      await blobs.append(upload, 0, from(bytesOf('content')));
      assert.equal(await blobs.finish(upload, wrong), null);
      assert.equal(await blobs.stat(wrong), null);
      assert.equal(await blobs.stat(hashOf(bytesOf('content'))), null);
      assert.equal(await blobs.received(upload), 0);
      assert.equal(await blobs.finish(other, wrong), null);
    },
  },
  {
    name: 'what came before the bytes broke off is kept, and their error is told',
    async run(blobs) {
      const [a, b] = [noise(200_000), noise(100)];
      await assert.rejects(blobs.append(upload, 0, broken(a)), /the line broke/);
      const received = await blobs.received(upload);
      assert(received <= a.byteLength);
      await blobs.append(upload, received, from(a.subarray(received), b));
      const bytes = Buffer.concat([a, b]);
      assert.equal(await blobs.finish(upload, hashOf(bytes)), bytes.byteLength);
      assert((await contentOf(blobs, hashOf(bytes))).equals(bytes));
    },
  },
  {
    name: 'a later append of an upload ends an earlier one that hangs',
    async run(blobs) {
      const { bytes, taken } = hanging(bytesOf('first'));
      const first = blobs.append(upload, 0, bytes);
      const rejected = assert.rejects(first, because('superseded'));
      await taken;
      await assert.rejects(blobs.append(upload, 99, from(bytesOf('x'))), because('offset'));
      await rejected;
      const received = await blobs.received(upload);
      await blobs.append(upload, received, from(bytesOf('first, then second').subarray(received)));
      assert.equal(await blobs.finish(upload, hashOf(bytesOf('first, then second'))), 18);
    },
  },
  {
    name: 'several that finish the same upload at once all have its blob, and what goes on with it touches nothing',
    async run(blobs) {
      const bytes = noise(400_000);
      const hash = hashOf(bytes);
      await blobs.append(upload, 0, from(bytes));
      const finishing = [blobs.finish(upload, hash), blobs.finish(upload, hash)];
      const late = blobs.append(upload, bytes.byteLength, from(bytesOf('more')));
      await assert.rejects(late, because('offset'));
      assert.deepEqual(await Promise.all(finishing), [bytes.byteLength, bytes.byteLength]);
      assert.equal(await blobs.finish(upload, hash), bytes.byteLength);
      assert.equal(await blobs.received(upload), 0);
      assert((await contentOf(blobs, hash)).equals(bytes));
    },
  },
  {
    name: 'the same content twice is one blob, and uploads do not mix',
    async run(blobs) {
      await blobs.append(other, 0, from(bytesOf('other')));
      const hash = await put(blobs, bytesOf('same'));
      await put(blobs, bytesOf('same'));
      assert.equal(String(await contentOf(blobs, hash)), 'same');
      const sizes = (await listed(blobs)).map(({ name, size }) => [name, size]);
      assert.deepEqual(sizes, [
        [hash, 4],
        [other, 5],
      ]);
      assert.equal(await blobs.finish(other, hashOf(bytesOf('other'))), 5);
    },
  },
  {
    name: 'blobs and uploads are listed with the time of their last bytes, until they are deleted',
    async run(blobs) {
      const hash = await put(blobs, bytesOf('one'));
      await blobs.append(other, 0, from(bytesOf('part')));
      const all = await listed(blobs);
      assert.deepEqual(
        all.map(({ name }) => name),
        [hash, other],
      );
      for (const { at } of all) assert(Number.isFinite(at) && at > 0);
      await blobs.delete(other);
      assert.equal(await blobs.received(other), 0);
      await blobs.delete(hash);
      assert.equal(await blobs.stat(hash), null);
      assert.deepEqual(await listed(blobs), []);
    },
  },
  {
    name: 'a blob that is deleted while it is read is read to its end, or ends with an error',
    async run(blobs) {
      const bytes = noise(2_000_000);
      const hash = await put(blobs, bytes);
      const stream = await blobs.read(hash);
      assert(stream !== null);
      const pieces: Uint8Array[] = [];
      const reading = (async () => {
        for await (const piece of stream) {
          if (pieces.length === 0) await blobs.delete(hash);
          pieces.push(piece);
        }
        return Buffer.concat(pieces);
      })();
      const whole = await reading.catch((error: unknown) => error);
      assert(whole instanceof Error || (Buffer.isBuffer(whole) && whole.equals(bytes)));
    },
  },
  {
    name: 'names of another form are refused before anything is touched',
    async run(blobs) {
      for (const name of ['', '../../etc/passwd', 'A'.repeat(64), `${'a'.repeat(64)}/x`]) {
        await assert.rejects(blobs.received(`upload:${name}`), RangeError);
        await assert.rejects(blobs.append(`upload:${name}x`, 0, from(bytesOf('x'))), RangeError);
        await assert.rejects(blobs.delete(`upload:${name}`), RangeError);
        await assert.rejects(blobs.delete(`sha256:${name}x`), RangeError);
        await assert.rejects(blobs.stat(`sha256:${name}x`), RangeError);
        await assert.rejects(blobs.finish(upload, `sha256:${name}x`), RangeError);
      }
    },
  },
  {
    name: 'blobs and what uploads have received survive the process',
    reopens: true,
    async run(before, reopen) {
      const bytes = noise(150_000);
      const hash = await put(before, bytesOf('kept'));
      await before.append(upload, 0, from(bytes.subarray(0, 100_000)));
      const blobs = await reopen();
      assert.equal(String(await contentOf(blobs, hash)), 'kept');
      assert.equal(await blobs.received(upload), 100_000);
      assert.equal(await blobs.append(upload, 100_000, from(bytes.subarray(100_000))), 150_000);
      assert.equal(await blobs.finish(upload, hashOf(bytes)), 150_000);
      assert((await contentOf(blobs, hashOf(bytes))).equals(bytes));
    },
  },
];

/**
 * The law of the blobs port: what every driver must do, for any test runner. Make each case a test. A driver that keeps
 * nothing beyond its process says so in `reopen`, and is spared the case on that.
 */
export function blobConformance(subject: BlobSubject): readonly BlobCase[] {
  const { reopen } = subject;
  return cases
    .filter(({ reopens }) => reopens !== true || typeof reopen === 'function')
    .map(({ name, run }) => ({
      name,
      run: async () => {
        const blobs = await subject.open();
        await run(blobs, async () => {
          assert(typeof reopen === 'function');
          return reopen(blobs);
        });
      },
    }));
}
