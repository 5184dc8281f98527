import { asPath } from '@holdfast/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keptIn } from '@holdfast/client/cache';
import { memoryCache } from '@holdfast/client';
import { sqlite } from '@holdfast/client/cache/sqlite';
import { scratch } from './cache/desk.ts';
import { Disk, MapRows } from './cache/map-rows.ts';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const nowhere = 'ws://127.0.0.1:1';

describe('an outbox', () => {
  it('refuses what goes beyond its limits, and says which (P73)', async () => {
    const client = world.client({ url: nowhere, outboxMax: { requests: 2 } });
    const store = client.store('acme/app');
    store.put('a', 1);
    store.put('b', 2);
    const third = store.put('c', 3);
    expect(third.outcome).toMatchObject({
      status: 'refused',
      reason: 'outbox_full',
      details: { dimension: 'requests', limit: 2 },
    });
    expect([store.get('b'), store.get('c')]).toEqual([2, undefined]);
    const narrow = world.client({ url: nowhere, outboxMax: { bytes: 200 } }).store('acme/app');
    narrow.put('a', 1);
    expect(narrow.put('b', 'x'.repeat(200)).outcome).toMatchObject({
      status: 'refused',
      reason: 'outbox_full',
      details: { dimension: 'bytes', limit: 200 },
    });
    narrow.put('c', 3);
    expect([narrow.get('a'), narrow.get('b'), narrow.get('c')]).toEqual([1, undefined, 3]);
  });

  it.each([{ writes: 2 }, { requests: '2' }, { bytes: null }])(
    'has no other limits than it has: %j is an error of the caller',
    (outboxMax: object) => {
      expect(() => world.client({ outboxMax })).toThrow(TypeError);
    },
  );

  it.each([{ requests: 0 }, { requests: Number.NaN }, { bytes: -1 }])(
    'has limits that something passes, and none that is no limit: %j is an error of the caller',
    (outboxMax) => {
      expect(() => world.client({ outboxMax })).toThrow(RangeError);
    },
  );

  it('is sent by the next client though nobody opens its store', async () => {
    const disk = new Disk();
    const offline = world.client({
      url: world.url,
      cache: keptIn(new MapRows(disk)),
      link: held(),
    });
    await offline.store('acme/app').put('k', 1).durable;
    await offline.close();
    world.client({ cache: keptIn(new MapRows(disk)) });
    const reader = await world.store();
    await expect.poll(() => reader.get('k')).toBe(1);
  });

  it('S66 of 1,000 writes made offline is committed whole, in order', async () => {
    const cache = memoryCache();
    const offline = world.client({ cache, deviceId: 'laptop-1', link: held() });
    const before = offline.store('acme/app');
    for (let n = 0; n < 1000; n++) before.put(`k/${n}`, n);
    await before.put('last', true).durable;
    await offline.close();
    const store = world.client({ cache, deviceId: 'laptop-1' }).store('acme/app');
    await store.settled();
    const reader = await world.store();
    const revisions = Array.from({ length: 1000 }, (_, n) => reader.entry(`k/${n}`)?.revision);
    expect(revisions).toEqual(revisions.toSorted((a, b) => Number(a) - Number(b)));
    expect([reader.get('last'), reader.status.get().seq]).toEqual([true, 1001]);
  });

  it('S64 in a cache that two clients share is sent by the second under the name of the first, so that nothing is done twice', async () => {
    const cache = memoryCache();
    const valve = new Valve();
    const client = world.client({ cache, link: valve });
    const before = client.store('acme/app');
    await before.ready;
    valve.holdIn();
    before.increment('n');
    const reader = await world.store();
    await expect.poll(() => reader.get('n')).toBe(1);
    await client.close();
    const store = world.client({ cache }).store('acme/app');
    const shown: unknown[] = [];
    store.on('n', ({ value }) => shown.push(value), { includeCurrent: true });
    await store.ready;
    await store.settled();
    await expect.poll(() => reader.status.get().seq).toBe(store.status.get().seq);
    expect([store.get('n'), reader.get('n')]).toEqual([1, 1]);
    expect(shown).not.toContain(2);
  });

  it('of a former version of the application is migrated before it is sent', async () => {
    const disk = new Disk();
    const old = world.client({ cache: keptIn(new MapRows(disk)), schemaVersion: 1, link: held() });
    await old.store('acme/app').put('colour', 'red').durable;
    await old.close();
    const store = await world.store({
      cache: keptIn(new MapRows(disk)),
      schemaVersion: 2,
      migrate: (request, from) =>
        from === 1 && request.op === 'set' ? { ...request, path: asPath('color') } : null,
    });
    await store.settled();
    expect([store.get('color'), store.get('colour')]).toEqual(['red', undefined]);
  });

  it('of one principal is nothing to another', async () => {
    const disk = new Disk();
    const options = { cache: keptIn(new MapRows(disk)), principal: 'anna', link: held() };
    const anna = world.client(options);
    await anna.store('acme/app').put('k', 1).durable;
    await anna.close();
    const bob = await world.store({ cache: keptIn(new MapRows(disk)), principal: 'bob' });
    await bob.settled();
    expect([bob.get('k'), bob.outbox.list()]).toEqual([undefined, []]);
    const again = await world.store({ cache: keptIn(new MapRows(disk)), principal: 'anna' });
    await again.settled();
    await expect.poll(() => bob.get('k')).toBe(1);
  });
});

describe('a client with a cache', () => {
  it('S65 is the same installation after a restart, so that nothing it sent twice counts twice', async () => {
    using place = scratch();
    const file = place.file('cache.db');
    const valve = new Valve();
    const first = world.client({ cache: sqlite(file), link: valve, env: { random: () => 0.01 } });
    const store = first.store('acme/app');
    await store.ready;
    valve.holdIn();
    const write = store.increment('n');
    await write.durable;
    const reader = await world.store();
    await expect.poll(() => reader.get('n')).toBe(1);
    await first.close();
    const later = world.client({ cache: sqlite(file) });
    await later.store('acme/app').settled();
    await reader.put('end', true).committed;
    expect(reader.get('n')).toBe(1);
    const { device } = later.inspect() as { device: string };
    expect(write.opId.startsWith(`${device}:`)).toBe(true);
    await later.close();
  });

  it('G53 whose cache fails says so in its status and by each receipt, and goes on in memory', async () => {
    const rows = new MapRows(new Disk());
    const full = Object.assign(new Error('no room'), { name: 'QuotaExceededError' });
    let fails = false;
    const { write } = MapRows.prototype;
    rows.write = (batch) => (fails ? Promise.reject(full) : write.call(rows, batch));
    const store = await world.store({ cache: keptIn(rows) });
    await store.put('k', 1).durable;
    expect(store.status.get()).toMatchObject({ durable: true });
    fails = true;
    const lost = store.put('k', 2);
    await expect(lost.durable).rejects.toMatchObject({ code: 'outbox_failed' });
    expect(await lost.committed).toMatchObject({ seq: 2 });
    expect(store.status.get()).toMatchObject({ durable: false, error: { code: 'cache_failed' } });
    await expect(store.put('k', 3).durable).rejects.toMatchObject({ code: 'outbox_failed' });
    expect(world.errors).toHaveLength(1);
  });

  it('is ready offline with what it had, though that was empty', async () => {
    const disk = new Disk();
    const first = world.client({ cache: keptIn(new MapRows(disk)) });
    await first.store('acme/app').ready;
    await expect.poll(() => [...disk.places.values()][0]?.head ?? '').toContain('incarnation":"');
    await first.close();
    await world.createStore('acme/unused');
    const offline = world.client({
      cache: keptIn(new MapRows(disk)),
      env: { watchNetwork: (hear) => (hear('offline'), () => undefined) },
    });
    const store = offline.store('acme/app');
    await store.ready;
    expect(store.status.get()).toMatchObject({ connection: 'offline', seq: 0 });
  });
});

/** A link over which nothing reaches the server. */
function held(): Valve {
  const valve = new Valve();
  valve.holdOut();
  return valve;
}
