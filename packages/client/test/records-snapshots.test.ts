import { type Cache, type Client, createClient, memoryCache } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { type RecordHandle, records } from '@holdfast/client/records';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import { deferred } from '@holdfast/engine/registry';
import type { Envelope, HandshakeAnswer } from '@holdfast/protocol/record';
import { expect, onTestFinished, test } from 'vitest';
import { Item } from './item.ts';

// What a client keeps of envelopes, and what it begins with.

const key = Item.key({ id: '1' });

const at = (sequence: number, incarnation = 'e1'): Envelope => ({
  value: { n: sequence },
  schema_version: '1.0',
  sequence,
  incarnation,
});

type Life = {
  readonly cache: Cache;
  readonly principal?: string;
  readonly seed?: Envelope;
  /** What a server says to who asks. */
  readonly answer?: HandshakeAnswer;
};

/** A client with one record, over a transport of its own. */
function life({ cache, principal = 'ann', seed, answer }: Life): {
  readonly client: Client;
  readonly item: RecordHandle<typeof Item>;
  readonly transport: InProcessTransport;
} {
  const transport = new InProcessTransport();
  const handshake = answer && { handshake: () => Promise.resolve([answer]) };
  const client = createClient({
    url: 'ws://nowhere.test',
    token: 'none',
    link: memoryLink(() => null),
    cache,
    principal,
    records: records([Item], {
      delivery: byTransport({
        transport: Object.assign(transport, handshake),
        ...(seed && { seed: () => seed }),
      }),
    }),
  });
  onTestFinished(() => client.close());
  const item = client.record(Item, { id: '1' });
  item.retain();
  return { client, item, transport };
}

/** A cache in which an item is kept at a sequence. */
async function kept(sequence: number): Promise<Cache> {
  const cache = memoryCache();
  const { client, item, transport } = life({ cache });
  await item.whenIdle();
  await new Promise(setImmediate);
  transport.publish(key, at(sequence));
  await new Promise(setImmediate);
  await client.close();
  return cache;
}

/** The same, which takes its time to say what it has. */
function slow(cache: Cache): { readonly cache: Cache; loaded(): Promise<void> } {
  const gate = deferred<void>();
  const load: Cache['load'] = async (...args) => {
    await gate.promise;
    return cache.load(...args);
  };
  return {
    cache: { ...cache, load },
    loaded: async () => {
      gate.resolve();
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    },
  };
}

test.each([
  ['before', (cache: Cache) => ({ cache, loaded: async () => undefined })],
  ['after', slow],
])(
  'R77 of a seed and a snapshot of another incarnation the seed counts, where the snapshot is here %s it',
  async (_order, made) => {
    const { cache, loaded } = made(await kept(9));
    const { item } = life({ cache, seed: at(1, 'e2') });
    expect(item.get()).toEqual({ n: 1 });
    await loaded();
    await item.whenIdle();
    expect(item.state.get()).toMatchObject({ sequence: 1, incarnation: 'e2', source: 'seed' });
    expect(item.get()).toEqual({ n: 1 });
  },
);

test('R77 a snapshot of another principal is never shown', async () => {
  const cache = await kept(4);
  const other = life({ cache, principal: 'bob' });
  const seen: unknown[] = [];
  other.item.subscribe(() => seen.push(other.item.get()));
  await other.item.whenIdle();
  await expect.poll(() => other.item.state.get().status).toBe('stale');
  expect([other.item.get(), seen]).toEqual([undefined, []]);
});

test('R79 what is denied before a cache has said what it has is not shown by that, nor kept', async () => {
  const full = await kept(4);
  const { cache, loaded } = slow(full);
  const answer = { key, type: 'denied', reason: 'not yours' } as const;
  const { client, item } = life({ cache, seed: at(3), answer });
  await item.whenIdle();
  expect(item.state.get()).toMatchObject({ status: 'denied', value: undefined });
  const seen: unknown[] = [];
  item.state.subscribe(() => seen.push(item.get()));
  await loaded();
  expect(item.state.get()).toMatchObject({ status: 'denied', value: undefined });
  expect(seen.filter((value) => value !== undefined)).toEqual([]);
  await client.close();
  const next = life({ cache: full });
  await expect.poll(() => next.item.state.get().status).toBe('stale');
  expect(next.item.get()).toBeUndefined();
});
