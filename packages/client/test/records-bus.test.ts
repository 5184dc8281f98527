import { type Client, memoryCache, observe } from '@holdfast/client';
import { type RecordHandle, records } from '@holdfast/client/records';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import { record } from '@holdfast/protocol';
import type { Envelope } from '@holdfast/protocol/record';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { Valve } from './valve.ts';
import { openWorld } from './world.ts';

const Item = record({
  name: 'item',
  store: 'acme/app',
  path: 'items/:id',
  version: '1.0',
  schema: z.object({ n: z.number() }),
});
const key = Item.key({ id: '1' });

type Life = {
  readonly client: Client;
  readonly item: RecordHandle<typeof Item>;
  /** The writes of it, and what they are answered. */
  readonly valve: Valve;
  /** What was shown of the item. */
  readonly seen: (number | undefined)[];
};

/** Lives of a client whose item comes by a bus, on which the test puts what it likes of all that the server has published. */
async function site() {
  const world = await openWorld();
  onTestFinished(() => world[Symbol.asyncDispose]());
  const items = world.server.record(Item);
  await items.write({ id: '1' }, { set: { n: 5 } });
  const [far, bus] = [new InProcessTransport(), new InProcessTransport()];
  world.server.publish(Item, far);
  const published: Envelope[] = [];
  far.subscribe(key, (message) => published.push(message as Envelope));
  const next = async (): Promise<Envelope> => {
    await expect.poll(() => published.length).toBeGreaterThan(0);
    return published.shift() as Envelope;
  };
  const cache = memoryCache();
  /** It is told what the server has when it asks for the first time, and then never. */
  const live = async (): Promise<Life> => {
    let asked = 0;
    const refetch = async (): Promise<Envelope> => {
      asked += 1;
      return asked === 1 ? items.get({ id: '1' }) : new Promise<never>(() => undefined);
    };
    const valve = new Valve();
    const delivery = byTransport({ transport: bus, refetch });
    const client = world.client({ cache, link: valve, records: records([Item], { delivery }) });
    const item = client.record(Item, { id: '1' });
    const seen: (number | undefined)[] = [];
    onTestFinished(observe(item, (value) => seen.push(value?.n)));
    await item.ready();
    return { client, item, valve, seen };
  };
  const put = (envelope: Envelope): void => bus.publish(key, envelope);
  return { live, next, put };
}

/** One that has written and heard of that; what its next writes are answered is on its way. */
async function writing() {
  const { live, next, put } = await site();
  const life = await live();
  await life.item.increment('n').committed;
  put(await next());
  life.valve.holdIn();
  return { ...life, live, next, put };
}

/** What makes an envelope none that can be taken. */
const untakable: { readonly [what: string]: Partial<Envelope> } = {
  'of a value that does not pass': { value: {} },
  'of another version': { schema_version: '2.0' },
  'of another store': { incarnation: 'another' },
};

test.each(Object.entries(untakable))(
  'R111 given the envelope of an own write is %s, then the write is shown until a better one is here, and committed with what it wrote',
  async (_, spoiled) => {
    const { next, put, valve, item, seen } = await writing();
    const { committed } = item.increment('n');
    const own = await next();
    put({ ...own, ...spoiled });
    expect(item.get()).toEqual({ n: 7 });
    valve.letIn();
    expect(await committed).toMatchObject({ value: { n: 7 }, sequence: 4 });
    put(own);
    expect(item.state.get()).toMatchObject({ value: { n: 7 }, sequence: 4, pendingIntents: 0 });
    expect(seen).toEqual([undefined, 5, 6, 7]);
  },
);

test('R119 given the envelope of an own write is lost, when that of a later one comes before any answer, then neither is shown twice', async () => {
  const { next, put, valve, item, seen } = await writing();
  const receipts = [item.increment('n'), item.increment('n')];
  const [, last] = [await next(), await next()];
  put(last);
  valve.letIn();
  await Promise.all(receipts.map(({ committed }) => committed));
  expect(item.state.get()).toMatchObject({ value: { n: 8 }, sequence: 5, pendingIntents: 0 });
  expect(seen).toEqual([undefined, 5, 6, 7, 8]);
});

test('R133 given a write of a page that was left, when it is committed in the next, then it is shown until its envelope is here', async () => {
  const { live, next, client, valve, item } = await writing();
  valve.down();
  const { durable } = item.increment('n');
  await durable;
  await client.close();
  const again = await live();
  await next();
  await expect.poll(() => again.item.state.get().pendingIntents).toBe(0);
  expect(again.item.get()).toEqual({ n: 7 });
  expect(again.seen.filter((n) => n !== undefined)).not.toContain(8);
  expect(again.seen.slice(again.seen.indexOf(7))).toEqual([7]);
});

test('R111 given a field that is written at its path, when that is committed, then the record shows it until its envelope is here', async () => {
  const { next, put, client, valve, item, seen } = await writing();
  const store = client.store('acme/app', { scope: [] });
  const { committed } = store.put('items/1/n', 9);
  await expect.poll(() => item.get()).toEqual({ n: 9 });
  const own = await next();
  valve.letIn();
  await committed;
  expect(item.get()).toEqual({ n: 9 });
  put(own);
  expect(seen).toEqual([undefined, 5, 6, 9]);
});
