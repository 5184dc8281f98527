import { s3Blobs } from '@holdfast/server/blobs/s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BucketServer, startBucket } from '../blobs/bucket.ts';
import { hashOf, pieceHeaders, site, told } from './site.ts';

let bucket: BucketServer;

beforeAll(async () => {
  bucket = await startBucket();
});
afterAll(() => bucket.close());

test('S99 a server that keeps its files in a bucket takes them whole and in pieces, and gives them out in parts', async () => {
  const { call } = await site({ files: s3Blobs({ client: bucket.client, bucket: 'files' }) });
  const whole = await call('a', { method: 'PUT', body: 'Hello, files.' });
  expect(await told(whole)).toMatchObject([201, { hash: hashOf('Hello, files.'), size: 13 }]);
  const part = await call('a', { headers: { range: 'bytes=7-11' } });
  expect([part.status, await part.text()]).toEqual([206, 'files']);
  const text = 'in pieces';
  const piece = async (range: string, body: string) =>
    told(await call('b', { method: 'PUT', body, headers: pieceHeaders(hashOf(text), range) }));
  expect(await piece('0-2/9', 'in ')).toEqual([202, { received: 3 }]);
  expect(await piece('0-2/9', 'in ')).toEqual([409, { error: 'offset_mismatch', received: 3 }]);
  expect(await piece('3-8/9', 'pieces')).toMatchObject([201, { hash: hashOf(text) }]);
  expect(await (await call('b')).text()).toBe(text);
  const wrong = { 'holdfast-content-hash': hashOf('another') };
  expect((await call('c', { method: 'PUT', body: text, headers: wrong })).status).toBe(422);
});
