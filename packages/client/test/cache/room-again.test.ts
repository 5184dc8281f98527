import { afterEach, beforeEach, expect, test } from 'vitest';
import { keptIn } from '@holdfast/client/cache';
import { tabs } from '@holdfast/client/tabs';
import { Valve } from '../valve.ts';
import { openWorld, type World } from '../world.ts';
import { FullRows } from './full-rows.ts';
import { deferred } from '@holdfast/engine/registry';
import { Disk } from './map-rows.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

test('a page without a network that has no room for what is written keeps that, too, as soon as it writes again and there is room', async () => {
  const disk = new Disk();
  const rows = new FullRows(disk);
  const link = new Valve();
  link.holdOut();
  const client = world.client({ cache: keptIn(rows), link });
  const store = client.store('acme/app');
  await store.put('a', 1).durable;
  rows.room = 0;
  for (const path of ['b', 'c']) {
    const lost = store.put(path, 1);
    await expect(lost.durable).rejects.toMatchObject({ code: 'outbox_failed' });
    expect(store.status.get()).toMatchObject({ durable: false, error: { code: 'cache_failed' } });
  }
  expect(world.errors).toMatchObject([{ details: { why: 'full', kept: false } }]);
  rows.room = Infinity;
  await store.put('d', 1).durable;
  expect(store.status.get()).toMatchObject({ durable: true, pending: 4 });
  expect(store.status.get().error).toBeUndefined();
  await client.close();
  const next = world.client({ cache: keptIn(new FullRows(disk)) }).store('acme/app');
  await next.ready;
  await next.settled();
  expect(['a', 'b', 'c', 'd'].map((path) => next.get(path))).toEqual([1, 1, 1, 1]);
  expect(world.errors).toHaveLength(1);
});

test('a page whose data was deleted is as good as kept once what waited is decided, though that is not stored yet', async () => {
  const disk = new Disk();
  const rows = new FullRows(disk);
  const [link, stored] = [new Valve(), deferred<void>()];
  link.holdOut();
  const store = world.client({ cache: keptIn(rows), link }).store('acme/app');
  const write = store.put('a', 1);
  await write.durable;
  disk.places.clear();
  rows.removed?.();
  await expect.poll(() => store.status.get().durable).toBe(false);
  const through = rows.write.bind(rows);
  rows.write = async (batch) => {
    if (batch.own.some(([, , text]) => text === null)) await stored.promise;
    return through(batch);
  };
  link.letOut();
  await write.committed;
  expect(store.status.get()).toMatchObject({ durable: true, pending: 0 });
  stored.resolve();
});

test('a leading tab without any room shows what is kept, and keeps what is written once there is room', async () => {
  const disk = new Disk();
  const seat = { tabs: tabs({ name: 'no-room' }), deviceId: 'browser' };
  const before = world.client({ ...seat, cache: keptIn(new FullRows(disk)) });
  const kept = before.store('acme/app');
  await kept.ready;
  await kept.put('a', 1).committed;
  await kept.settled();
  await before.close();
  const rows = new FullRows(disk);
  rows.room = 0;
  const link = new Valve();
  link.down();
  const client = world.client({ ...seat, cache: keptIn(rows), link });
  const store = client.store('acme/app');
  await expect.poll(() => store.get('a')).toBe(1);
  await expect(store.put('b', 1).durable).rejects.toMatchObject({ code: 'outbox_failed' });
  rows.room = Infinity;
  await store.put('c', 1).durable;
  expect(store.status.get()).toMatchObject({ durable: true, pending: 2 });
  await client.close();
  const writer = await world.store();
  const next = world.client({ ...seat, cache: keptIn(new FullRows(disk)) }).store('acme/app');
  await next.ready;
  await next.settled();
  expect(['a', 'b', 'c'].map((path) => next.get(path))).toEqual([1, 1, 1]);
  expect(writer.get('b')).toBe(1);
});

test('a leading tab that began without any room keeps what others write, too, once there is room', async () => {
  const disk = new Disk();
  const rows = new FullRows(disk);
  rows.room = 0;
  const seat = { tabs: tabs({ name: 'room-later' }), deviceId: 'browser' };
  const client = world.client({ ...seat, cache: keptIn(rows) });
  const store = client.store('acme/app');
  await store.ready;
  const writer = await world.store();
  await writer.put('a', 1).committed;
  await expect.poll(() => store.get('a')).toBe(1);
  rows.room = Infinity;
  await store.put('b', 1).committed;
  await store.settled();
  await client.close();
  const link = new Valve();
  link.down();
  const next = world.client({ ...seat, cache: keptIn(new FullRows(disk)), link });
  const shown = next.store('acme/app');
  await expect.poll(() => shown.get('a')).toBe(1);
  expect(shown.get('b')).toBe(1);
});
