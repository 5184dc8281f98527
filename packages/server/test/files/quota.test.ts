import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { ask, put, write } from '../conversation/talk.ts';
import { topic } from '../conversation/world.ts';
import { hashOf, pieceHeaders, site, told } from './site.ts';

const exceeded = { dimension: 'file_storage', current: 6, limit: 10 };

test('S104 beyond the quota of files nothing is taken in, on any surface, and what was there stays', async () => {
  const { call, joined } = await site({ quotas: { file_storage: 10 } });
  const peer = await joined();
  expect((await call('a', { method: 'PUT', body: '123456' })).status).toBe(201);
  const piece = await call('b', { method: 'PUT', headers: pieceHeaders(hashOf('12345'), '*/5') });
  expect(await told(piece)).toEqual([402, { error: 'limit_exceeded', ...exceeded }]);
  const whole = await call('b', { method: 'PUT', body: '12345' });
  expect(await told(whole)).toEqual([402, { error: 'limit_exceeded', ...exceeded }]);
  const large = await call('b', { method: 'PUT', body: '12345678901' });
  expect(await told(large)).toEqual([402, { error: 'limit_exceeded', ...exceeded }]);
  const content = Buffer.from('12345').toString('base64');
  const pushed = await peer.ask(topic, 'put_file', { ...ask('', 'b'), content });
  expect(pushed).toEqual({ status: 'error', response: { reason: 'limit_exceeded', ...exceeded } });
  // By its envelope, for it was uploaded here.
  const envelope = {
    _type: 'file',
    hash: hashOf('12345'),
    size: 5,
    content_type: 'text/plain',
    filename: null,
    uploaded_at: '2026-01-01T00:00:00Z',
  };
  const named = await write(peer, 'set', 'b', { value: envelope });
  expect(named.response).toMatchObject({ reason: 'limit_exceeded' });
  expect((await peer.ask(topic, 'status', {})).response).toMatchObject({ file_storage_bytes: 6 });
  // The same content, what replaces it, and what fits.
  expect((await call('c', { method: 'PUT', body: '123456' })).status).toBe(201);
  expect((await call('d', { method: 'PUT', body: '1234' })).status).toBe(201);
  expect((await call('d', { method: 'PUT', body: '4321' })).status).toBe(200);
  await call('a', { method: 'DELETE' });
  expect((await call('c', { method: 'PUT', body: '654321' })).status).toBe(200);
});

test('S104 the quota of keys holds for every write', async () => {
  const { call, joined } = await site({ quotas: { keys: 2 } });
  const peer = await joined();
  await put(peer, 'a', 1);
  await put(peer, 'b', 1);
  const limit = { dimension: 'keys', current: 2, limit: 2 };
  for (const [op, value] of [
    ['set', 1],
    ['increment', 1],
    ['add', 'x'],
  ] as const) {
    const { response } = await write(peer, op, 'c', { value });
    expect(response).toEqual({ reason: 'limit_exceeded', ...limit });
  }
  expect(await told(await call('c', { method: 'PUT', body: 'x' }))).toEqual([
    402,
    { error: 'limit_exceeded', ...limit },
  ]);
  expect((await call('b', { method: 'PUT', body: 'x' })).status).toBe(200);
  expect(await put(peer, 'a', 2)).toBe(4);
});

test('S104 an import into a full store is refused at once, not line by line, and what replaces passes', async () => {
  const { call } = await site({ quotas: { keys: 3 } });
  const send = async (paths: readonly string[]): Promise<unknown> => {
    const answer = await call('/api/stores/demo/main/import', {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: linesOf(paths),
    });
    return answer.json();
  };
  const many = Array.from({ length: 900 }, (_, at) => `k/${at}`);
  expect(await send(['a', ...many, 'b'])).toMatchObject({ imported: 3, failed_total: 899 });
  const since = performance.now();
  expect(await send([...many, 'a'])).toMatchObject({
    ok: false,
    imported: 3,
    failed_total: 898,
    failed: expect.arrayContaining([{ line: 4, path: 'k/2', reason: 'limit_exceeded' }]),
    // Three lines of two commits: nothing else took a seq.
    store_seq: 6,
  });
  expect(performance.now() - since).toBeLessThan(2000);
});

function linesOf(paths: readonly string[]): string {
  const lines = paths.map((path) => JSON.stringify({ path, value: 1 }));
  return ['{"_header":true,"path_schema_version":3}', ...lines].join('\n');
}

const make = (quotas: object) => () => createServer({ storage: memory(), quotas });

test('a quota that would be none is an error of who sets it', () => {
  expect(make({ files: 1 })).toThrow(TypeError);
  expect(make({ keys: -1 })).toThrow(RangeError);
  expect(make({ file_storage: 1.5 })).toThrow(RangeError);
});

test('S98 S104 content whose commits are refused does not pile up beside the quota', async () => {
  const { call, joined } = await site({ quotas: { file_storage: 10 } });
  const peer = await joined();
  expect((await call('a', { method: 'PUT', body: 'first' })).status).toBe(201);
  const refusedAs = async (body: string): Promise<unknown> => {
    const content = Buffer.from(body).toString('base64');
    const push = { ...ask('', 'a'), content, if_absent: true };
    return (await peer.ask(topic, 'put_file', push)).response['reason'];
  };
  expect([await refusedAs('123456'), await refusedAs('654321')]).toEqual(['exists', 'exists']);
  // Five bytes are in use, and twelve wait for a commit that does not come.
  const full = { dimension: 'file_storage', current: 17, limit: 10 };
  expect(await refusedAs('x')).toBe('limit_exceeded');
  const whole = await call('b', { method: 'PUT', body: 'x' });
  expect(await told(whole)).toEqual([402, { error: 'limit_exceeded', ...full }]);
  const piece = await call('b', { method: 'PUT', headers: pieceHeaders(hashOf('x'), '*/1') });
  expect(await told(piece)).toEqual([402, { error: 'limit_exceeded', ...full }]);
  // What is held already comes again, and is in use then.
  expect((await call('a', { method: 'PUT', body: '123456' })).status).toBe(200);
  expect((await call('b', { method: 'PUT', body: 'x' })).status).toBe(201);
});
