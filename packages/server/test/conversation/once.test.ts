import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asPath } from '@holdfast/protocol';
import { memoryBlobs } from '@holdfast/server/blobs/memory';
import type { Batch } from '@holdfast/server/storage';
import { memory } from '@holdfast/server/storage/memory';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { valuesOf } from './replica.ts';
import { SlowDisk } from './slow-disk.ts';
import { arrived, ask, dialects, logOf, opsIn, put, reasonOf, tongues, write } from './talk.ts';
import { set, topic, world } from './world.ts';

test.each(tongues)(
  'S62 in %s the same frame twice is one seq, one event, one reply',
  async (_n, knock) => {
    const home = await world();
    const peer = await home.joined(knock);
    const payload = ask('increment', 'c', { value: 5 });
    const refs = [1, 2, 3].map(() => peer.push(topic, 'write', payload));
    const replies = [];
    for (const ref of refs) replies.push(await peer.reply(ref));
    expect(replies).toEqual(refs.map(() => ({ status: 'ok', response: { store_seq: 1 } })));
    await peer.ask(topic, 'ack_seq', { seq: 1 });
    expect(opsIn(peer.heard)).toHaveLength(1);
    expect(await valuesOf(home)).toEqual({ c: 5 });
  },
);

test.each(dialects)(
  'S62 on %s the repeat may come by another socket of the device, in another order of keys',
  async (_n, knock) => {
    const home = await world();
    const [one, two] = [await home.joined(knock), await home.joined(knock)];
    const payload = {
      op: 'merge',
      path: 'a',
      value: { b: 1, c: { d: 2, e: 3 } },
      client_op_id: 'x',
    };
    expect((await one.ask(topic, 'write', payload)).response).toEqual({ store_seq: 1 });
    const turned = {
      client_op_id: 'x',
      value: { c: { e: 3, d: 2 }, b: 1 },
      path: 'a',
      op: 'merge',
    };
    expect((await two.ask(topic, 'write', turned)).response).toEqual({ store_seq: 1 });
    expect(await logOf(home)).toHaveLength(1);
    const stranger = await home.joined({ ...knock, device: 'd2' });
    const own = { op: 'increment', path: 'n', value: 1, client_op_id: 'x' };
    expect((await stranger.ask(topic, 'write', own)).response).toEqual({ store_seq: 2 });
  },
);

test('S62 repeats on two sockets at once wait for the first', async () => {
  const disk = new SlowDisk(memory());
  const home = await world({ storage: disk.storage });
  const [one, two] = [await home.joined(), await home.joined()];
  disk.hold();
  const payload = ask('increment', 'c', { value: 1 });
  const first = one.push(topic, 'write', payload);
  await disk.reached();
  const second = two.push(topic, 'write', payload);
  const other = two.push(topic, 'write', { ...payload, value: 2 });
  await arrived(two);
  disk.release();
  expect((await one.reply(first)).response).toEqual({ store_seq: 1 });
  expect((await two.reply(second)).response).toEqual({ store_seq: 1 });
  expect((await two.reply(other)).response).toEqual({ reason: 'duplicate_op_id' });
});

test.each<[string, object]>([
  ['value', { value: 2 }],
  ['op', { op: 'add' }],
  ['path', { path: 'b' }],
  ['guard', { if_match: 1 }],
  ['fence', { fence: { key: 'lock', token: 1 } }],
])('S62 a repeat with another %s is refused', async (_what, change) => {
  const { joined } = await world();
  const peer = await joined();
  const payload = set('a', 1, 'x');
  expect((await peer.ask(topic, 'write', payload)).status).toBe('ok');
  const { response } = await peer.ask(topic, 'write', { ...payload, ...change });
  expect(response).toEqual({ reason: 'duplicate_op_id' });
  expect((await peer.ask(topic, 'write', payload)).response).toEqual({ store_seq: 1 });
});

const acquire = { op: 'lease', path: 'lock', holder: 'me', ttl_ms: 1000 };
const ops = [{ op: 'set', path: 'a', value: 1 }];

test.each<[string, string, object, object]>([
  ['write', 'if_absent', { op: 'set', path: 'a', value: 1 }, { if_absent: true }],
  ['write', 'ttl', acquire, { ttl_ms: 1001 }],
  ['write', 'holder', acquire, { holder: 'another' }],
  ['write', 'token', { op: 'renew', path: 'live', token: 1 }, { token: 2 }],
  ['transact', 'op', { ops }, { ops: [{ ...ops[0], value: 2 }] }],
  ['transact', 'precondition', { ops }, { preconditions: [{ path: 'b', exists: true }] }],
  ['put_file', 'name', { path: 'f', content: 'eA==' }, { filename: 'x' }],
  ['put_file', 'type', { path: 'f', content: 'eA==' }, { content_type: 'text/html' }],
])('S62 a repeat of a %s with another %s is refused', async (event, _what, request, change) => {
  const home = await world({ files: memoryBlobs() });
  const peer = await home.joined();
  await write(peer, 'lease', 'live', { holder: 'me' });
  const payload = { client_op_id: 'x', ...request };
  const first = await peer.ask(topic, event, payload);
  expect(first).toMatchObject({ status: 'ok', response: { store_seq: 2 } });
  const { response } = await peer.ask(topic, event, { ...payload, ...change });
  expect(response).toEqual({ reason: 'duplicate_op_id' });
  expect(await peer.ask(topic, event, payload)).toEqual(first);
});

test('S62 a request that was refused is evaluated afresh', async () => {
  const { joined } = await world();
  const peer = await joined();
  const payload = set('a', 2, 'x', { if_match: 1 });
  expect(reasonOf(await peer.ask(topic, 'write', payload))).toBe('conflict');
  await put(peer, 'a', 1);
  expect((await peer.ask(topic, 'write', payload)).response).toEqual({ store_seq: 2 });
});

test('S62 a bad repeat of a committed id is answered as the repeat it is, not for what is wrong with it', async () => {
  const { joined } = await world();
  const peer = await joined();
  await peer.ask(topic, 'write', set('a', 1, 'x'));
  for (const change of [{ op: 'no such op' }, { path: '' }, { value: { '': 1 } }]) {
    const { response } = await peer.ask(topic, 'write', { ...set('a', 1, 'x'), ...change });
    expect(response).toEqual({ reason: 'duplicate_op_id' });
  }
});

function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test.each(tongues)(
  'S62 in %s a repeat after a restart and after compaction gets the first reply',
  async (_n, knock) => {
    const directory = scratch();
    const before = await world({ storage: sqlite({ directory }) });
    const peer = await before.joined(knock);
    const lease = ask('lease', 'lock', { holder: 'me', ttl_ms: 1000 });
    const increment = ask('increment', 'c', { value: 1 });
    const own = ask('increment', 'd', { client_op_id: `d1:session:1`, value: 1 });
    const first = [];
    for (const payload of [lease, increment, own]) {
      first.push(await peer.ask(topic, 'write', payload));
    }
    await before.server.close();
    const storage = sqlite({ directory });
    const after = await world({ storage });
    await storage.compact(after.storeId, 3, 100);
    const again = await after.joined(knock);
    const second = [];
    for (const payload of [lease, increment, own]) {
      second.push(await again.ask(topic, 'write', payload));
    }
    expect(second).toEqual(first);
    const changed = await again.ask(topic, 'write', { ...increment, value: 2 });
    expect(changed.response).toEqual({ reason: 'duplicate_op_id' });
    expect(await valuesOf(after)).toMatchObject({ c: 1, d: 1 });
    expect(await put(again, 'next', 1)).toBe(4);
  },
);

test('S69 op_status tells that a write was committed whose reply was lost', async () => {
  const disk = new SlowDisk(memory());
  const home = await world({ storage: disk.storage });
  const peer = await home.joined();
  disk.hold();
  peer.push(topic, 'write', ask('lease', 'lock', { client_op_id: 'lost', holder: 'me' }));
  await disk.reached();
  peer.cut();
  disk.release();
  const again = await home.joined();
  const { status, response } = await again.ask(topic, 'op_status', { client_op_id: 'lost' });
  expect(status).toBe('ok');
  expect(response).toEqual({
    state: 'committed',
    store_seq: 1,
    token: 1,
    holder: 'me',
    expires_at: expect.any(Number),
  });
});

test('S69 op_status knows nothing of ids never committed, of refused ones, and of those of other devices', async () => {
  const { joined } = await world();
  const [peer, other] = [await joined(), await joined({ device: 'd2' })];
  await peer.ask(topic, 'write', set('a', 1, 'mine'));
  await peer.ask(topic, 'write', set('a', 1, 'refused', { if_match: 99 }));
  const status = (of: typeof peer, id: unknown): Promise<unknown> =>
    of.ask(topic, 'op_status', { client_op_id: id }).then(({ response }) => response);
  expect(await status(peer, 'mine')).toEqual({ state: 'committed', store_seq: 1 });
  expect(await status(peer, 'refused')).toEqual({ state: 'unknown' });
  expect(await status(other, 'mine')).toEqual({ state: 'unknown' });
  expect(await status(peer, 7)).toEqual({ reason: 'invalid_payload', field: 'client_op_id' });
});

test('S69 op_status asked right behind its write knows the write', async () => {
  const { joined } = await world();
  const peer = await joined();
  peer.push(topic, 'write', set('a', 1, 'mine'));
  const { response } = await peer.ask(topic, 'op_status', { client_op_id: 'mine' });
  expect(response).toEqual({ state: 'committed', store_seq: 1 });
});

/** A thousand commits of two days ago, with their dedupe records. */
function oldBatch(after: number): Batch {
  const at = Date.now() - 48 * 3_600_000;
  const deviceId = 'd0';
  const numbers = Array.from({ length: 1000 }, (_, i) => after + i + 1);
  const path = asPath('old');
  return {
    ops: numbers.map((seq) => {
      const origin = { at, deviceId, clientOpId: `old-${seq}`, principal: null };
      return { seq, op: 'set', path, value: seq, arg: null, tx: null, removed: [], ...origin };
    }),
    entries: [],
    maps: [],
    answers: numbers.map((seq) => {
      return { deviceId, opId: `old-${seq}`, fingerprint: 0, seq, at, reply: null };
    }),
  };
}

test('S69 a join tells since when ids are remembered now, not when the store was opened', async () => {
  const storage = memory();
  const { storeId, connect } = await world({ storage });
  const before = await (await connect()).join(topic);
  expect(before.response['dedupe_since']).toBe(0);
  for (let head = 0; head < 101_000; head += 1000) {
    await storage.append(storeId, head, oldBatch(head));
  }
  const { response } = await (await connect({ device: 'd2' })).join(topic);
  expect(response['dedupe_since']).toBe((await storage.open(storeId))?.dedupeSince);
  expect(response['dedupe_since']).toBeGreaterThan(0);
});
