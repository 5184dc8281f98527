import {
  type Cache,
  type ClientEnv,
  HoldfastError,
  memoryCache,
  type Store,
} from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../server/test/conversation/clock.ts';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

const minuteMs = 61_000;

test('a store that nobody holds for a minute is left: the server has no channel of it any more, and a client that is in step stays so', async () => {
  const clock = new VirtualClock();
  await using world = await openWorld(undefined, { clock });
  await world.createStore('acme/other');
  const valve = new Valve();
  const client = world.client({ link: valve });
  const [kept, left] = [client.store('acme/app'), client.store('acme/other')];
  await Promise.all([kept.ready, left.ready]);
  left.close();
  const leaves = (): readonly unknown[] =>
    valve.sent.filter((data) => String(data).includes('"phx_leave"'));
  await expect.poll(() => clock.pass(minuteMs).then(leaves)).toHaveLength(1);
  expect(String(leaves()[0])).toContain('store:acme/other');
  await expect.poll(() => client.status.get()).toMatchObject({ isSynced: true });
});

test('a part that two handles are of stays here while one of them does', async () => {
  const clock = new VirtualClock();
  await using world = await openWorld(undefined, { clock });
  const writer = await world.store();
  const client = world.client();
  const open = (...scope: readonly string[]): Store => client.store('acme/app', { scope });
  const [one, two, other] = [open('a/**'), open('a/**'), open('b/**')];
  await Promise.all([one.ready, two.ready, other.ready]);
  one.close();
  other.close();
  await clock.pass(minuteMs);
  await writer.put('a/x', 1).committed;
  await expect.poll(() => two.get('a/x')).toBe(1);
  expect(client.inspect()).toMatchObject({ stores: [{ held: ['a/**'] }] });
});

test('a store that is opened anew is read when what it was left with is stored', async () => {
  const clock = new VirtualClock();
  await using world = await openWorld(undefined, { clock });
  const kept = memoryCache();
  const log: string[] = [];
  let store: (() => void) | undefined;
  const cache: Cache = {
    ...kept,
    load: (name) => {
      log.push('load');
      return kept.load(name);
    },
    commit: async (name, change) => {
      if (store === undefined) await new Promise<void>((resolve) => (store = resolve));
      await kept.commit(name, change);
      log.push('stored');
    },
  };
  const writer = await world.store();
  await writer.put('x', 1).committed;
  const client = world.client({ cache });
  const before = client.store('acme/app');
  await before.ready;
  await expect.poll(() => store !== undefined).toBe(true);
  before.close();
  log.length = 0;
  await clock.pass(minuteMs);
  const after = client.store('acme/app');
  await new Promise(setImmediate);
  expect([log, after.get('x')]).toEqual([[], undefined]);
  store?.();
  await expect.poll(() => log.slice(0, 2)).toEqual(['stored', 'load']);
  expect(after.get('x')).toBe(1);
});

test('what is asked of a store is told, also while what it has missed is on its way', async () => {
  await using world = await openWorld();
  const valve = new Valve();
  valve.loses = (data) => String(data).includes('"catch_up_complete"');
  const client = world.client({ link: valve });
  const store = client.store('acme/app');
  const write = store.put('x', 1);
  await write.committed;
  expect(client.inspect()).toMatchObject({ stores: [{ phase: 'catching_up' }] });
  expect(await store.opStatus(write.opId)).toMatchObject({ state: 'committed', seq: 1 });
});

test('what is asked of a store, and who waits until it is ready, hears so when its client is closed; what is written without a cache is decided by that (C20)', async () => {
  await using world = await openWorld();
  const valve = new Valve();
  const client = world.client({ link: valve });
  const store = client.store('acme/app');
  await store.ready;
  valve.holdOut();
  const [write, other] = [store.put('x', 1), client.store('acme/app', { scope: ['a/**'] })];
  const nowhere = world.client({ link: memoryLink(() => null) });
  const never = nowhere.store('acme/app');
  const asked = store.opStatus('some:one:1');
  const isReady = never.ready;
  const settled = Promise.all([store.settled(), other.ready]);
  await new Promise(setImmediate);
  await Promise.all([client.close(), nowhere.close()]);
  await settled;
  expect(write.outcome).toMatchObject({ reason: 'outcome_unknown' });
  expect(store.status.get()).toMatchObject({ pending: 0 });
  await expect(asked).rejects.toMatchObject({ code: 'unavailable' });
  await expect(isReady).rejects.toMatchObject({ code: 'closed' });
});

test('a client that is closed while a store waits to do something leaves no timer running (C20)', async () => {
  const clock = new VirtualClock();
  await using world = await openWorld();
  const valve = new Valve();
  const client = world.client({ link: valve, env: timed(clock) });
  const part = client.store('acme/app', { scope: ['a/**'] });
  const store = client.store('acme/app');
  await Promise.all([store.ready, part.ready]);
  part.close();
  store.on('**', () => undefined, { delivery: { everyMs: 5000 } });
  valve.holdOut();
  for (const value of [1, 2]) {
    store.put('x', value);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await clock.pass(1);
  }
  expect(clock.timers).toBeGreaterThan(0);
  await client.close();
  // What became of the writes is told in a task of its own.
  await clock.pass(0);
  expect(clock.timers).toBe(0);
});

test('a store that was there once is ready though the connection is lost, and one that was not is so when it is here', async () => {
  await using world = await openWorld();
  const valve = new Valve();
  const client = world.client({ link: valve, env: { random: () => 0.01 } });
  const store = client.store('acme/app');
  await store.ready;
  await world.createStore('acme/other');
  valve.down();
  await expect.poll(() => client.status.get().connection).toBe('reconnecting');
  await client.store('acme/app').ready;
  let isReady = false;
  const other = client.store('acme/other').ready.then(() => (isReady = true));
  await new Promise(setImmediate);
  expect(isReady).toBe(false);
  valve.up();
  await other;
});

test('a store that a cache kept is ready when it is caught up, as long as there may be a connection at any moment', async () => {
  await using world = await openWorld();
  const [writer, cache] = [await world.store(), memoryCache()];
  await writer.put('x', 1).committed;
  const before = world.client({ cache });
  await before.store('acme/app').ready;
  await before.close();
  await writer.put('x', 2).committed;
  const valve = new Valve();
  valve.down();
  const store = world.client({ cache, link: valve }).store('acme/app');
  await expect.poll(() => store.get('x')).toBe(1);
  const seen = store.ready.then(() => store.get('x'));
  await new Promise(setImmediate);
  valve.up();
  expect(await seen).toBe(2);
});

test('what a cache kept is listed in the outbox when it has been read, whoever looked before', async () => {
  await using world = await openWorld();
  const cache = memoryCache();
  const link = memoryLink(() => null);
  const before = world.client({ link, cache, deviceId: 'laptop' });
  const { opId, durable } = before.store('acme/app').put('x', 1);
  await durable;
  expect(before.store('acme/app').outbox.list()).toHaveLength(1);
  const closed = before.store('acme/app').outbox;
  await before.close();
  expect(closed.list()).toEqual([]);
  let read: (() => void) | undefined;
  const slow: Cache = {
    ...cache,
    load: async (store) => {
      await new Promise<void>((resolve) => {
        read = resolve;
      });
      return cache.load(store);
    },
  };
  const client = world.client({ link, cache: slow, deviceId: 'laptop' });
  const after = client.store('acme/app');
  const { outbox } = after;
  let isReady = false;
  after.ready.then(
    () => (isReady = true),
    () => undefined,
  );
  expect(outbox.list()).toEqual([]);
  let told = 0;
  outbox.subscribe(() => {
    told += 1;
  });
  await expect.poll(() => read !== undefined).toBe(true);
  read?.();
  await expect.poll(() => outbox.list().map((each) => each.opId)).toEqual([opId]);
  // Of the store itself nothing was ever here.
  await expect.poll(() => client.status.get().attempts).toBeGreaterThan(0);
  expect([told > 0, isReady]).toEqual([true, false]);
});

test('what a cache kept is there where its page was frozen for longer than a cache may take, just as it was read', async () => {
  const clock = new VirtualClock();
  await using world = await openWorld();
  const [cache, link] = [memoryCache(), memoryLink(() => null)];
  const before = world.client({ link, cache });
  await before.store('acme/app').put('x', 1).durable;
  await before.close();
  let thaw: (() => void) | undefined;
  const slow: Cache = {
    ...cache,
    load: async (name) => {
      await new Promise<void>((resolve) => (thaw = resolve));
      return cache.load(name);
    },
  };
  const store = world.client({ link, cache: slow, env: timed(clock) }).store('acme/app');
  await expect.poll(() => thaw !== undefined).toBe(true);
  clock.skip(minuteMs);
  await clock.pass(0);
  thaw?.();
  await expect.poll(() => store.get('x')).toBe(1);
  expect(store.status.get()).toMatchObject({ durable: true });
});

test('a cache that has not answered within 30 s is done without, and its store says so', async () => {
  const clock = new VirtualClock();
  await using world = await openWorld();
  const [link, env] = [memoryLink(() => null), timed(clock)];
  const cache: Cache = { ...memoryCache(), load: () => new Promise(() => undefined) };
  const store = world.client({ link, cache, env }).store('acme/app');
  await new Promise(setImmediate);
  await clock.pass(29_000);
  expect(store.status.get().error?.code).not.toBe('timeout');
  await clock.pass(1000);
  expect(store.status.get()).toMatchObject({ durable: false, error: { code: 'timeout' } });
});

/** What a cache fails with: an error that it should, and one of somebody who has made one of their own. */
const faults = [
  ['cache_failed', new HoldfastError('cache_failed')] as const,
  ['a plain error', new Error('EIO')] as const,
];

test.each(faults)(
  'a cache that fails offline with %s is told by the status of its store at once, and what is written after that is known to be kept nowhere',
  async (_, fault) => {
    await using world = await openWorld();
    const store = failing(world, 'commit', fault);
    await expect.poll(() => store.status.get().connection).not.toBe('connected');
    await expect(store.put('x', 1).durable).rejects.toMatchObject({ code: 'outbox_failed' });
    expect(store.status.get()).toMatchObject({ durable: false, error: { code: 'cache_failed' } });
    await expect(store.put('y', 2).durable).rejects.toMatchObject({ code: 'outbox_failed' });
  },
);

test.each(faults)(
  'where a cache cannot be read and says %s, what is written is known to be kept nowhere',
  async (_, fault) => {
    await using world = await openWorld();
    const store = failing(world, 'load', fault);
    await expect.poll(() => store.status.get().error?.code).toBe('cache_failed');
    await expect(store.put('x', 1).durable).rejects.toMatchObject({ code: 'outbox_failed' });
  },
);

/** A store without a connection, whose cache fails at something. */
function failing(world: World, at: 'commit' | 'load', fault: Error): Store {
  const cache: Cache = { ...memoryCache(), [at]: () => Promise.reject(fault) };
  return world.client({ link: memoryLink(() => null), cache }).store('acme/app');
}

function timed(clock: VirtualClock): Partial<ClientEnv> {
  return {
    now: () => clock.now(),
    wall: () => clock.wall(),
    setTimeout: (run, ms) => clock.setTimeout(run, ms),
    clearTimeout: (handle) => clock.clearTimeout(handle),
  };
}
