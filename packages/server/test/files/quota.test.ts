import { passthrough, record } from '@holdfast/protocol';
import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { ask, put, write } from '../conversation/talk.ts';
import { topic } from '../conversation/world.ts';
import { hashOf, pieceHeaders, type Site, site, told } from './site.ts';

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
  // By its envelope, once it was uploaded here for a commit that was refused for something else.
  const stale = { ...ask('', 'a'), content, if_absent: true };
  expect(await peer.ask(topic, 'put_file', stale)).toMatchObject({
    response: { reason: 'exists' },
  });
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

/** As many leaves, named by their numbers. */
function leavesNamed(from: number, to: number): object {
  return Object.fromEntries(Array.from({ length: to - from }, (_, at) => [`k${from + at}`, 1]));
}

test('S104 of a thousand keys the 1001st is refused; updates pass, and what frees as many as it adds', async () => {
  const { joined } = await site({ quotas: { keys: 1000 } });
  const peer = await joined();
  await put(peer, 'm', leavesNamed(0, 999));
  expect(await put(peer, 'last', 1)).toBe(2);
  const full = { dimension: 'keys', current: 1000, limit: 1000 };
  const content = 'eA==';
  const held = { holder: 'me', ttl_ms: 1000 };
  const ops = [
    { op: 'set', path: 'last', value: 2 },
    { op: 'set', path: 'new', value: 1 },
  ];
  for (const [event, payload] of [
    ['write', ask('set', 'new', { value: 1 })],
    ['write', ask('set', 'm', { value: leavesNamed(0, 1000) })],
    ['write', ask('merge', 'm', { value: leavesNamed(998, 1000) })],
    ['write', ask('increment', 'new', { value: 1 })],
    ['write', ask('add', 'new', { value: 'x' })],
    ['write', ask('lease', 'new', held)],
    ['put_file', { ...ask('put_file', 'new'), content }],
    ['transact', { ...ask('', ''), ops }],
  ] as const) {
    const { response } = await peer.ask(topic, event, payload);
    expect([payload, response]).toMatchObject([payload, { reason: 'limit_exceeded', ...full }]);
  }
  expect(await put(peer, 'last', 2)).toBe(3);
  expect(await put(peer, 'm', leavesNamed(1, 1000))).toBe(4);
  expect((await write(peer, 'merge', 'm', { value: { k1: 2 } })).status).toBe('ok');
  const swap = [
    { op: 'delete', path: 'last' },
    { op: 'set', path: 'new', value: 1 },
  ];
  expect(await peer.ask(topic, 'transact', { ...ask('', ''), ops: swap })).toMatchObject({
    status: 'ok',
  });
  expect(await write(peer, 'set', 'newer', { value: 1 })).toMatchObject({ status: 'error' });
  await write(peer, 'delete', 'm/k5');
  expect(await write(peer, 'set', 'newer', { value: 1 })).toMatchObject({ status: 'ok' });
});

const file = (content: string): object => ({
  _type: 'file',
  hash: hashOf(content),
  size: content.length,
  content_type: 'text/plain',
  filename: null,
  uploaded_at: '2026-01-01T00:00:00Z',
});

/** What an import of these lines comes to. */
async function importOf(
  call: Site['call'],
  lines: readonly { readonly path: string; readonly value: unknown }[],
): Promise<unknown> {
  const answer = await call('/api/stores/demo/main/import?headerless=slash', {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines.map((line) => JSON.stringify(line)).join('\n'),
  });
  return answer.json();
}

test('S104 where an import does not fit, what it names again takes no room again', async () => {
  const { call } = await site({ quotas: { file_storage: 10, keys: 3 } });
  for (const content of ['123456', '12345']) {
    // oxlint-disable-next-line no-await-in-loop -- there is room for one at a time
    await call('a', { method: 'PUT', body: content });
    // oxlint-disable-next-line no-await-in-loop -- as above
    await call('a', { method: 'DELETE' });
  }
  const files = [
    { path: 'f/1', value: file('123456') },
    { path: 'f/2', value: file('123456') },
    { path: 'f/3', value: file('12345') },
  ];
  expect(await importOf(call, files)).toMatchObject({
    imported: 2,
    failed: [{ path: 'f/3', reason: 'limit_exceeded' }],
  });
  const keys = [
    { path: 'x', value: 1 },
    { path: 'x', value: 2 },
    { path: 'y', value: 1 },
  ];
  expect(await importOf(call, keys)).toMatchObject({
    imported: 2,
    failed: [{ path: 'y', reason: 'limit_exceeded' }],
  });
});

test('S104 where an import does not fit, what the store names already takes no room', async () => {
  const { call } = await site({ quotas: { file_storage: 10 } });
  await call('a', { method: 'PUT', body: '12345' });
  await call('a', { method: 'DELETE' });
  await call('a', { method: 'PUT', body: '123456' });
  const lines = [
    { path: 'a', value: file('123456') },
    { path: 'b', value: file('123456') },
    { path: 'c', value: file('12345') },
  ];
  expect(await importOf(call, lines)).toMatchObject({
    imported: 2,
    failed: [{ path: 'c', reason: 'limit_exceeded' }],
  });
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
  expect(performance.now() - since).toBeLessThan(10_000);
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

test('S98 S104 content that is refused for the quota takes no room from what fits, on any surface', async () => {
  const { call, joined } = await site({ quotas: { file_storage: 10 } });
  const peer = await joined();
  expect((await call('a', { method: 'PUT', body: '123456' })).status).toBe(201);
  for (const body of ['abcdefg', 'hijklmn', 'opqrstu']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await call('b', { method: 'PUT', body })).status).toBe(402);
    const push = { ...ask('', 'b'), content: Buffer.from(`${body}!`).toString('base64') };
    // oxlint-disable-next-line no-await-in-loop -- the same
    expect((await peer.ask(topic, 'put_file', push)).response['reason']).toBe('limit_exceeded');
  }
  expect((await call('b', { method: 'PUT', body: 'wxyz' })).status).toBe(201);
});

test('S104 what a file takes the place of makes room for it, above and below its path, however it comes', async () => {
  const { call, joined } = await site({ quotas: { file_storage: 10 } });
  const peer = await joined();
  await call('d/x', { method: 'PUT', body: '12345' });
  await call('d/y', { method: 'PUT', body: '6789' });
  const headers = pieceHeaders(hashOf('abcdefgh'), '0-7/8');
  expect((await call('d', { method: 'PUT', body: 'abcdefgh', headers })).status).toBe(200);
  expect((await call('d/x', { method: 'PUT', body: 'ABCDEFGH' })).status).toBe(201);
  const push = { ...ask('', 'd/x/y'), content: Buffer.from('12345678').toString('base64') };
  expect(await peer.ask(topic, 'put_file', push)).toMatchObject({ status: 'ok' });
});

test('S102 who may not write there hears of the rules, not of how full the store is', async () => {
  const rules = { pathRules: [{ pattern: 'mine/**', allow: ['read', 'write'] as const }] };
  const { call, joined } = await site({ quotas: { file_storage: 10 } }, { bound: rules });
  await call('a', { method: 'PUT', body: '123456' });
  const sent = await call('b', { method: 'PUT', body: 'abcdefg', token: 'bound' });
  expect(await told(sent)).toMatchObject([403, { reason: 'path_not_allowed', path: 'b' }]);
  const push = { ...ask('', 'b'), content: Buffer.from('abcdefg').toString('base64') };
  const peer = await joined({ token: 'bound' });
  expect((await peer.ask(topic, 'put_file', push)).response).toMatchObject({
    reason: 'path_not_allowed',
    path: 'b',
  });
});

test('S102 who reads only a part hears that the store is full, and not how full it is of others', async () => {
  const rules = {
    subject: 'bound',
    pathRules: [{ pattern: 'mine/**', allow: ['read', 'write'] as const }],
  };
  const quotas = { file_storage: 10, keys: 3 };
  const { call, joined } = await site({ quotas }, { bound: rules });
  await call('a', { method: 'PUT', body: '123456' });
  const full = { dimension: 'file_storage', limit: 10 };
  const sent = await call('mine/b', { method: 'PUT', body: 'abcdefg', token: 'bound' });
  expect(await told(sent)).toEqual([402, { error: 'limit_exceeded', ...full }]);
  const peer = await joined({ token: 'bound', device: 'd2' });
  const push = { ...ask('', 'mine/b'), content: Buffer.from('abcdefg').toString('base64') };
  expect((await peer.ask(topic, 'put_file', push)).response).toEqual({
    reason: 'limit_exceeded',
    ...full,
  });
  const many = { ...ask('set', 'mine/b'), value: { x: 1, y: 2, z: 3 } };
  expect((await peer.ask(topic, 'write', many)).response).toEqual({
    reason: 'limit_exceeded',
    dimension: 'keys',
    limit: 3,
  });
});

test('S104 R228 who is kept by a record from something hears that the store is full, and not how full', async () => {
  const schema = passthrough<object>();
  const spec = { name: 'a', store: 'demo/main', path: 'a/:id', version: '1.0', schema } as const;
  const hidden = record({ ...spec, visibility: { '*': () => false } });
  const scopes = new Set(['entries:read', 'entries:write', 'files:write'] as const);
  const quotas = { file_storage: 10 };
  const { server, call, joined } = await site({ quotas }, { eve: { scopes } });
  server.record(hidden);
  expect((await call('a/1/secret', { method: 'PUT', body: '123456' })).status).toBe(201);
  const full = { dimension: 'file_storage', limit: 10 };
  const sent = await call('b', { method: 'PUT', body: 'abcdefg', token: 'eve' });
  expect(await told(sent)).toEqual([402, { error: 'limit_exceeded', ...full }]);
  const peer = await joined({ token: 'eve', device: 'd2' });
  const push = { ...ask('', 'b'), content: Buffer.from('abcdefg').toString('base64') };
  const { response } = await peer.ask(topic, 'put_file', push);
  expect(response).toEqual({ reason: 'limit_exceeded', ...full });
});
