import { memoryBlobs } from '@holdfast/server/blobs/memory';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import type { Peer, Reply } from '../conversation/peer.ts';
import { ask, opsIn, put, reasonOf, seqOf, tongues, write } from '../conversation/talk.ts';
import { topic } from '../conversation/world.ts';
import { hashOf, site, told } from './site.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function putFile(peer: Peer, path: string, content: string, more: object = {}): Promise<Reply> {
  const { client_op_id } = ask('put_file', path);
  return peer.ask(topic, 'put_file', { path, content: base64(content), client_op_id, ...more });
}

describe('put_file', () => {
  test.each(tongues)(
    'S97 in %s it answers with the hash, shows the reference in an event before, and the bytes can be downloaded',
    async (_name, knock) => {
      const { joined, call } = await site(
        {},
        { narrow: { storeAccess: { mode: 'selected', storeIds: ['x'] } } },
      );
      const peer = await joined(knock);
      const more = { filename: 'naïve.txt', content_type: 'text/plain' };
      const ref = peer.push(topic, 'put_file', {
        path: 'docs/a',
        content: base64('hello'),
        client_op_id: 'op-f',
        ...more,
      });
      const reply = await peer.reply(ref);
      expect(reply).toEqual({ status: 'ok', response: { store_seq: 1, hash: hashOf('hello') } });
      const names = peer.heard.map(([, , , event]) => event);
      const [op] = opsIn(peer.heard);
      expect(op).toMatchObject({
        seq: 1,
        op: 'put_file',
        path: 'docs/a',
        value: {
          _type: 'file',
          hash: hashOf('hello'),
          size: 5,
          content_type: 'text/plain',
          filename: 'naïve.txt',
        },
      });
      expect(Math.max(names.indexOf('event'), names.indexOf('events'))).toBeLessThan(
        names.length - 1,
      );
      const answer = await call('docs/a');
      expect(await answer.text()).toBe('hello');
      expect(answer.headers.get('content-type')).toBe('text/plain');
      expect(answer.headers.get('content-disposition')).toContain(
        "filename*=UTF-8''na%C3%AFve.txt",
      );
      expect(answer.headers.get('etag')).toBe(`"${hashOf('hello')}"`);
      expect((await call('docs/a', { token: 'narrow' })).status).toBe(403);
    },
  );

  test('S97 bad base64 is refused, and takes no seq', async () => {
    const { joined } = await site();
    const peer = await joined();
    for (const content of ['a', 'aGVsbG8', 'aGVsb$8=', 'aGVsbG9=', '-_==']) {
      const reply = await putFile(peer, 'a', '', { content });
      expect(reasonOf(reply)).toBe('invalid_base64');
    }
    expect(seqOf(await putFile(peer, 'a', 'hello'))).toBe(1);
  });

  test('S103 content beyond the rate is refused before it is kept, and a repeat is answered all the same', async () => {
    const blobs = memoryBlobs();
    const rates = { writes_per_minute: 60, write_burst: 1 };
    const { joined } = await site({ rates, files: blobs, clock: new VirtualClock() });
    const peer = await joined();
    const first = { path: 'a', content: 'aGVsbG8=', client_op_id: 'first' };
    expect((await peer.ask(topic, 'put_file', first)).status).toBe('ok');
    const late = await peer.ask(topic, 'put_file', {
      ...first,
      content: 'bmV3',
      client_op_id: 'b',
    });
    expect(reasonOf(late)).toBe('rate_limited');
    const kept: string[] = [];
    for await (const { name } of blobs.list()) kept.push(name);
    expect(kept).toEqual([hashOf('hello')]);
    expect(await peer.ask(topic, 'put_file', first)).toMatchObject({ response: { store_seq: 1 } });
  });

  test('S9 without a path, an op id or the scope it is refused, and the channel lives on', async () => {
    const { joined } = await site(
      {},
      { reader: { scopes: new Set(['entries:read', 'entries:write']) } },
    );
    const peer = await joined();
    const content = base64('x');
    const refused = async (payload: object): Promise<unknown> =>
      (await peer.ask(topic, 'put_file', payload)).response;
    expect(await refused({ content, client_op_id: 'a' })).toMatchObject({ reason: 'missing_path' });
    expect(await refused({ content, path: 'a' })).toMatchObject({ reason: 'invalid_payload' });
    expect(await refused({ path: 'a', client_op_id: 'b' })).toMatchObject({ field: 'content' });
    expect(seqOf(await putFile(peer, 'a', 'x'))).toBe(1);
    const reader = await joined({ token: 'reader', device: 'd2' });
    const reply = await putFile(reader, 'a', 'x');
    expect(reply.response).toMatchObject({ reason: 'missing_scope', scope: 'files:write' });
  });

  test('S62 a repeat is answered as the first was, another content is not, and what was said is remembered', async () => {
    const { joined } = await site();
    const peer = await joined();
    const first = await putFile(peer, 'a', 'x', { client_op_id: 'same' });
    await putFile(peer, 'b', 'y');
    expect(await putFile(peer, 'a', 'x', { client_op_id: 'same' })).toEqual(first);
    const other = await putFile(peer, 'a', 'z', { client_op_id: 'same' });
    expect(reasonOf(other)).toBe('duplicate_op_id');
    const status = await peer.ask(topic, 'op_status', { client_op_id: 'same' });
    expect(status.response).toEqual({ state: 'committed', store_seq: 1, hash: hashOf('x') });
    expect(await put(peer, 'c', 1)).toBe(3);
  });

  test('pushes are answered in the order they came, files among them (stores.md §7.5)', async () => {
    const { joined } = await site();
    const peer = await joined();
    const big = base64('b'.repeat(600_000));
    const refs = [
      peer.push(topic, 'put_file', { path: 'f', content: big, client_op_id: 'o1' }),
      peer.push(topic, 'write', ask('set', 'a', { value: 1 })),
      peer.push(topic, 'put_file', { path: 'g', content: base64('x'), client_op_id: 'o2' }),
      peer.push(topic, 'write', ask('delete', 'f')),
      peer.push(topic, 'status', {}),
    ];
    const answers: Reply[] = [];
    for (const ref of refs) answers.push(await peer.reply(ref));
    expect(answers.slice(0, 4).map((answer) => answer.response['store_seq'])).toEqual([1, 2, 3, 4]);
    expect(answers[4]?.response).toMatchObject({ current_seq: 4, file_storage_bytes: 1 });
  });

  test('S29 its frame may be larger than others, and its content as large as files may be', async () => {
    const { joined } = await site({ limits: { max_file_bytes: 3_000_000 } });
    const peer = await joined();
    expect(seqOf(await putFile(peer, 'a', 'x'.repeat(3_000_000)))).toBe(1);
    const reply = await putFile(peer, 'a', 'x'.repeat(3_000_001));
    expect(reply.response).toMatchObject({ reason: 'file_too_large', limit: 3_000_000 });
    const set = await write(peer, 'set', 'b', { value: 'x'.repeat(1_100_000) });
    expect(set.response).toMatchObject({ reason: 'frame_too_large' });
    expect(await put(peer, 'c', 1)).toBe(2);
  });

  test('S29 a frame of sixteen mebibytes is read, and a larger one closes the socket', async () => {
    const { joined } = await site();
    const peer = await joined();
    expect(seqOf(await putFile(peer, 'a', 'x'.repeat(12_500_000)))).toBe(1);
    await expect(putFile(peer, 'a', 'x'.repeat(12_600_000))).rejects.toThrow('1009');
  });

  test('S46 it is fenced, and guarded, as other writes are', async () => {
    const { joined } = await site();
    const peer = await joined();
    const lease = await write(peer, 'lease', 'job', { ttl_ms: 60_000 });
    const token = Number(lease.response['token']);
    expect(
      reasonOf(await putFile(peer, 'a', 'x', { fence: { key: 'job', token: token + 1 } })),
    ).toBe('fenced');
    expect(seqOf(await putFile(peer, 'a', 'x', { fence: { key: 'job', token } }))).toBe(2);
    expect(reasonOf(await putFile(peer, 'a', 'y', { if_absent: true }))).toBe('exists');
    expect(reasonOf(await putFile(peer, 'a', 'y', { if_match: 1 }))).toBe('conflict');
    expect(seqOf(await putFile(peer, 'a', 'y', { if_match: 2 }))).toBe(3);
    expect(reasonOf(await putFile(peer, 'job', 'x'))).toBe('held');
  });

  test('S20 a file written over a map, or below a leaf, removes what stands in its way', async () => {
    const { joined, call } = await site();
    const peer = await joined();
    await put(peer, 'a/b', 1);
    expect(seqOf(await putFile(peer, 'a', 'x'))).toBe(3);
    expect(seqOf(await putFile(peer, 'a/b/c', 'y'))).toBe(5);
    expect(await (await call('a/b/c')).text()).toBe('y');
    expect(await told(await call('a'))).toEqual([404, { error: 'not_found' }]);
  });
});

test('S105 bytes that only another store holds are written like those that nobody holds, so that no delay tells of them', async () => {
  const inner = memoryBlobs();
  const written: string[] = [];
  const { joined, call, server } = await site({
    files: {
      stat: (hash) => inner.stat(hash),
      read: (hash, range) => inner.read(hash, range),
      received: (upload) => inner.received(upload),
      append: (upload, from, bytes) => inner.append(upload, from, bytes),
      finish: (upload, hash) => {
        written.push(hash);
        return inner.finish(upload, hash);
      },
      delete: (name) => inner.delete(name),
      list: () => inner.list(),
    },
  });
  await server.stores.create('demo/other');
  await call('/api/stores/demo/other/files/a', { method: 'PUT', body: 'theirs' });
  const peer = await joined();
  written.length = 0;
  for (const content of ['theirs', 'new', 'theirs', 'new']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await putFile(peer, 'b', content)).status).toBe('ok');
  }
  // The second time it is this store that holds them.
  expect(written).toEqual([hashOf('theirs'), hashOf('new')]);
});
