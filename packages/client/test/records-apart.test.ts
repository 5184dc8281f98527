import { memoryCache } from '@holdfast/client';
import { observe } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { records } from '@holdfast/client/records';
import { bySse } from '@holdfast/client/records/sse';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import { passthrough, record, source, type StandardSchema } from '@holdfast/protocol';
import type { Envelope } from '@holdfast/protocol/record';
import { expect, onTestFinished, test } from 'vitest';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

type Item = { readonly n: number; readonly tags?: readonly string[] };

const itemSchema: StandardSchema<Item, Item> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof (Object(value) as { n?: unknown }).n === 'number'
        ? { value: value as Item }
        : { issues: [{ message: 'no n' }] },
  },
};

const Item = record({
  name: 'item',
  store: 'acme/app',
  path: 'items/:id',
  version: '1.0',
  schema: itemSchema,
  mutations: {
    double: {
      apply: (current) => current && { ...current, n: current.n * 2 },
    },
    six: { apply: (current) => current && { ...current, n: 6 } },
  },
});
const key = Item.key({ id: '1' });

async function opened(): Promise<World & { readonly items: ReturnType<typeof itemsOf> }> {
  const world = await openWorld();
  const items = itemsOf(world);
  onTestFinished(() => world[Symbol.asyncDispose]());
  return { ...world, items };
}

const itemsOf = ({ server }: World) => server.record(Item);

/** A record of a client that has it by server-sent events, and writes over a socket that can be stopped. */
async function apart() {
  const world = await opened();
  await world.items.write({ id: '1' }, { set: { n: 5 } });
  const valve = new Valve();
  const client = world.client({
    link: valve,
    records: records([Item], { delivery: bySse() }),
  });
  const item = client.record(Item, { id: '1' });
  const release = item.retain();
  await item.ready();
  return { world, valve, client, item, release };
}

test('R107 R108 R117 a write of a record that comes by events is shown at once, and settled without a flash', async () => {
  const { item, world } = await apart();
  const seen: (number | undefined)[] = [];
  observe(item, (value) => seen.push(value?.n));
  const receipt = item.increment('n');
  expect([item.get()?.n, item.state.get().pendingIntents]).toEqual([6, 1]);
  await receipt.committed;
  await expect.poll(() => item.state.get().sequence).toBe(3);
  await world.items.write({ id: '1' }, { increment: 'n', by: 10 });
  await expect.poll(() => item.get()?.n).toBe(16);
  expect(seen).toEqual([5, 6, 16]);
  expect(item.state.get()).toMatchObject({ pendingIntents: 0, status: 'ok' });
});

test('a mutation that has changed nothing stands in the way of no guarded write, whatever others have written elsewhere', async () => {
  const { item, world, valve } = await apart();
  valve.holdOut();
  const { committed } = item.mutate('six');
  await world.items.write({ id: '1' }, { set: { n: 6 } });
  await expect.poll(() => item.state.get().sequence).toBe(3);
  await world.items.write({ id: '2' }, { set: { n: 1 } });
  valve.letOut();
  await committed;
  await item.patch({ n: 7 }, { precondition: 'unchanged' }).committed;
  await expect.poll(() => item.state.get().sequence).toBe(5);
  expect(item.state.get()).toMatchObject({ value: { n: 7 }, conflicts: [] });
});

test('R112 R119 what others write is shown beneath own writes, in whichever order they come', async () => {
  const { item, world, valve } = await apart();
  const seen: (number | undefined)[] = [];
  observe(item, (value) => seen.push(value?.n));
  valve.holdOut();
  const receipts = [item.increment('n'), item.mutate('double'), item.patch({ tags: ['a'] })];
  expect(item.get()).toEqual({ n: 12, tags: ['a'] });
  await world.items.write({ id: '1' }, { set: { n: 10 } });
  await expect.poll(() => item.get()).toEqual({ n: 22, tags: ['a'] });
  valve.letOut();
  await Promise.all(receipts.map(({ committed }) => committed));
  await expect.poll(() => item.state.get().sequence).toBeGreaterThan(4);
  await expect.poll(() => item.get()).toEqual({ n: 22, tags: ['a'] });
  expect(seen).not.toContain(23);
  expect(seen).not.toContain(44);
});

test('R109 R121 R156 what is refused vanishes; a transaction of such records is one', async () => {
  const { item, client, world, valve } = await apart();
  const other = client.record(Item, { id: '2' });
  other.retain();
  await other.ready();
  expect(other.state.get().status).toBe('gone');
  const { committed } = client.transact((tx) => {
    tx.record(item).patch({ n: 1 });
    tx.record(other).set({ n: 2 });
  });
  expect([item.get()?.n, other.get()?.n]).toEqual([1, 2]);
  await committed;
  await expect.poll(() => other.state.get().status).toBe('ok');
  await expect.poll(() => item.state.get().sequence).toBe(3);
  valve.holdOut();
  const late = item.patch({ n: 9 }, { precondition: 'unchanged' });
  await world.items.write({ id: '1' }, { patch: { n: 7 } });
  await expect.poll(() => item.state.get().sequence).toBe(5);
  expect(item.get()?.n).toBe(9);
  valve.letOut();
  await expect(late.committed).rejects.toMatchObject({ code: 'conflict', mine: { n: 9 } });
  expect([item.get()?.n, item.state.get().conflicts.length]).toEqual([7, 1]);
});

test('R119 R156 a transaction is shown until its envelopes are here, and no longer: each object has a seq of its own', async () => {
  const { item, client, world } = await apart();
  const other = client.record(Item, { id: '2' });
  other.retain();
  await other.ready();
  const seen: (number | undefined)[] = [];
  observe(item, (value) => seen.push(value?.n));
  const same = client.record(Item, { id: '3' });
  await world.items.write({ id: '3' }, { set: { n: 6 } });
  same.retain();
  await same.ready();
  await client.transact((tx) => {
    tx.record(item).increment('n');
    tx.record(same).mutate('six', null);
    tx.record(other).set({ n: 2 });
  }).committed;
  await expect.poll(() => other.state.get().sequence).toBe(5);
  await world.items.write({ id: '2' }, { set: { n: 3 } });
  await expect.poll(() => other.get()?.n).toBe(3);
  expect([item.get()?.n, item.state.get().sequence]).toEqual([6, 4]);
  expect(seen).toEqual([5, 6]);
  await item.patch({ n: 7 }, { precondition: 'unchanged' }).committed;
  await same.patch({ n: 7 }, { precondition: 'unchanged' }).committed;
});

test('R118 what does not pass is thrown and changes nothing', async () => {
  const { item, client } = await apart();
  expect(() => item.set({ n: 'no' } as never)).toThrow(
    expect.objectContaining({ code: 'invalid_value' }),
  );
  expect(() => client.transact((tx) => tx.record(item).set({} as never))).toThrow();
  expect(item.state.get().pendingIntents).toBe(0);
});

const at = (sequence: number, over: Partial<Envelope> = {}): Envelope => ({
  value: { n: sequence },
  schema_version: '1.0',
  sequence,
  incarnation: 'e1',
  ...over,
});

test('R128 R129 R130 R77 what came is kept, and shown at the next start; never what is not committed; a newer seed wins', async () => {
  const world = await opened();
  const cache = memoryCache();
  const transport = new InProcessTransport();
  const life = (seed?: Envelope, principal = 'ann') => {
    const client = world.client({
      cache,
      principal,
      link: memoryLink(() => null),
      records: records([Item], {
        delivery: byTransport({ transport, seed: () => seed, ...(seed && {}) }),
      }),
    });
    const item = client.record(Item, { id: '1' });
    item.retain();
    return { client, item };
  };
  const first = life();
  await first.item.whenIdle();
  transport.publish(key, at(4, { value: { n: 4, when: new Date(7), big: 2n ** 70n } }));
  const { opId } = first.item.patch({ n: 99 });
  await new Promise(setImmediate);
  await first.client.close();
  const second = life();
  expect(second.item.state.get().status).toBe('loading');
  await second.item.ready();
  // The write waits by itself, and is shown over what was kept (§11.1).
  await expect.poll(() => second.item.get()?.n).toBe(99);
  expect(second.client.outbox.discard(opId)).toBe(true);
  await expect.poll(() => second.item.get()).toEqual({ n: 4, when: new Date(7), big: 2n ** 70n });
  expect(second.item.state.get()).toMatchObject({ sequence: 4, source: 'persisted', status: 'ok' });
  await second.client.close();
  const newer = life(at(5));
  expect(newer.item.get()).toEqual({ n: 5 });
  await newer.item.ready();
  await new Promise(setImmediate);
  expect(newer.item.state.get()).toMatchObject({ sequence: 5, source: 'seed' });
  await newer.client.close();
  const older = life(at(3));
  expect(older.item.get()).toEqual({ n: 3 });
  await expect.poll(() => older.item.state.get().sequence).toBe(5);
  await older.client.close();
});

test('a snapshot of what may not be read any more is not kept', async () => {
  const world = await opened();
  await world.items.write({ id: '1' }, { set: { n: 1 } });
  const { id, rawToken } = await world.issue(['entries:read']);
  const cache = memoryCache();
  const life = (token: string) => {
    const client = world.client({ cache, token, records: records([Item], { delivery: bySse() }) });
    const item = client.record(Item, { id: '1' });
    item.retain();
    return { client, item };
  };
  const first = life(rawToken);
  await first.item.ready();
  expect(first.item.get()).toEqual({ n: 1 });
  await expect.poll(() => first.client.status.get().connection).toBe('connected');
  await world.server.tokens.revoke(id);
  await expect.poll(() => first.item.state.get().status, { timeout: 8000 }).toBe('denied');
  await first.client.close();
  const second = life(rawToken);
  await new Promise(setImmediate);
  expect(second.item.get()).toBeUndefined();
});

test('R230 R235 R244 a source is read like a record, by events of the client’s own server; it cannot be written', async () => {
  const world = await opened();
  const Count = source({
    name: 'count',
    params: passthrough<{ readonly from: number }>(),
    schema: passthrough<number>(),
    version: '1.0',
  });
  let runs = 100;
  world.server.source(Count, {
    policy: { once: true },
    run: ({ from }) => from + (runs += 100),
  });
  const client = world.client({ records: records([], { sources: bySse() }) });
  const count = client.record(Count, { from: 7 });
  const same = client.record(Count, { from: 7 });
  const release = count.retain();
  await count.ready();
  expect([count.get(), same.get(), runs]).toEqual([207, 207, 200]);
  world.server.invalidateSource('count', { from: 7 });
  await expect.poll(() => count.get()).toBe(307);
  expect(count.state.get()).toMatchObject({ sequence: 2, status: 'ok' });
  const { set } = count as unknown as { set(value: object): unknown };
  expect(() => set.call(count, {})).toThrow(expect.objectContaining({ code: 'read_only' }));
  const plain = world.client({ records: records([]) });
  expect(() => plain.record(Count, { from: 1 }).retain()).toThrow(/bySse/);
  release();
});
