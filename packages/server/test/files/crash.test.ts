import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startBucket } from '../blobs/bucket.ts';
import { directory } from '../catch-up/directory.ts';
import { Peer } from '../conversation/peer.ts';
import { topic } from '../conversation/world.ts';
import { hashOf, pieceHeaders, told } from './site.ts';

const text = 'Hello, files.';
const headers = { authorization: 'Bearer dev' };

/** A server process that stops at a moment of an upload, or at none; with an endpoint its files are in a bucket. */
async function start(
  data: string,
  moment: string,
  endpoint?: string,
): Promise<{ child: ChildProcess; at: string }> {
  const more = endpoint === undefined ? [] : [endpoint];
  const child = fork(join(import.meta.dirname, 'crashing.ts'), [data, moment, ...more], {
    execArgv: ['--conditions=@holdfast/source'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [message]: unknown[] = await once(child, 'message');
  const { url } = message as { url: string };
  return { child, at: `${url}/api/stores/demo/main/files/a` };
}

/** Where the same content is downloaded by its name. */
function byHashAt(at: string): string {
  return at.replace(/stores\/.*/, `files/${hashOf(text)}`);
}

/** Somebody who pushes to the store of a process. */
async function pusher(at: string): Promise<Peer> {
  const peer = await Peer.connect(new URL(at).origin, { token: 'dev' });
  onTestFinished(() => peer.cut());
  await peer.join(topic);
  return peer;
}

async function killAt(
  data: string,
  moment: string,
  rest: object,
  endpoint?: string,
): Promise<void> {
  const { child, at } = await start(data, moment, endpoint);
  const answer = fetch(at, { method: 'PUT', body: text, headers, ...rest }).catch(() => null);
  await once(child, 'message');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await answer).toBeNull();
}

test.each(['received', 'complete', 'deciding'])(
  'S98 killed when an upload is %s, neither the entry nor the bytes can be seen, and the upload goes on (P62)',
  async (moment) => {
    const data = directory();
    const piece = { headers: { ...headers, ...pieceHeaders(hashOf(text), '0-12/13') } };
    await killAt(data, moment, piece);
    const { at } = await start(data, 'none');
    expect((await fetch(at, { headers })).status).toBe(404);
    expect((await fetch(byHashAt(at), { headers })).status).toBe(404);
    const rest = { ...headers, ...pieceHeaders(hashOf(text), '*/13') };
    // All bytes were there: none is sent again.
    expect(await told(await fetch(at, { method: 'PUT', headers: rest }))).toMatchObject([
      201,
      { store_seq: 1 },
    ]);
    expect(await (await fetch(at, { headers })).text()).toBe(text);
  },
  120_000,
);

test('S98 killed when an upload is found right, and whose it is was not noted yet, nothing can be seen, and its bytes come again (P62)', async () => {
  const data = directory();
  const piece = { headers: { ...headers, ...pieceHeaders(hashOf(text), '0-12/13') } };
  await killAt(data, 'finished', piece);
  const { at } = await start(data, 'none');
  expect((await fetch(at, { headers })).status).toBe(404);
  expect((await fetch(byHashAt(at), { headers })).status).toBe(404);
  const ask = { ...headers, ...pieceHeaders(hashOf(text), '*/13') };
  // Whoever brought them: others may have asked at the same moment.
  const asked = await fetch(at, { method: 'PUT', headers: ask });
  expect(await told(asked)).toEqual([202, { received: 0 }]);
  const again = await fetch(at, { method: 'PUT', body: text, ...piece });
  expect(await told(again)).toMatchObject([201, { store_seq: 1 }]);
  expect(await (await fetch(at, { headers })).text()).toBe(text);
}, 120_000);

test.each(['received', 'deciding'])(
  'S98 killed when an upload in one is %s, it has left nothing to be seen, and can be made again (P62)',
  async (moment) => {
    const data = directory();
    await killAt(data, moment, {});
    const { at } = await start(data, 'none');
    expect((await fetch(at, { headers })).status).toBe(404);
    expect((await fetch(at, { method: 'PUT', headers, body: text })).status).toBe(201);
    expect(await (await fetch(at, { headers })).text()).toBe(text);
  },
  120_000,
);

test.each(['complete', 'deciding', 'stored'])(
  'S98 killed when a push that brings a file is %s, its entry and its bytes are both there, or neither, and it can be pushed again (P62)',
  async (moment) => {
    const data = directory();
    const content = Buffer.from(text).toString('base64');
    const payload = { path: 'a', content, client_op_id: 'o1' };
    const first = await start(data, moment);
    const before = await pusher(first.at);
    before.push(topic, 'put_file', payload);
    await once(first.child, 'message');
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    expect(before.heard.map(([, , , event]) => event)).not.toContain('events');
    const { at } = await start(data, 'none');
    const status = moment === 'stored' ? 200 : 404;
    expect((await fetch(at, { headers })).status).toBe(status);
    expect((await fetch(byHashAt(at), { headers })).status).toBe(status);
    const after = await pusher(at);
    const { response } = await after.ask(topic, 'put_file', payload);
    expect(response).toEqual({ store_seq: 1, hash: hashOf(text) });
    expect(await (await fetch(at, { headers })).text()).toBe(text);
  },
  120_000,
);

test('S98 killed when the commit is stored and not yet answered, the entry and its bytes are there (P62)', async () => {
  const data = directory();
  await killAt(data, 'stored', { headers: { ...headers, 'idempotency-key': 'k' } });
  const { at } = await start(data, 'none');
  expect(await (await fetch(at, { headers })).text()).toBe(text);
  const again = await fetch(at, {
    method: 'PUT',
    body: text,
    headers: { ...headers, 'idempotency-key': 'k' },
  });
  expect(again.headers.get('idempotent-replay')).toBe('true');
  expect(await told(again)).toMatchObject([201, { store_seq: 1 }]);
}, 120_000);

test.each([
  ['finished', 404],
  ['stored', 200],
])(
  'S98 given a server that keeps its files in a bucket, killed when an upload is %s, then the entry and its bytes are both there, or neither (P62)',
  async (moment, status) => {
    const data = directory();
    const bucket = await startBucket();
    onTestFinished(() => bucket.close());
    const piece = { headers: { ...headers, ...pieceHeaders(hashOf(text), '0-12/13') } };
    await killAt(data, moment, piece, bucket.endpoint);
    const { at } = await start(data, 'none', bucket.endpoint);
    expect((await fetch(at, { headers })).status).toBe(status);
    expect((await fetch(byHashAt(at), { headers })).status).toBe(status);
    expect((await fetch(at, { method: 'PUT', headers, body: text })).status).toBe(
      status === 404 ? 201 : 200,
    );
    expect(await (await fetch(at, { headers })).text()).toBe(text);
  },
  120_000,
);
