import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { diskBlobs } from '@holdfast/server/blobs/disk';
import { describe, expect, test } from 'vitest';
import { directory } from '../catch-up/directory.ts';
import { opsIn, put } from '../conversation/talk.ts';
import { topic } from '../conversation/world.ts';
import { hashOf, pieceHeaders, site, told } from './site.ts';

const text = 'Hello, files.';
const etag = `"${hashOf(text)}"`;

describe('uploads', () => {
  test('S97 a PUT is answered with what it came to, and its op reaches who follows the store', async () => {
    const { call, joined } = await site();
    const peer = await joined();
    const headers = {
      'content-type': 'text/plain',
      'content-disposition': 'attachment; filename="a b.txt"',
    };
    const first = await call('docs/a', { method: 'PUT', body: text, headers });
    expect(first.headers.get('etag')).toBe(etag);
    const answer = {
      store_seq: 1,
      revision: 1,
      hash: hashOf(text),
      size: 13,
      content_type: 'text/plain',
      filename: 'a b.txt',
    };
    expect(await told(first)).toEqual([201, answer]);
    const second = await call('docs/a?filename=c.txt', { method: 'PUT', body: 'x' });
    expect(await told(second)).toEqual([
      200,
      {
        store_seq: 2,
        revision: 2,
        hash: hashOf('x'),
        size: 1,
        content_type: expect.any(String),
        filename: 'c.txt',
      },
    ]);
    await put(peer, 'last', 1);
    const ops = opsIn(peer.heard).map(({ op, path }) => [op, path]);
    expect(ops.slice(0, 2)).toEqual([
      ['put_file', 'docs/a'],
      ['put_file', 'docs/a'],
    ]);
  });

  test('a file where a map was takes its place; one of nothing is a file too', async () => {
    const { call, joined } = await site();
    const peer = await joined();
    await put(peer, 'a/b', 1);
    expect((await told(await call('a', { method: 'PUT', body: '' })))[0]).toBe(200);
    const answer = await call('a');
    expect([answer.status, await answer.text()]).toEqual([200, '']);
    expect((await call('a', { headers: { range: 'bytes=0-' } })).status).toBe(416);
  });

  test('S42 conditions are those of entries, and the ETag of a file names its content', async () => {
    const { call } = await site();
    const at = async (headers: { [name: string]: string }, body = text): Promise<unknown> => {
      const [status, json] = await told(await call('a', { method: 'PUT', body, headers }));
      return [status, json['error'] ?? json['store_seq']];
    };
    expect(await at({ 'if-match': '*' })).toEqual([412, 'conflict']);
    expect(await at({ 'if-none-match': '*' })).toEqual([201, 1]);
    expect(await at({ 'if-none-match': '*' })).toEqual([412, 'exists']);
    expect(await at({ 'if-match': '"1"' })).toEqual([200, 2]);
    expect(await at({ 'if-match': '"1", 2' })).toEqual([200, 3]);
    expect(await at({ 'if-match': '"2"' })).toEqual([412, 'conflict']);
    expect(await at({ 'if-match': '*' }, 'other')).toEqual([200, 4]);
    expect(await at({ 'if-match': etag })).toEqual([412, 'conflict']);
    expect(await at({ 'if-match': `"${hashOf('other')}"` })).toEqual([200, 5]);
    expect(await at({ 'if-match': '"0"' })).toEqual([400, 'invalid_precondition']);
    for (const match of ['"1"', `"${hashOf('other')}"`]) {
      expect(await at({ 'if-match': match, 'if-none-match': '*' })).toEqual([
        400,
        'invalid_precondition',
      ]);
    }
    for (const junk of ['x', '0', '"sha256:x"']) {
      expect(await at({ 'if-match': `${etag}, ${junk}` })).toEqual([400, 'invalid_precondition']);
    }
    expect(await at({ 'if-match': `W/${etag}, "${hashOf('none')}"` })).toEqual([412, 'conflict']);
    expect(await at({ 'if-match': `"${hashOf('none')}", 5` })).toEqual([200, 6]);
    expect(
      await told(await call('a', { method: 'DELETE', headers: { 'if-match': '4' } })),
    ).toMatchObject([412, { error: 'conflict', current_revision: 6 }]);
    const unless = { method: 'DELETE', headers: { 'if-none-match': '*' } };
    expect(await told(await call('a', unless))).toMatchObject([
      400,
      { error: 'if_absent_unsupported_op' },
    ]);
    expect(await told(await call('a', { method: 'DELETE' }))).toEqual([
      200,
      { revision: 7, store_seq: 7 },
    ]);
    expect((await call('a', { method: 'DELETE' })).status).toBe(404);
  });

  test('S106 a repeat with the same key is answered as before, upload and delete', async () => {
    const { call } = await site();
    const headers = { 'idempotency-key': 'k1', 'if-none-match': '*' };
    const upload = () => call('a', { method: 'PUT', body: text, headers });
    const first = await told(await upload());
    const again = await upload();
    expect(again.headers.get('idempotent-replay')).toBe('true');
    expect(await told(again)).toEqual(first);
    const reused = await call('a', { method: 'PUT', body: 'y', headers });
    expect(await told(reused)).toMatchObject([422, { error: 'idempotency_key_reuse' }]);
    const remove = () => call('a', { method: 'DELETE', headers: { 'idempotency-key': 'k2' } });
    expect(await told(await remove())).toEqual([200, { revision: 2, store_seq: 2 }]);
    expect(await told(await remove())).toEqual([200, { revision: 2, store_seq: 2 }]);
    const none = await call('a', { method: 'DELETE', headers: { 'idempotency-key': 'k3' } });
    expect(none.status).toBe(404);
  });

  test('S99 what is not what it was said to be is refused, and nothing of it stays', async () => {
    const data = directory();
    const { call } = await site({ data });
    const wrong = hashOf('something else');
    const digest = Buffer.from(wrong.slice(7), 'hex').toString('base64');
    for (const headers of [
      { 'repr-digest': `sha-256=:${digest}:` },
      { 'holdfast-content-hash': wrong },
      { 'holdfast-content-hash': hashOf(text), 'repr-digest': `sha-256=:${digest}:` },
    ]) {
      const answer = await call('a', { method: 'PUT', body: text, headers });
      expect(await told(answer)).toEqual([422, { error: 'digest_mismatch' }]);
    }
    const pieces = await call('a', {
      method: 'PUT',
      body: text,
      headers: pieceHeaders(wrong, '0-12/13'),
    });
    expect(await told(pieces)).toEqual([422, { error: 'digest_mismatch' }]);
    expect((await call('a')).status).toBe(404);
    expect(existsSync(join(data, 'files', 'blobs'))).toBe(false);
    expect(readdirSync(join(data, 'files', 'uploads'))).toEqual([]);
    const vague = { 'repr-digest': `sha-256=${digest}` };
    expect((await call('a', { method: 'PUT', body: text, headers: vague })).status).toBe(400);
    const right = Buffer.from(hashOf(text).slice(7), 'hex').toString('base64');
    const headers = { 'repr-digest': `md5=:AA==:, sha-256=:${right}:` };
    expect((await call('a', { method: 'PUT', body: text, headers })).status).toBe(201);
  });

  test('S99 pieces are taken where the upload stands, nowhere else, by others not at all, and by a server started again', async () => {
    const data = directory();
    const tokens = { other: {}, narrow: { scopes: new Set(['files:read'] as const) } };
    const first = await site({ data }, tokens);
    const hash = hashOf(text);
    const piece = (place: typeof first, range: string, body?: string, token = 'dev') =>
      place
        .call('a', {
          method: 'PUT',
          token,
          headers: pieceHeaders(hash, range),
          ...(body !== undefined && { body }),
        })
        .then(told);
    expect(await piece(first, '*/13')).toEqual([202, { received: 0 }]);
    expect(await piece(first, '0-4/13', 'Hello')).toEqual([202, { received: 5 }]);
    expect(await piece(first, '0-4/13', 'Hello')).toEqual([
      409,
      { error: 'offset_mismatch', received: 5 },
    ]);
    expect(await piece(first, '7-12/13', 'files.')).toEqual([
      409,
      { error: 'offset_mismatch', received: 5 },
    ]);
    expect(await piece(first, '*/13', undefined, 'other')).toEqual([202, { received: 0 }]);
    expect((await piece(first, '*/13', undefined, 'narrow'))[0]).toBe(403);
    await first.server.close();
    const second = await site({ data }, tokens);
    expect(await piece(second, '*/13')).toEqual([202, { received: 5 }]);
    expect((await second.call('a')).status).toBe(404);
    expect(await piece(second, '5-12/13', ', files.')).toMatchObject([
      201,
      { hash, store_seq: 1, size: 13 },
    ]);
    expect(await (await second.call('a')).text()).toBe(text);
  });

  test('S99 a last piece that comes again, for its answer was lost, is answered as done', async () => {
    const { call, server } = await site();
    await server.stores.create('demo/other');
    const piece = async (range: string, body: string, key?: string, path = 'a') => {
      const headers = { ...pieceHeaders(hashOf(text), range), 'content-type': 'text/plain' };
      const keyed = { ...headers, ...(key !== undefined && { 'idempotency-key': key }) };
      return told(await call(path, { method: 'PUT', headers: keyed, body }));
    };
    await piece('0-4/13', 'Hello', 'one');
    const done = await piece('5-12/13', ', files.', 'one');
    expect(done).toMatchObject([201, { store_seq: 1, size: 13 }]);
    expect(await piece('5-12/13', ', files.', 'one')).toEqual(done);
    expect(await piece('5-12/13', ', files.')).toMatchObject([200, { store_seq: 2, size: 13 }]);
    const elsewhere = await piece('5-12/13', ', files.', 'two', '/api/stores/demo/other/files/b');
    expect(elsewhere).toEqual([409, { error: 'offset_mismatch', received: 0 }]);
    expect(await (await call('a')).text()).toBe(text);
  });

  test('S99 content that the store holds needs no body, and only there', async () => {
    const { call, server } = await site();
    await server.stores.create('demo/other');
    await call('a', { method: 'PUT', body: text });
    const headers = pieceHeaders(hashOf(text), '*/13');
    expect(await told(await call('b', { method: 'PUT', headers }))).toMatchObject([
      201,
      { size: 13 },
    ]);
    expect(await (await call('b')).text()).toBe(text);
    const elsewhere = await call('/api/stores/demo/other/files/b', { method: 'PUT', headers });
    expect(await told(elsewhere)).toEqual([202, { received: 0 }]);
    const wrong = await call('c', { method: 'PUT', headers: pieceHeaders(hashOf(text), '*/12') });
    expect(await told(wrong)).toEqual([202, { received: 0 }]);
  });

  test.each([
    ['a range without a hash', { 'content-range': 'bytes 0-4/13' }],
    ['a range backwards', pieceHeaders(hashOf(text), '4-0/13')],
    ['a range beyond its total', pieceHeaders(hashOf(text), '0-13/13')],
    ['a range of another form', pieceHeaders(hashOf(text), '0-4/*')],
    ['a hash of another form', { 'holdfast-content-hash': 'md5:x' }],
    ['a body longer than its range', pieceHeaders(hashOf(text), '0-3/13')],
    ['a body shorter than its range', pieceHeaders(hashOf(text), '0-7/13')],
  ])('%s is refused', async (_name, headers) => {
    const { call } = await site();
    const answer = await call('a', { method: 'PUT', body: 'Hello', headers });
    expect(await told(answer)).toMatchObject([400, { error: 'invalid_params' }]);
  });

  test('S29 a file larger than files may be is refused, whole and in pieces', async () => {
    const { call } = await site({ limits: { max_file_bytes: 10 } });
    const whole = await call('a', { method: 'PUT', body: text });
    expect(await told(whole)).toMatchObject([413, { error: 'file_too_large', limit: 10 }]);
    const piece = await call('a', { method: 'PUT', headers: pieceHeaders(hashOf(text), '*/13') });
    expect(await told(piece)).toMatchObject([413, { error: 'file_too_large', limit: 10 }]);
    expect((await call('a', { method: 'PUT', body: '0123456789' })).status).toBe(201);
  });

  test('an archived store takes no file, and a reserved path none at all', async () => {
    const { call, server, storeId } = await site();
    expect(await told(await call('_dust:last_seq', { method: 'PUT', body: 'x' }))).toMatchObject([
      400,
      { error: 'reserved_path' },
    ]);
    const keyed = { method: 'PUT', body: 'x', headers: { 'idempotency-key': 'k' } };
    const first = await told(await call('b', keyed));
    await server.stores.archive(storeId);
    expect(await told(await call('a', { method: 'PUT', body: 'x' }))).toMatchObject([
      409,
      { error: 'store_archived' },
    ]);
    // What was done is told once more (stores.md §6.4).
    expect(await told(await call('b', keyed))).toEqual(first);
  });

  test('S102 path rules hold for files: what may not be written or read is neither, nor told of', async () => {
    const tokens: Parameters<typeof site>[1] = {
      ruled: {
        pathRules: [
          { pattern: 'open/**', allow: ['read', 'write'] },
          { pattern: 'drop/**', allow: ['write'] },
        ],
      },
    };
    const { call } = await site({}, tokens);
    for (const path of ['open/a', 'drop/a', 'shut/a']) {
      await call(path, { method: 'PUT', body: text });
    }
    const statusOf = async (method: string, path: string, headers = {}): Promise<number> => {
      const body = method === 'PUT' ? { body: 'x' } : {};
      return (await call(path, { token: 'ruled', method, headers, ...body })).status;
    };
    expect(await statusOf('PUT', 'open/a')).toBe(200);
    expect(await statusOf('PUT', 'drop/a')).toBe(200);
    expect(await statusOf('PUT', 'shut/a')).toBe(403);
    expect(await statusOf('GET', 'open/a')).toBe(200);
    for (const path of ['drop/a', 'drop/none', 'shut/a', 'shut/none']) {
      expect(await statusOf('GET', path)).toBe(403);
      expect(await statusOf('DELETE', path)).toBe(403);
      expect(await statusOf('PUT', path, { 'if-none-match': '*' })).toBe(403);
      expect(await statusOf('PUT', path, { 'if-match': etag })).toBe(403);
    }
    expect(await (await call('shut/a')).text()).toBe(text);
  });

  test('S91 a rollback brings a file back, content and all', async () => {
    const { call, joined } = await site();
    const peer = await joined();
    await call('a?filename=a.txt', { method: 'PUT', body: text });
    await call('a', { method: 'PUT', body: 'other' });
    await call('a', { method: 'DELETE' });
    const back = await peer.ask(topic, 'rollback', { path: 'a', to_seq: 1 });
    expect(back.status).toBe('ok');
    const answer = await call('a');
    expect(await answer.text()).toBe(text);
    expect(answer.headers.get('content-disposition')).toContain('a.txt');
  });

  test('a medium that fails is an answer to try again, not a bug', async () => {
    const heard: string[] = [];
    const log = { info: () => undefined, error: (_: object, what: string) => heard.push(what) };
    const { call } = await site({ files: diskBlobs({ directory: '/dev/null/none' }), log });
    expect(await told(await call('a', { method: 'PUT', body: 'x' }))).toMatchObject([
      503,
      { error: 'unavailable', retry_after_ms: expect.any(Number) },
    ]);
    expect(heard).toContain('files are not available');
  });
});

const MEGABYTE = 1_000_000;

/** The bytes of a large file, made as they are asked for. */
async function* large(from: number, to: number): AsyncGenerator<Uint8Array> {
  for (let at = from; at < to; at += MEGABYTE) yield Buffer.alloc(MEGABYTE, (at / MEGABYTE) % 251);
}

function streamOf(bytes: AsyncGenerator<Uint8Array>): ReadableStream {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await bytes.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
  });
}

async function digestOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const digest = createHash('sha256');
  for await (const piece of bytes) digest.update(piece);
  return `sha256:${digest.digest('hex')}`;
}

test('S99 200 MB stream through in bounded memory, broken at half and gone on with from where they stood (P65)', async () => {
  const { call } = await site({ data: directory() });
  const total = 200 * MEGABYTE;
  const half = total / 2;
  const hash = await digestOf(large(0, total));
  let peak = 0;
  const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().rss)), 10);
  const before = process.memoryUsage().rss;
  async function* breaking(): AsyncGenerator<Uint8Array> {
    yield* large(0, half);
    throw new Error('the line broke');
  }
  const headers = pieceHeaders(hash, `0-${total - 1}/${total}`);
  const body = streamOf(breaking());
  await expect(call('big', { method: 'PUT', headers, body })).rejects.toThrow();
  const asked = await told(
    await call('big', { method: 'PUT', headers: pieceHeaders(hash, `*/${total}`) }),
  );
  const received = Number(asked[1]['received']);
  expect(asked[0]).toBe(202);
  expect(received).toBeGreaterThan(half / 2);
  expect(received).toBeLessThanOrEqual(half);
  const at = Math.floor(received / MEGABYTE) * MEGABYTE;
  async function* rest(): AsyncGenerator<Uint8Array> {
    for await (const piece of large(at, at + MEGABYTE)) yield piece.subarray(received - at);
    yield* large(at + MEGABYTE, total);
  }
  const answer = await call('big', {
    method: 'PUT',
    headers: pieceHeaders(hash, `${received}-${total - 1}/${total}`),
    body: streamOf(rest()),
  });
  expect(await told(answer)).toMatchObject([201, { size: total, hash }]);
  const download = await call('big');
  expect(await digestOf(download.body ?? large(0, 0))).toBe(hash);
  clearInterval(watch);
  // Both ends run in this process; neither holds more than a part of it at a time.
  expect(peak - before).toBeLessThan(100 * MEGABYTE);
}, 180_000);

test('a large body that is not wanted is answered all the same', async () => {
  const { call } = await site({ limits: { max_file_bytes: 100 * MEGABYTE } });
  await call('a', { method: 'PUT', body: text });
  const refused = async (headers: { [name: string]: string }): Promise<number> => {
    const body = streamOf(large(0, 120 * MEGABYTE));
    return (await call('a', { method: 'PUT', headers, body })).status;
  };
  expect(await refused({ 'if-none-match': '*' })).toBe(412);
  expect(await refused(pieceHeaders(hashOf('x'), '0-1/2'))).toBe(400);
  expect(await refused({})).toBe(413);
  expect(await (await call('a')).text()).toBe(text);
}, 180_000);
