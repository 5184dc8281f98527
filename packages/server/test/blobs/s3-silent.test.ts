import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { S3Client } from '@aws-sdk/client-s3';
import type { Blobs } from '@holdfast/server/blobs';
import { s3Blobs } from '@holdfast/server/blobs/s3';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

const hash = `sha256:${'0'.repeat(64)}` as const;
const upload = `upload:${'d'.repeat(64)}` as const;

let answer: RequestListener;
let server: Server;
let client: S3Client;
let blobs: Blobs;

beforeEach(async () => {
  server = createServer((request, response) => answer(request, response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  client = new S3Client({
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    forcePathStyle: true,
  });
  blobs = s3Blobs({ client, bucket: 'files' });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
  client.destroy();
  server.closeAllConnections();
  server.close();
});

const asks: { readonly [name: string]: () => Promise<unknown> } = {
  'what it has': async () => {
    for await (const _ of blobs.list()) break;
  },
  'how large a blob is': () => blobs.stat(hash),
  'a blob': () => blobs.read(hash),
  'what an upload has received': () => blobs.received(upload),
  'a blob to be deleted': () => blobs.delete(hash),
  'an upload to be finished': () => blobs.finish(upload, hash),
};

test.each(Object.entries(asks))(
  'a bucket that does not say %s is given up after a minute',
  async (_, ask) => {
    const asked = new Promise<void>((resolve) => {
      answer = () => resolve();
    });
    const answered = expect(ask()).rejects.toMatchObject({ reason: 'io' });
    await asked;
    await vi.advanceTimersByTimeAsync(60_000);
    await answered;
  },
);

test('a blob that stops coming is given up after a minute, and not sooner where its reader is slow', async () => {
  const stopped = new Promise<void>((resolve) => {
    answer = ({ method }, response) => {
      response.setHeader('content-length', 10);
      if (method === 'HEAD') response.end();
      else response.write('Hello', () => resolve());
    };
  });
  const bytes = (await blobs.read(hash))?.[Symbol.asyncIterator]();
  expect(Buffer.from((await bytes?.next())?.value).toString()).toBe('Hello');
  await stopped;
  await vi.advanceTimersByTimeAsync(600_000);
  const rest = expect(bytes?.next()).rejects.toMatchObject({ reason: 'io' });
  await vi.advanceTimersByTimeAsync(60_000);
  await rest;
});

test('a list whose last page names an empty page after it ends there', async () => {
  answer = (_request, response) => {
    response.setHeader('content-type', 'application/xml');
    const key = `blobs/00/${hash.slice(7)}`;
    response.end(
      `<ListBucketResult><IsTruncated>false</IsTruncated><NextContinuationToken></NextContinuationToken><Contents><Key>${key}</Key><Size>1</Size></Contents></ListBucketResult>`,
    );
  };
  const found: string[] = [];
  for await (const { name } of blobs.list()) {
    found.push(name);
    if (found.length > 3) break;
  }
  expect(found).toEqual([hash]);
});
