import { deferred } from '@holdfast/engine/registry';
import { memoryBlobs } from '@holdfast/server/blobs/memory';
import { memory } from '@holdfast/server/storage/memory';
import { describe, expect, test } from 'vitest';
import type { Peer, Reply } from '../conversation/peer.ts';
import { ask, put, reasonOf, seqOf, write } from '../conversation/talk.ts';
import { topic } from '../conversation/world.ts';
import { hashOf, pieceHeaders, site, told } from './site.ts';

const text = 'Hello, files.';
const dayMs = 24 * 3_600_000;

/** The envelope of content that may be anywhere. */
function envelope(content: string, more: object = {}): object {
  return {
    _type: 'file',
    hash: hashOf(content),
    size: Buffer.byteLength(content),
    content_type: 'text/plain',
    filename: null,
    uploaded_at: '2026-01-01T00:00:00Z',
    ...more,
  };
}

function set(peer: Peer, path: string, value: unknown): Promise<Reply> {
  return write(peer, 'set', path, { value });
}

describe('envelopes', () => {
  test('S98 a hash that nobody brought here is unknown, in set, merge, maps and transactions (P64)', async () => {
    const { joined } = await site();
    const peer = await joined();
    const unknown = { reason: 'unknown_file', hash: hashOf(text) };
    expect((await set(peer, 'a', envelope(text))).response).toEqual(unknown);
    expect((await set(peer, 'a', { deep: { er: envelope(text) } })).response).toEqual(unknown);
    expect((await write(peer, 'merge', 'a', { value: { b: envelope(text) } })).response).toEqual(
      unknown,
    );
    const ops = [
      { op: 'set', path: 'x', value: 1 },
      { op: 'set', path: 'y', value: envelope(text) },
    ];
    const many = await peer.ask(topic, 'transact', { ...ask('', ''), ops });
    expect(many.response).toEqual({ ...unknown, op_index: 1 });
    expect(await put(peer, 'b', 1)).toBe(1);
  });

  test('S98 what the store holds may be named anywhere in it, at its true size, by who may write files', async () => {
    const { call, joined } = await site(
      {},
      { plain: { scopes: new Set(['entries:read', 'entries:write']) } },
    );
    const peer = await joined();
    await call('a', { method: 'PUT', body: text });
    expect(reasonOf(await set(peer, 'b', envelope(text, { size: 12 })))).toBe('unknown_file');
    expect(seqOf(await set(peer, 'b', { c: envelope(text, { filename: 'c.txt' }) }))).toBe(2);
    const answer = await call('b/c');
    expect(await answer.text()).toBe(text);
    expect(answer.headers.get('content-disposition')).toContain('c.txt');
    await call('a', { method: 'DELETE' });
    await write(peer, 'delete', 'b');
    // A retained op still names it.
    const ops = [{ op: 'set', path: 'again', value: envelope(text) }];
    expect((await peer.ask(topic, 'transact', { ...ask('', ''), ops })).status).toBe('ok');
    const plain = await joined({ token: 'plain', device: 'd2' });
    expect(reasonOf(await set(plain, 'd', envelope(text)))).toBe('unknown_file');
    expect(await put(plain, 'd', 1)).toBe(6);
  });

  test('S98 over HTTP the same is refused and accepted', async () => {
    const { call } = await site();
    const entry = (value: unknown) =>
      call('/api/stores/demo/main/entries/x', {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(value),
      });
    expect(await told(await entry(envelope(text)))).toEqual([
      422,
      { error: 'unknown_file', hash: hashOf(text) },
    ]);
    await call('a', { method: 'PUT', body: text });
    expect((await entry(envelope(text))).status).toBe(200);
    expect(await (await call('x')).text()).toBe(text);
  });

  test('S98 an import of a file that nobody brought is refused line by line, one that is held is not', async () => {
    const { call } = await site();
    await call('a', { method: 'PUT', body: text });
    const lines = [
      { _header: true, path_schema_version: 3 },
      { path: 'x', value: envelope('foreign'), type: 'file' },
      { path: 'y', value: envelope(text), type: 'file' },
    ];
    const answer = await call('/api/stores/demo/main/import', {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: lines.map((line) => JSON.stringify(line)).join('\n'),
    });
    const [, result] = await told(answer);
    expect(result).toMatchObject({ ok: false, imported: 1 });
    expect(JSON.stringify(result['failed'])).toContain('unknown_file');
    expect(await (await call('y')).text()).toBe(text);
    expect((await call('x')).status).toBe(404);
  });

  test('S98 what another store holds may be named by who may download it there, and by nobody else (P64)', async () => {
    const tokens: Parameters<typeof site>[1] = {
      writes: { scopes: new Set(['entries:read', 'entries:write', 'files:write']) },
      outside: {
        pathRules: [{ pattern: 'public/**', allow: ['read', 'write'] }],
      },
      stranger: { orgs: ['other'] },
    };
    const { call, joined, server } = await site({}, tokens);
    await server.stores.create('demo/other');
    await server.stores.create('other/main');
    await call('/api/stores/demo/other/files/secret/a', { method: 'PUT', body: text });
    const writes = await joined({ token: 'writes', device: 'd2' });
    expect(reasonOf(await set(writes, 'public/a', envelope(text)))).toBe('unknown_file');
    const outside = await joined({ token: 'outside', device: 'd3' });
    expect(reasonOf(await set(outside, 'public/a', envelope(text)))).toBe('unknown_file');
    const stranger = await call('/api/stores/other/main/entries/a', {
      token: 'stranger',
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(envelope(text)),
    });
    expect(stranger.status).toBe(422);
    const peer = await joined();
    expect(seqOf(await set(peer, 'public/a', envelope(text)))).toBe(1);
    // Now this store holds it too.
    expect((await set(writes, 'public/b', envelope(text))).status).toBe('ok');
  });

  test('a repeat of a write is answered as the first was, whatever became of its file', async () => {
    const now = { at: Date.now() };
    const storage = memory({ now: () => now.at });
    const { call, joined, storeId } = await site({ storage });
    const peer = await joined();
    await call('a', { method: 'PUT', body: text });
    const payload = { ...ask('set', 'b'), value: envelope(text) };
    const first = await peer.ask(topic, 'write', payload);
    for (const path of ['a', 'b']) await call(path, { method: 'DELETE' });
    await storage.compact(storeId, 10, 10);
    now.at += dayMs;
    expect(reasonOf(await set(peer, 'c', envelope(text)))).toBe('unknown_file');
    expect(await peer.ask(topic, 'write', payload)).toEqual(first);
  });
});

test('S105 while what was brought is found to be something else, nobody who asks again holds what it was said to be', async () => {
  const inner = memoryBlobs();
  let isSlow = false;
  const [brought, asked] = [deferred<void>(), deferred<void>()];
  const { call, server } = await site({
    files: {
      stat: (hash) => inner.stat(hash),
      read: (hash, range) => inner.read(hash, range),
      received: (upload) => inner.received(upload),
      append: async (upload, from, bytes) => {
        const kept = await inner.append(upload, from, bytes);
        if (from === 13) asked.resolve();
        else if (isSlow) brought.resolve();
        return kept;
      },
      finish: async (upload, hash) => {
        if (isSlow) await asked.promise;
        return inner.finish(upload, hash);
      },
      delete: (name) => inner.delete(name),
      list: () => inner.list(),
    },
  });
  await server.stores.create('demo/other');
  expect((await call('a', { method: 'PUT', body: 'Hello, files.' })).status).toBe(201);
  isSlow = true;
  const hash = hashOf('Hello, files.');
  const bring = async (range: string, body?: string) => {
    const headers = { ...pieceHeaders(hash, range), 'content-type': 'text/plain' };
    const at = '/api/stores/demo/other/files/b';
    return told(await call(at, { method: 'PUT', headers, ...(body !== undefined && { body }) }));
  };
  const wrong = bring('0-12/13', 'Other, words.');
  await brought.promise;
  const again = bring('*/13');
  expect(await wrong).toEqual([422, { error: 'digest_mismatch' }]);
  expect(await again).toEqual([409, { error: 'offset_mismatch', received: 0 }]);
  expect((await call('/api/stores/demo/other/files/b')).status).toBe(404);
});
