import { randomUUID } from 'node:crypto';
import { parseStoreName } from '@holdfast/protocol';
import { memory } from '@holdfast/server/storage/memory';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { collect } from '../../../../tools/garbage.ts';
import { Stores } from '../../src/host/stores.ts';
import { VirtualClock } from '../conversation/clock.ts';
import { set, topic, world } from '../conversation/world.ts';
import { roomOf } from './room.ts';

/** The heap, without what nobody uses. */
async function heapBytes(): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    collect();
    // oxlint-disable-next-line no-await-in-loop -- what is due after a turn is let go of, too
    await turn();
  }
  return process.memoryUsage().heapUsed;
}

/** Joins, and keeps nothing of what it is told; resolves when it has caught up. */
async function comes(url: string, device: string): Promise<void> {
  const at = `${url.replace('http', 'ws')}/ws/sync/websocket`;
  const socket = new WebSocket(`${at}?token=dev&device_id=${device}&capver=4&vsn=2.0.0`);
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  socket.send(JSON.stringify(['1', '1', topic, 'phx_join', { last_store_seq: 0 }]));
  await new Promise<void>((resolve) => {
    socket.on('message', (data: Buffer) => {
      if (data.includes('catch_up_complete')) resolve();
    });
  });
}

test('G52 where memory is short, stores that nobody uses are closed before their time, least recently used first, and open again whole', async () => {
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  const ids = await Promise.all(
    ['a', 'b', 'c', 'd', 'e'].map(async (name) => {
      const [id, incarnation] = [randomUUID(), randomUUID()];
      const parsed = parseStoreName(`acme/${name}`);
      if (parsed === null) throw new Error(name);
      await storage.stores.create({ id, incarnation, name: parsed, expiresAt: null });
      return id;
    }),
  );
  let isFull = false;
  const stores = new Stores(roomOf(storage, clock), () => isFull);
  const [a = '', b = '', c = '', d = '', e = ''] = ids;
  const held = await stores.hold(a);
  for (const id of [b, c, d]) (await stores.hold(id)).release();
  const open = (): string[] => ids.filter((id) => stores.peek(id) !== null);
  expect(open()).toEqual([a, b, c, d]);
  isFull = true;
  const last = await stores.hold(e);
  await expect.poll(open).toEqual([a, d, e]);
  (await stores.hold(d)).release();
  expect(open()).toEqual([a, d, e]);
  for (const hold of [held, last]) hold.release();
  isFull = false;
  (await stores.hold(b)).release();
  expect(open()).toEqual([a, b, d, e]);
  await stores.close();
});

test('what a client is sent of a store when it joins is freed when it has been sent, however long the client stays', async () => {
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  const { joined, url } = await world({ clock, storage });
  const writer = await joined();
  const text = 'x'.repeat(200);
  const leaves = Array.from({ length: 2000 }, (_, at) => [`${at}`, `${text}${at}`] as const);
  await writer.ask(topic, 'write', set('map', Object.fromEntries(leaves), 'map'));
  await comes(url, 'first');
  const before = await heapBytes();
  for (let at = 0; at < 40; at += 1) {
    // Each is sent a state of its own, of more than half a megabyte.
    await writer.ask(topic, 'write', set('other', at, `other ${at}`));
    await comes(url, `d${at}`);
  }
  // By then nobody may come back to a state that was broken off.
  await clock.pass(125_000);
  expect((await heapBytes()) - before).toBeLessThan(9_000_000);
});
