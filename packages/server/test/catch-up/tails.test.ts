import type { Storage } from '@holdfast/server/storage';
import { memory } from '@holdfast/server/storage/memory';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { expect, test } from 'vitest';
import type { Peer } from '../conversation/peer.ts';
import {
  brief,
  dialects,
  hear,
  opsIn,
  put,
  reasonOf,
  tongues,
  write,
} from '../conversation/talk.ts';
import { topic, world } from '../conversation/world.ts';
import { directory } from './directory.ts';
import { NewReader, readerFor } from './readers.ts';
import { board, expectEqual, flood, followTo, heldByServer, ride, writerOf } from './ride.ts';

test.each(tongues)(
  'S52 on %s a join at 3 of 10 is sent 4 to 10 and catch_up_complete, a join at 10 only that (P23)',
  async (_name, knock) => {
    const here = await world();
    const writer = await writerOf(here);
    for (let n = 1; n <= 10; n += 1) await put(writer, `k/${n}`, n);
    for (const last of [3, 10]) {
      const peer = await here.connect(knock);
      expect((await peer.join(topic, { last_store_seq: last })).status).toBe('ok');
      const frames = await peer.caughtUp();
      expect(opsIn(frames).map(({ seq }) => seq)).toEqual([4, 5, 6, 7, 8, 9, 10].slice(last - 3));
      expect(frames.at(-1)).toEqual([null, null, topic, 'catch_up_complete', { through_seq: 10 }]);
      if (last === 10) expect(frames).toHaveLength(1);
      peer.cut();
    }
  },
);

test.each(dialects)(
  'S53 on %s joining at any point of increment, set, increment, delete, increment yields 5, 100, 101, null, 2',
  async (_name, knock) => {
    const here = await world();
    const writer = await writerOf(here);
    await write(writer, 'increment', 'c', { value: 5 });
    await put(writer, 'c', 100);
    await write(writer, 'increment', 'c', { value: 1 });
    await write(writer, 'delete', 'c');
    await write(writer, 'increment', 'c', { value: 2 });
    const log = [
      [1, 'increment', 'c', 5],
      [2, 'set', 'c', 100],
      [3, 'increment', 'c', 101],
      [4, 'delete', 'c', null],
      [5, 'increment', 'c', 2],
    ];
    for (let last = knock.capver === '3' ? 0 : 1; last <= 5; last += 1) {
      const peer = await here.connect({ ...knock, device: `d${last}` });
      await peer.join(topic, { last_store_seq: last });
      expect(brief(opsIn(await peer.caughtUp()))).toEqual(log.slice(last));
    }
    const fresh = readerFor(knock);
    await ride(here, fresh, { knock });
    expect(fresh.held().rows).toEqual([['c', 2, 'counter', 5]]);
  },
);

test.each(tongues)(
  'S57 on %s a reader that is ahead of the store starts over',
  async (_name, knock) => {
    const here = await world();
    const writer = await writerOf(here);
    const reader = readerFor(knock);
    const peer = await here.connect({ ...knock, device: 'ahead' });
    await put(writer, 'a', { b: 1, c: 2 });
    const { response } = await peer.join(topic, { last_store_seq: 77 });
    if (knock.capver === '4') expect(response).toMatchObject({ sync: 'snapshot', why: 'ahead' });
    for (const frame of await peer.caughtUp()) reader.take(frame);
    expect(reader.cursor).toBe(1);
    await expectEqual(here, reader, { knock });
  },
);

test.each(tongues)(
  'S57 on %s a reader of a store that was made anew under its name starts over and ends equal',
  async (_name, knock) => {
    const storage = memory();
    const here = await world({ storage });
    const how = { knock: { ...knock, device: 'reader' } };
    const reader = readerFor(knock);
    const before = await writerOf(here);
    for (let n = 1; n <= 5; n += 1) await put(before, `old/${n}`, n);
    await ride(here, reader, how);
    expect(reader.cursor).toBe(5);
    await storage.stores.purge(here.storeId);
    await here.server.stores.create('demo/main');
    const after = await writerOf(here);
    // More ops than the reader has seen: only the incarnation tells the stores apart.
    for (let n = 1; n <= 9; n += 1) await put(after, `new/${n}`, n);
    const [reply] = await ride(here, reader, how);
    if (knock.capver === '4') {
      expect(reply?.[4]).toMatchObject({ response: { sync: 'snapshot', why: 'incarnation' } });
    }
    await expectEqual(here, reader, how);
    expect(reader.held().rows.map(([path]) => path)).not.toContain('old/1');
  },
);

test('S57 the reply to a capver-4 join says why it starts over, the first cause first', async () => {
  const here = await world();
  const writer = await writerOf(here);
  for (let n = 1; n <= 3; n += 1) await put(writer, 'a', n);
  const whys = async (payload: object): Promise<unknown> => {
    const peer = await here.connect({ device: 'asker' });
    const { response } = await peer.join(topic, payload);
    peer.cut();
    return [response['sync'], response['why']];
  };
  const { incarnation = '' } = (await here.server.stores.find('demo/main')) ?? {};
  expect(await whys({ last_store_seq: 0 })).toEqual(['snapshot', 'fresh']);
  expect(await whys({ last_store_seq: 0, incarnation: 'other' })).toEqual(['snapshot', 'fresh']);
  expect(await whys({ last_store_seq: 9, incarnation: 'other', scope: 'other' })).toEqual([
    'snapshot',
    'incarnation',
  ]);
  expect(await whys({ last_store_seq: 9, incarnation, scope: 'other' })).toEqual([
    'snapshot',
    'scope',
  ]);
  expect(await whys({ last_store_seq: 9, incarnation })).toEqual(['snapshot', 'ahead']);
  expect(await whys({ last_store_seq: 2, incarnation })).toEqual(['tail', null]);
  await flood(writer, 1002, () => 'a');
  expect(await whys({ last_store_seq: 2, incarnation })).toEqual(['snapshot', 'cheaper']);
});

test.each(tongues)(
  'S59 on %s the UUID and the name of a store give the same catch-up and the same live events (P27)',
  async (_name, knock) => {
    const here = await world();
    const writer = await writerOf(here);
    await put(writer, 'a', { b: 1 });
    await put(writer, 'c', 2);
    const byId = `store:${here.storeId}`;
    const names = [topic, byId];
    const peers = await Promise.all(names.map(() => here.connect({ ...knock, device: 'd' })));
    for (const [at, peer] of peers.entries()) {
      await peer.join(names[at] ?? '', { last_store_seq: 1 });
      await peer.caughtUp();
    }
    const seq = await put(writer, 'live', 1);
    const [one, other] = await Promise.all(
      peers.map(async (peer) => {
        await hear(peer, seq);
        return peer.heard.slice(1).map(([, , , event, payload]) => [event, payload]);
      }),
    );
    expect(one).toEqual(other);
    expect(opsIn(peers[0]?.heard ?? []).map((op) => op.seq)).toEqual([2, 3]);
    const old = await here.connect({ ...knock, device: 'both' });
    await here.server.stores.archive(here.storeId);
    for (const name of [topic, byId]) expect(reasonOf(await old.join(name))).toBe('unauthorized');
  },
);

/** Writes one after the other, at least a hundred times; returns the last seq. */
async function writeOn(writer: Peer, over: AbortSignal): Promise<number> {
  let last = 0;
  for (let n = 0; !over.aborted || n < 100; n += 1) last = await put(writer, `live/${n % 7}`, n);
  return last;
}

test.each(tongues)(
  'S60 on %s while writes go on, a catch-up of 2500 ops brings nothing twice and leaves nothing out',
  async (_name, knock) => {
    const here = await world();
    const writer = await writerOf(here);
    const reader = readerFor(knock);
    await put(writer, 'base', 0);
    await ride(here, reader, { knock });
    // So many paths that the tail is not dearer than a snapshot.
    await flood(writer, 2500, (n) => `k/${n % 1300}`);
    const over = new AbortController();
    const writing = writeOn(writer, over.signal);
    const peer = await board(here, reader, { knock });
    // The reader checks that every op follows the one before.
    await followTo(peer, reader, 2501);
    over.abort();
    const last = await writing;
    await followTo(peer, reader, last);
    expect(peer.heard.some(([, , , event]) => event.startsWith('snapshot'))).toBe(false);
    expect(reader.held().rows).toEqual((await heldByServer(here)).rows);
  },
);

test.each(dialects)(
  'S84 on %s a resume with equal incarnation and scope transfers the ops after its cursor and nothing else',
  async (_name, knock) => {
    const here = await world();
    const writer = await writerOf(here);
    for (let n = 1; n <= 4; n += 1) await put(writer, `k/${n}`, n);
    const reader = readerFor(knock);
    await ride(here, reader, { knock });
    await put(writer, 'k/2', 'two');
    await put(writer, 'k/5', 'five');
    const frames = await ride(here, reader, { knock });
    const pushed = frames.map(([, , , event]) => event);
    expect(pushed.some((event) => event.startsWith('snapshot'))).toBe(false);
    expect(brief(opsIn(frames))).toEqual([
      [5, 'set', 'k/2', 'two'],
      [6, 'set', 'k/5', 'five'],
    ]);
    await expectEqual(here, reader, { knock });
  },
);

test('S84 after a change of incarnation writes that were pending commit, under the new one', async () => {
  const storage = memory();
  const here = await world({ storage });
  const reader = new NewReader();
  await put(await writerOf(here), 'a', 1);
  await ride(here, reader);
  await storage.stores.purge(here.storeId);
  await here.server.stores.create('demo/main');
  await put(await writerOf(here), 'b', 1);
  const peer = await board(here, reader);
  expect((await peer.next())[4]).toMatchObject({ response: { why: 'incarnation' } });
  expect(await put(peer, 'c', 1)).toBe(2);
});

/** A storage that forgets the ops up to a seq just before it is read for the second time. */
function forgetful(data: string, through: number): Storage {
  const storage = sqlite({ directory: data });
  const read = storage.read.bind(storage);
  let reads = 0;
  const forgets: Storage['read'] = async (store, after, limit) => {
    reads += 1;
    if (reads === 2) await storage.compact(store, through, 100);
    return read(store, after, limit);
  };
  return Object.assign(storage, { read: forgets });
}

/** Sets 40 leaves of which one read of the log brings not half. */
async function fillWide(writer: Peer): Promise<void> {
  const text = 'x'.repeat(60_000);
  await flood(
    writer,
    40,
    (n) => `k/${n}`,
    () => text,
  );
}

test.each(dialects)(
  'S55 on %s a tail of which the log forgets the rest, while it is read, leaves nobody with a gap',
  async (_name, knock) => {
    const data = directory();
    const first = await world({ data });
    const writer = await writerOf(first);
    await put(writer, 'a', 1);
    const reader = readerFor(knock);
    await ride(first, reader, { knock });
    await fillWide(writer);
    await first.server.close();
    const second = await world({ storage: forgetful(data, 30) });
    await ride(second, reader, { knock }).catch((error: unknown) => {
      // Whoever has no word for it is closed, and comes again.
      expect(String(error)).toContain('closed with');
    });
    await expectEqual(second, reader, { knock });
  },
);

test('S107 a watcher of which the log forgets the rest, while it is read, begins anew', async () => {
  const data = directory();
  const first = await world({ data });
  await fillWide(await writerOf(first));
  await first.server.close();
  const { url } = await world({ storage: forgetful(data, 30) });
  const headers = { authorization: 'Bearer dev', accept: 'text/event-stream' };
  const { body } = await fetch(`${url}/api/stores/demo/main/watch?since=1`, { headers });
  const reader = body?.getReader();
  const decoder = new TextDecoder();
  let text = '';
  // The last op, or what says that all has been told anew.
  while (!/"store_seq":40|event: ready[^]*event: ready/.test(text)) {
    text += decoder.decode((await reader?.read())?.value, { stream: true });
  }
  await reader?.cancel();
  const [before = '', after = ''] = text.split('event: reset\n');
  expect(after).toContain('data: {"why":"behind","seq":40}');
  expect(after.match(/event: present/g)).toHaveLength(40);
  const seqs = Array.from(before.matchAll(/"store_seq":(\d+)/g), ([, seq]) => Number(seq));
  expect(seqs).toEqual(seqs.map((_seq, at) => at + 2));
});
