// oxlint-disable-next-line import/no-unassigned-import -- it gives Node an IndexedDB
import 'fake-indexeddb/auto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Client, HoldfastError, Store } from '@holdfast/client';
import { indexedDB } from '@holdfast/client/cache/indexeddb';
import { tabs } from '@holdfast/client/tabs';
import { Valve } from '../valve.ts';
import { openWorld, type World } from '../world.ts';

let world: World;
let count = 0;

beforeEach(async () => {
  world = await openWorld();
  count += 1;
});

afterEach(async () => {
  vi.useRealTimers();
  await world[Symbol.asyncDispose]();
});

type Page = { readonly client: Client; readonly store: Store; readonly valve: Valve };

/** A page that is open, and has no network any more. */
async function offline(isTab: boolean): Promise<Page> {
  const page = await online(isTab);
  page.valve.down();
  return page;
}

async function online(isTab: boolean): Promise<Page> {
  const valve = new Valve();
  const name = `cleared-${count}`;
  const client = world.client({
    cache: indexedDB(name),
    link: valve,
    ...(isTab && { tabs: tabs({ name }) }),
  });
  const store = client.store('acme/app');
  await store.ready;
  return { client, store, valve };
}

/** Tells whether there was anything. */
function deleted(): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const deletion = globalThis.indexedDB.deleteDatabase(`holdfast/cleared-${count}`);
    deletion.addEventListener('success', (event) => {
      resolve((event as IDBVersionChangeEvent).oldVersion > 0);
    });
    deletion.addEventListener('error', () => reject(deletion.error ?? new Error('failed')));
  });
}

/** A connection of a tab that hears nothing. */
function frozenTab(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const opening = globalThis.indexedDB.open(`holdfast/cleared-${count}`);
    opening.addEventListener('success', () => resolve(opening.result));
    opening.addEventListener('error', () => reject(opening.error ?? new Error('failed')));
  });
}

const told = (): readonly unknown[] =>
  world.errors
    .map((error) => (error as HoldfastError).details)
    .filter(({ why }) => why !== undefined);

describe.each([
  ['without tabs', false],
  ['with tabs', true],
])('an open page without a network, %s', (_, isTab) => {
  test('says that what waits is not kept any more when its data is deleted, until that is sent', async () => {
    const { client, store, valve } = await offline(isTab);
    const write = store.put('a', 1);
    await write.durable;
    expect(store.status.get()).toMatchObject({ durable: true, pending: 1 });
    await deleted();
    await expect.poll(() => store.status.get().durable).toBe(false);
    expect(told()).toEqual([{ why: 'cleared', kept: false }]);
    valve.up();
    void client.connect();
    await write.committed;
    // That it has left the outbox need not be stored for that.
    expect(store.status.get()).toMatchObject({ durable: true, pending: 0 });
  });

  test('says once that dead letters are not kept any more when its data is deleted', async () => {
    const { store, valve } = await online(isTab);
    store.put('a', 1, { fence: { key: 'nobody/holds', token: 1 } });
    await expect.poll(() => store.outbox.deadLetters().length).toBe(1);
    await store.settled();
    await store.put('b', 1).durable;
    await store.settled();
    valve.down();
    await deleted();
    await expect.poll(told).toEqual([{ why: 'cleared', kept: false }]);
    await deleted();
    await store.put('c', 1).durable;
    expect(told()).toEqual([{ why: 'cleared', kept: false }]);
    expect(store.outbox.deadLetters()).toHaveLength(1);
  });

  test('goes on keeping what is written where its data was deleted, but a frozen tab held that up for long', async () => {
    const { client, store, valve } = await offline(isTab);
    const write = store.put('a', 1);
    await write.durable;
    const frozen = await frozenTab();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const deletion = deleted();
    const early = store.put('b', 2);
    await expect.poll(() => vi.getTimerCount()).toBeGreaterThan(0);
    const refused = expect(early.durable).rejects.toMatchObject({ code: 'outbox_failed' });
    await expect
      .poll(async () => {
        await vi.advanceTimersByTimeAsync(1000);
        return store.status.get().durable;
      })
      .toBe(false);
    await refused;
    vi.useRealTimers();
    frozen.close();
    await deletion;
    const isKept = (): Promise<boolean> =>
      store.put('c', 3).durable.then(
        () => true,
        () => false,
      );
    await expect.poll(isKept).toBe(true);
    expect(told()).toEqual([
      { why: 'stuck', kept: false },
      { why: 'cleared', kept: false },
    ]);
    expect(store.status.get()).toMatchObject({ durable: false });
    valve.up();
    void client.connect();
    await write.committed;
    await expect.poll(() => store.status.get()).toMatchObject({ durable: true, pending: 0 });
  });

  test('says nothing when its data is deleted while nothing waits, and keeps what is written then', async () => {
    const { store } = await offline(isTab);
    await deleted();
    await store.put('b', 2).durable;
    expect(store.status.get()).toMatchObject({ durable: true, pending: 1 });
    expect(told()).not.toContainEqual({ why: 'cleared', kept: false });
  });

  test('makes nothing anew when its data is deleted while nothing waits', async () => {
    await offline(isTab);
    expect(await deleted()).toBe(true);
    expect(await deleted()).toBe(false);
  });

  test('tells of each write once when its data is deleted again', async () => {
    const { store } = await offline(isTab);
    await store.put('a', 1).durable;
    await deleted();
    await expect.poll(() => store.status.get().durable).toBe(false);
    await store.put('b', 2).durable;
    expect(store.status.get()).toMatchObject({ durable: false, pending: 2 });
    await deleted();
    await expect.poll(told).toHaveLength(2);
    expect(told()).toEqual(told().map(() => ({ why: 'cleared', kept: false })));
    await store.put('c', 3).durable;
    expect(told()).toHaveLength(2);
  });
});

test('a tab beside others says that what it has written is not kept any more, until another has sent it', async () => {
  const leading = await online(true);
  const other = await online(true);
  leading.valve.down();
  other.valve.down();
  const write = other.store.put('a', 1);
  await write.durable;
  await deleted();
  await expect.poll(() => other.store.status.get().durable).toBe(false);
  for (const { client, valve } of [leading, other]) {
    valve.up();
    void client.connect();
  }
  await write.committed;
  for (const { store } of [leading, other]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await expect.poll(() => store.status.get()).toMatchObject({ durable: true, pending: 0 });
  }
});
