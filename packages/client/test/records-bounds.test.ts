import { type ClientOptions, memoryCache } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { records, type Tx } from '@holdfast/client/records';
import { passthrough, record } from '@holdfast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { openWorld, type World } from './world.ts';

const Item = record({
  name: 'item',
  store: 'acme/app',
  path: 'items/:id',
  version: '*',
  schema: passthrough<{ readonly n: number }>(),
  mutations: {
    grow: {
      input: z.number().optional(),
      apply: (item, by = 1) => item && { ...item, n: item.n + by },
    },
  },
});

async function opened(): Promise<World> {
  const world = await openWorld();
  onTestFinished(() => world[Symbol.asyncDispose]());
  return world;
}

const recorded = (options: Partial<ClientOptions> = {}): Partial<ClientOptions> => ({
  records: records([Item]),
  ...options,
});

const forbid = (): never => {
  throw new TypeError('not now');
};

/** Nobody answers. */
const link = memoryLink(() => null);

test('R55 nothing is awaited of a record that is denied', async () => {
  const world = await opened();
  const { rawToken } = await world.issue([]);
  const item = world.client(recorded({ token: rawToken })).record(Item, { id: '1' });
  onTestFinished(item.retain());
  await expect(item.ready()).rejects.toMatchObject({ code: 'missing_scope' });
  await item.whenIdle();
  expect(item.state.get().status).toBe('denied');
});

test('a write that the application forbids holds no record open, nor does a transaction that is over', async () => {
  const world = await opened();
  const client = world.client(recorded({ onWrite: forbid }));
  const [item, other] = ['1', '2'].map((id) => client.record(Item, { id }));
  if (item === undefined || other === undefined) throw new Error('two were made');
  onTestFinished(item.retain());
  await item.ready();
  const held = (): unknown => {
    const { registries } = client.inspect() as { registries: { [name: string]: object[] } };
    return registries['rec/acme/app'];
  };
  expect(held()).toMatchObject([{ key: item.key, holds: 1 }]);
  expect(() => item.set({ n: 1 })).toThrow('not now');
  let late: Tx | undefined;
  const collect = (tx: Tx): unknown => {
    late = tx;
    return tx.record(item).set({ n: 2 });
  };
  expect(() => client.transact(collect)).toThrow('not now');
  expect(() => late?.record(other)).toThrow('must not wait');
  // Its rejection is nobody's.
  expect(() => client.transact(() => Promise.reject(new Error('later')))).toThrow('must not wait');
  expect(held()).toMatchObject([{ key: item.key, holds: 1 }]);
});

test('a transaction that leaves all as it is sends nothing, and is committed', async () => {
  const world = await opened();
  const store = await world.store();
  await store.put('items/1', { n: 1 }).committed;
  const client = world.client(recorded());
  const item = client.record(Item, { id: '1' });
  onTestFinished(item.retain());
  await item.ready();
  const sent = client.transact((tx) => {
    tx.record(item).set({ n: 1 });
    return 'same';
  });
  expect([sent.status.get(), client.outbox.list()]).toEqual(['committed', []]);
  await expect(sent.committed).resolves.toBe('same');
  expect(sent.cancel()).toBe(false);
  const empty = (): unknown => client.transact((tx) => tx.record(item).get());
  expect(empty).toThrow(TypeError);
});

test('a flush waits until a transaction is durable', async () => {
  const world = await opened();
  const cache = memoryCache();
  let isHeld = true;
  const held: (() => void)[] = [];
  const slow: typeof cache = {
    ...cache,
    commit: async (store, change) => {
      if (isHeld && change.requests.length > 0) {
        await new Promise<void>((resolve) => held.push(resolve));
      }
      return cache.commit(store, change);
    },
  };
  const client = world.client(recorded({ cache: slow, link }));
  // No answer is to be expected: it is durability alone that is waited for.
  client.store('acme/app');
  await expect.poll(() => client.status.get().attempts).toBeGreaterThan(0);
  client.transact((tx) => tx.record(Item.ref({ id: '1' })).set({ n: 1 }));
  let isFlushed = false;
  const flushed = client.flush().then(() => {
    isFlushed = true;
  });
  await expect.poll(() => held.length).toBeGreaterThan(0);
  expect(isFlushed).toBe(false);
  isHeld = false;
  for (const release of held) release();
  await flushed;
});

test('of one record a thousand writes may wait, and no transaction goes beyond that', async () => {
  const world = await opened();
  const client = world.client(recorded({ link }));
  const item = client.record(Item, { id: '1' });
  onTestFinished(item.retain());
  const more = (n: number) => client.transact((tx) => tx.record(item).set({ n }));
  for (let n = 0; n < 1000; n++) more(n);
  const full = expect.objectContaining({ code: 'outbox_full', details: { limit: 1000 } });
  expect(() => more(1000)).toThrow(full);
  expect(() => item.set({ n: 1001 })).toThrow(full);
  expect([item.get(), item.state.get().pendingIntents]).toEqual([{ n: 999 }, 1000]);
});

test('R64 a listener is called once for each state, though one before it has caused another', async () => {
  const world = await opened();
  const client = world.client(recorded());
  const item = client.record(Item, { id: '1' });
  await item.ready();
  const seen: [unknown[], unknown[]] = [[], []];
  onTestFinished(
    item.subscribe(() => {
      seen[0].push(item.get());
      if (item.get()?.n === 1) item.set({ n: 2 });
    }),
  );
  onTestFinished(item.subscribe(() => seen[1].push(item.get())));
  const states: unknown[] = [];
  onTestFinished(item.state.subscribe(() => states.push(item.state.get())));
  item.set({ n: 1 });
  expect(seen[0]).toEqual([{ n: 1 }, { n: 2 }]);
  expect(seen[1]).toEqual([{ n: 2 }]);
  expect(new Set(states).size).toBe(states.length);
});

test('R118 what is no plain object is no value of a record', async () => {
  const world = await opened();
  const client = world.client(recorded());
  const item = client.record(Item, { id: '1' });
  await item.ready();
  class Odd {
    readonly n = 1;
  }
  for (const value of [new Map(), new Odd(), [1]]) {
    const refused = expect.objectContaining({ code: 'invalid_value' });
    expect(() => item.set(value as never)).toThrow(refused);
  }
  expect(item.state.get().pendingIntents).toBe(0);
});

test('R125 a mutation may be given nothing where its schema takes nothing', async () => {
  const world = await opened();
  world.server.record(Item);
  const client = world.client(recorded());
  const item = client.record(Item, { id: '1' });
  onTestFinished(item.retain());
  await item.set({ n: 1 }).committed;
  await item.mutate('grow', undefined).committed;
  await item.mutate('grow', 2).committed;
  expect(item.get()).toEqual({ n: 4 });
});
