import { asStoreName } from '@holdfast/protocol';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import type { Peer } from '../conversation/peer.ts';
import { put, seqOf, write } from '../conversation/talk.ts';
import { everything, topic, type World, world } from '../conversation/world.ts';
import { DustCache } from '../phoenix/dust-cache.ts';
import { directory } from './directory.ts';
import { OldReader } from './readers.ts';
import { expectEqual, flood, heldByServer, ride, writerOf } from './ride.ts';

const store = asStoreName('demo/main');
const knock = { capver: '3', device: 'old' } as const;

/** A store of ten ops, and a capver-3 device that has not confirmed its last snapshot. */
async function unconfirmed(): Promise<{ here: World; record: () => Promise<unknown> }> {
  const storage = memory();
  const here = await world({ storage });
  await flood(await writerOf(here), 10, (n) => `k/${n}`);
  const row = await storage.stores.find(store);
  const incarnation = row?.incarnation ?? '';
  await storage.devices.put(store, 'old', { incarnation, scope: 'all', unconfirmed: true });
  return {
    here,
    record: async () => {
      const found = await storage.devices.get(store, 'old');
      return found === null || found === 'forgotten' ? found : found.unconfirmed;
    },
  };
}

async function joinAt(here: World, last: number, pongs: boolean): Promise<[Peer, boolean]> {
  const peer = await here.connect({ ...knock, pongs });
  await peer.join(topic, { last_store_seq: last });
  const frames = await peer.caughtUp();
  return [peer, frames[0]?.[3] === 'snapshot'];
}

test('S55 a device that answers the ping after its snapshot has confirmed it, and is sent tails from then on', async () => {
  const { here, record } = await unconfirmed();
  expect((await joinAt(here, 8, true))[1]).toBe(true);
  await expect.poll(record).toBe(false);
  expect((await joinAt(here, 8, true))[1]).toBe(false);
});

test('S55 a device that acknowledges the cut has confirmed its snapshot', async () => {
  const { here, record } = await unconfirmed();
  const [peer, isResync] = await joinAt(here, 8, false);
  expect(isResync).toBe(true);
  expect(await peer.ask(topic, 'ack_seq', { seq: 9 })).toEqual({ status: 'ok', response: {} });
  expect(await record()).toBe(true);
  await peer.ask(topic, 'ack_seq', { seq: 10 });
  await expect.poll(record).toBe(false);
});

test('S55 what a device acknowledges before its snapshot has been sent confirms nothing', async () => {
  const { here, record } = await unconfirmed();
  const peer = await here.connect({ ...knock, pongs: false });
  // It was further on once, in a store that has been restored since.
  const joined = peer.join(topic, { last_store_seq: 99 });
  const ref = peer.push(topic, 'ack_seq', { seq: 99 });
  await joined;
  expect((await peer.reply(ref)).status).toBe('ok');
  expect((await peer.caughtUp())[0]?.[3]).toBe('snapshot');
  await peer.ask(topic, 'status', {});
  expect(await record()).toBe(true);
});

test('S55 a device that confirms nothing, or sends a pong that nobody asked for, starts over at the next join', async () => {
  const { here, record } = await unconfirmed();
  const [peer, isResync] = await joinAt(here, 8, false);
  expect(isResync).toBe(true);
  peer.pong('');
  peer.pong('7');
  // The reply shows that the server has read the pongs.
  await peer.ask(topic, 'status', {});
  expect(await record()).toBe(true);
  expect((await joinAt(here, 8, true))[1]).toBe(true);
});

/** Whoever comes with another token than `dev` is somebody else. */
const authenticate: NonNullable<Parameters<typeof world>[0]>['authenticate'] = async ({ token }) =>
  token === null ? null : { ...everything, subject: token === 'dev' ? 'ada' : token };

test('S57 a device starts over in a store that was made anew, though somebody else has joined it first under its name', async () => {
  const storage = memory();
  const here = await world({ storage, authenticate });
  await flood(await writerOf(here), 10, (n) => `k/${n}`);
  expect((await joinAt(here, 0, true))[1]).toBe(false);
  await storage.stores.purge(here.storeId);
  await here.server.stores.create(store);
  await flood(await writerOf(here), 10, (n) => `other/${n}`);
  const stranger = await here.connect({ ...knock, token: 'eve' });
  await stranger.join(topic, { last_store_seq: 0 });
  await stranger.caughtUp();
  expect((await joinAt(here, 10, true))[1]).toBe(true);
});

test('S57 a snapshot that is confirmed late tells nothing any more once somebody else has joined under the name', async () => {
  const storage = memory();
  const here = await world({ storage, authenticate });
  await flood(await writerOf(here), 10, (n) => `k/${n}`);
  const [ada, isResync] = await joinAt(here, 99, false);
  expect(isResync).toBe(true);
  const stranger = await here.connect({ ...knock, token: 'eve' });
  await stranger.join(topic, { last_store_seq: 0 });
  const record = await storage.devices.get(store, 'old');
  expect(record).toMatchObject({ subject: 'eve' });
  await ada.ask(topic, 'ack_seq', { seq: 10 });
  await ada.ask(topic, 'status', {});
  expect(await storage.devices.get(store, 'old')).toEqual(record);
});

test('S55 a device whose record says not whose it is starts over once', async () => {
  const storage = memory();
  const here = await world({ storage });
  await flood(await writerOf(here), 10, (n) => `k/${n}`);
  const incarnation = (await storage.stores.find(store))?.incarnation ?? '';
  await storage.devices.put(store, 'old', { incarnation, scope: 'all', unconfirmed: false });
  expect((await joinAt(here, 8, true))[1]).toBe(true);
  const confirmed = { incarnation, scope: 'all', unconfirmed: false, subject: 'dev' };
  await expect.poll(() => storage.devices.get(store, 'old')).toEqual(confirmed);
  expect((await joinAt(here, 8, true))[1]).toBe(false);
});

test('S55 what a device has confirmed is known after a restart of the server', async () => {
  const data = directory();
  const first = await world({ data });
  await flood(await writerOf(first), 10, (n) => `k/${n}`);
  // Ahead of the store: it starts over, and never says that it has arrived.
  expect((await joinAt(first, 99, false))[1]).toBe(true);
  await first.server.close();
  const second = await world({ data });
  expect((await joinAt(second, 8, false))[1]).toBe(true);
});

test.each([true, false])(
  'S56 after compaction a device that was offline at 5 (cache cleared by snapshots: %s) ends equal, and its revisions hold',
  async (clearsOnSnapshot) => {
    const data = directory();
    const first = await world({ data });
    const writer = await writerOf(first);
    await put(writer, 'stays', { a: 1, b: [2] });
    await put(writer, 'goes', 1);
    await put(writer, 'below/goes', { x: 1, y: 2 });
    await write(writer, 'increment', 'hits', { value: 1 });
    await write(writer, 'add', 'members', { value: 'a' });
    const reader = new OldReader(new DustCache({ clearsOnSnapshot }));
    await ride(first, reader, { knock });
    expect(reader.cursor).toBe(5);
    await write(writer, 'delete', 'goes');
    await put(writer, 'below', 3);
    await put(writer, 'stays/a', { deep: true });
    await write(writer, 'increment', 'hits', { value: 1 });
    await first.server.close();
    const storage = sqlite({ directory: data });
    const row = await storage.stores.find(store);
    expect(await storage.compact(row?.id ?? '', 9, 100)).toBeGreaterThan(6);
    await storage.close();
    const second = await world({ data });
    const frames = await ride(second, reader, { knock });
    expect(frames.map(([, , , event]) => event)).toContain('snapshot');
    const { rows } = await heldByServer(second);
    expect(reader.held().rows).toEqual(rows);
    await expectEqual(second, reader, { knock });
    const peer = await second.joined(knock, { last_store_seq: reader.cursor });
    for (const [path, , type, revision] of rows) {
      if (type === 'counter' || type === 'set') continue;
      const reply = await write(peer, 'set', path, { value: 'new', if_match: revision });
      expect(reply.status).toBe('ok');
    }
  },
);

test('S62 a device that repeats a write which a snapshot swallowed is sent what is there now, under the id it waits for', async () => {
  const { here } = await unconfirmed();
  const bystander = await here.joined({ device: 'bystander', capver: '3' });
  const frames = [
    { op: 'increment', path: 'hits', value: 2, client_op_id: 'a' },
    { op: 'set', path: 'post', value: { t: 1, m: { d: true } }, client_op_id: 'b' },
    { op: 'set', path: 'gone', value: 1, client_op_id: 'c' },
  ];
  const [first] = await joinAt(here, 10, true);
  const seqs: number[] = [];
  for (const frame of frames) seqs.push(seqOf(await first.ask(topic, 'write', frame)));
  first.cut();
  const writer = await writerOf(here);
  const total = seqOf(await write(writer, 'increment', 'hits', { value: 3 }));
  const deep = await put(writer, 'post/m/d', false);
  await write(writer, 'delete', 'gone');
  const [again, isResync] = await joinAt(here, 99, true);
  expect(isResync).toBe(true);
  const heardBefore = again.heard.length;
  for (const [at, frame] of frames.entries()) {
    expect(seqOf(await again.ask(topic, 'write', frame))).toBe(seqs[at]);
  }
  const own = { device_id: 'old' };
  expect(again.heard.slice(heardBefore).map(([, , , event, payload]) => [event, payload])).toEqual([
    [
      'event',
      expect.objectContaining({
        ...own,
        client_op_id: 'a',
        op: 'increment',
        value: 5,
        store_seq: total,
      }),
    ],
    ['phx_reply', expect.anything()],
    [
      'event',
      expect.objectContaining({
        ...own,
        client_op_id: 'b',
        op: 'set',
        path: 'post',
        path_segments: ['post'],
        value: { t: 1, m: { d: false } },
        store_seq: deep,
      }),
    ],
    ['phx_reply', expect.anything()],
    [
      'event',
      expect.objectContaining({
        ...own,
        client_op_id: 'c',
        op: 'delete',
        value: null,
        store_seq: seqs[2],
      }),
    ],
    ['phx_reply', expect.anything()],
  ]);
  const last = await put(writer, 'last', 1);
  const seen = await bystander.until(([, , , , payload]) => payload['store_seq'] === last);
  expect(seen[4]).toMatchObject({ path: 'last' });
  // Nobody else heard the echoes: every seq once.
  const heard = bystander.heard.filter(([, , , event]) => event === 'event');
  const heardSeqs = heard.map(([, , , , payload]) => payload['store_seq']);
  expect(new Set(heardSeqs).size).toBe(heardSeqs.length);
});

test('S62 a repeat whose event came with the tail, or on capver 4, is answered without an echo', async () => {
  const { here } = await unconfirmed();
  const frame = { op: 'set', path: 'a', value: 1, client_op_id: 'a' };
  for (const capver of ['3', '4']) {
    const device = `tail-${capver}`;
    const first = await here.joined({ capver, device }, { last_store_seq: 10 });
    const seq = seqOf(await first.ask(topic, 'write', frame));
    first.cut();
    const again = await here.joined({ capver, device }, { last_store_seq: seq - 1 });
    const before = again.heard.length;
    expect(seqOf(await again.ask(topic, 'write', frame))).toBe(seq);
    expect(again.heard).toHaveLength(before + 1);
  }
});

test('S62 a device that repeats a write which it is past, without a snapshot, is sent what is there now, under the id it waits for', async () => {
  const { here } = await unconfirmed();
  const frame = { op: 'set', path: 'a', value: 1, client_op_id: 'a' };
  const device = 'past';
  const first = await here.joined({ capver: '3', device }, { last_store_seq: 10 });
  const seq = seqOf(await first.ask(topic, 'write', frame));
  first.cut();
  const again = await here.joined({ capver: '3', device }, { last_store_seq: seq });
  const before = again.heard.length;
  expect(seqOf(await again.ask(topic, 'write', frame))).toBe(seq);
  expect(again.heard.slice(before).map(([, , , event, payload]) => [event, payload])).toMatchObject(
    [
      ['event', { op: 'set', path: 'a', value: 1, store_seq: seq, client_op_id: 'a' }],
      ['phx_reply', {}],
    ],
  );
});

test('S62 the echo of a repeat that is sent along with the join comes after all of the snapshot', async () => {
  const { here } = await unconfirmed();
  const frame = { op: 'set', path: 'k/3', value: 'mine', client_op_id: 'mine' };
  const first = await here.joined(knock, { last_store_seq: 0 });
  const seq = seqOf(await first.ask(topic, 'write', frame));
  first.cut();
  const last = await flood(await writerOf(here), 1500, (n) => `more/${n}`);
  const again = await here.connect(knock);
  const ref = again.ref();
  again.send([ref, ref, topic, 'phx_join', { last_store_seq: last + 1 }]);
  again.send([ref, 'repeat', topic, 'write', frame]);
  expect(seqOf(await again.reply('repeat'))).toBe(seq);
  const events = again.heard.filter(([, , , event]) => event === 'event');
  expect(events).toHaveLength(1511);
  expect(events.at(-1)?.[4]).toMatchObject({ client_op_id: 'mine', value: 'mine', store_seq: seq });
});
