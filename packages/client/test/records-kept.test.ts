import { type Client, createClient, memoryCache } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { type RecordHandle, records } from '@holdfast/client/records';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import { passthrough, record } from '@holdfast/protocol';
import type { Envelope } from '@holdfast/protocol/record';
import { expect, onTestFinished, test } from 'vitest';

const named = (name: string) =>
  record({
    name,
    store: 'acme/app',
    path: 'items/:id',
    version: '1.0',
    schema: passthrough<{ readonly n: number }>(),
  });
const Item = named('item');
const Thing = named('thing');

const at = (n: number, over: object = {}): Envelope => ({
  value: { n },
  schema_version: '1.0',
  sequence: n,
  incarnation: 'e1',
  ...over,
});

/** Clients one after the other that share a cache, and never reach a server. */
function profile() {
  const cache = memoryCache();
  const transport = new InProcessTransport();
  const open = (def: typeof Item, seed?: Envelope): Client => {
    const client = createClient({
      url: 'ws://nowhere.test',
      token: 'none',
      deviceId: 'browser',
      link: memoryLink(() => null),
      cache,
      records: records([def], { delivery: byTransport({ transport, seed: () => seed }) }),
    });
    onTestFinished(() => client.close());
    return client;
  };
  const keep = async (client: Client, ids: readonly string[], def = Item): Promise<void> => {
    for (const [index, id] of ids.entries()) {
      const release = client.record(def, { id }).retain();
      transport.publish(Item.key({ id }), at(index + 1));
      release();
    }
    await client.close();
  };
  return { open, keep };
}

async function shownBy(client: Client, id: string, def = Item): Promise<RecordHandle<typeof Item>> {
  const item = client.record(def, { id });
  item.retain();
  await item.whenIdle();
  await expect.poll(() => item.state.get().status).not.toBe('loading');
  return item;
}

test('what is kept of a record is not shown as a record of another name in the same place', async () => {
  const { open, keep } = profile();
  await keep(open(Item), ['1', '2']);
  expect((await shownBy(open(Item), '2')).state.get().source).toBe('persisted');
  await keep(open(Thing), ['1'], Thing);
  const client = open(Thing);
  // What was kept is known from here on.
  expect((await shownBy(client, '1', Thing)).state.get().source).toBe('persisted');
  const thing = client.record(Thing, { id: '2' });
  thing.retain();
  expect(thing.get()).toBe(undefined);
});

test('what is kept of another incarnation is not newer than what was rendered, whatever its sequence', async () => {
  const { open, keep } = profile();
  await keep(open(Item), ['1', '2', '3']);
  const same = await shownBy(open(Item, at(1)), '3');
  expect(same.state.get()).toMatchObject({ sequence: 3, source: 'persisted' });
  const other = await shownBy(open(Item, at(1, { incarnation: 'e2' })), '3');
  expect(other.state.get()).toMatchObject({ sequence: 1, incarnation: 'e2', source: 'seed' });
});

test('of a thousand and one envelopes the one that came first is kept no more', async () => {
  const { open, keep } = profile();
  await keep(
    open(Item),
    Array.from({ length: 1001 }, (_, n) => `${n}`),
  );
  const client = open(Item);
  expect((await shownBy(client, '1')).state.get()).toMatchObject({
    sequence: 2,
    source: 'persisted',
  });
  const first = client.record(Item, { id: '0' });
  first.retain();
  expect(first.get()).toBe(undefined);
});
