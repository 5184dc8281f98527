import { createHash } from 'node:crypto';
import type { Blobs } from '@holdfast/server/blobs';
import { blobConformance } from '@holdfast/server/blobs/conformance';
import { UploadPartCommand } from '@aws-sdk/client-s3';
import { s3Blobs } from '@holdfast/server/blobs/s3';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type BucketServer, startBucket } from './bucket.ts';

let bucket: BucketServer;
let places = 0;
let last = '';

beforeAll(async () => {
  bucket = await startBucket();
});
afterAll(() => bucket.close());

function open(prefix: string): Blobs {
  return s3Blobs({ client: bucket.client, bucket: 'files', prefix });
}

function openEmpty(): Blobs {
  places += 1;
  last = `place ${places}/`;
  return open(last);
}

const upload = `upload:${'d'.repeat(64)}` as const;

/** Twenty million bytes, made as they are asked for. */
async function* large(): AsyncIterable<Uint8Array> {
  for (let piece = 0; piece < 200; piece++) yield Buffer.alloc(100_000, piece);
}

describe('blobs in a bucket that speaks S3', () => {
  const law = blobConformance({ open: async () => openEmpty(), reopen: async () => open(last) });
  for (const { name, run } of law) test(name, run);

  test('a large blob is written in parts, and is there only if it is right', async () => {
    const blobs = openEmpty();
    const digest = createHash('sha256');
    for await (const piece of large()) digest.update(piece);
    const hash = `sha256:${digest.digest('hex')}` as const;
    await blobs.append(upload, 0, large());
    expect(await blobs.finish(upload, `sha256:${'0'.repeat(64)}`)).toBeNull();
    expect(await blobs.stat(`sha256:${'0'.repeat(64)}`)).toBeNull();
    await blobs.append(upload, 0, large());
    expect(await blobs.finish(upload, hash)).toBe(20_000_000);
    const found = createHash('sha256');
    for await (const piece of (await blobs.read(hash)) ?? []) found.update(piece);
    expect(`sha256:${found.digest('hex')}`).toBe(hash);
  }, 180_000);

  test('the parts in which a large blob is written are of one size but for the last, as R2 wants them', async () => {
    const blobs = openEmpty();
    const digest = createHash('sha256');
    for await (const piece of large()) digest.update(piece);
    // Where a connection broke, a piece is shorter.
    const pieces = large()[Symbol.asyncIterator]();
    const first = await pieces.next();
    const begun = await blobs.append(
      upload,
      0,
      (async function* begin() {
        if (first.done !== true) yield first.value;
      })(),
    );
    await blobs.append(upload, begun, { [Symbol.asyncIterator]: () => pieces });
    const send = vi.spyOn(bucket.client, 'send');
    await blobs.finish(upload, `sha256:${digest.digest('hex')}`);
    const sizes = send.mock.calls.flatMap(([command]) => {
      const body = command instanceof UploadPartCommand ? command.input.Body : null;
      return body instanceof Uint8Array ? [body.byteLength] : [];
    });
    send.mockRestore();
    const size = 8 * 1024 * 1024;
    expect(sizes).toEqual([size, size, 20_000_000 - 2 * size]);
  }, 180_000);

  test('a bucket that is not there is an error that says what to check', async () => {
    const blobs = s3Blobs({ client: bucket.client, bucket: 'nowhere' });
    await expect(blobs.append(upload, 0, large())).rejects.toMatchObject({
      reason: 'io',
      message: expect.stringContaining('Check its address'),
    });
  });
});
