import { type Client, memoryCache } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { type RecordHandle, records } from '@holdfast/client/records';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import { tabs } from '@holdfast/client/tabs';
import { expect, test } from 'vitest';
import { Item } from '../item.ts';
import { openWorld, type World } from '../world.ts';

/** Tabs one after the other, or beside each other: they share a cache, and none of them reaches the server. */
function openProfile(world: World, name: string) {
  const cache = memoryCache();
  const transport = new InProcessTransport();
  return {
    open: (): Client =>
      world.client({
        cache,
        tabs: tabs({ name }),
        deviceId: 'browser',
        link: memoryLink(() => null),
        records: records([Item], { delivery: byTransport({ transport }) }),
      }),
    publish: (n: number): void => {
      const envelope = { value: { n }, schema_version: '1.0', sequence: n, incarnation: 'e1' };
      transport.publish(Item.key({ id: '1' }), envelope);
    },
    /** Resolves when something is in the cache that is in no store. */
    isKept: async (): Promise<void> => {
      await expect
        .poll(() => cache.load('~/envelopes' as never))
        .toMatchObject({ entries: [{ type: 'string' }] });
    },
  };
}

function shownBy(client: Client): RecordHandle<typeof Item> {
  const item = client.record(Item, { id: '1' });
  item.retain();
  return item;
}

test('R128 what came by a transport is kept for the next start where tabs share the cache, too', async () => {
  await using world = await openWorld();
  const { open, publish, isKept } = openProfile(world, 'envelopes');
  const first = open();
  const item = shownBy(first);
  await item.whenIdle();
  publish(4);
  expect(item.get()).toEqual({ n: 4 });
  await isKept();
  await first.close();
  const next = shownBy(open());
  await expect.poll(() => next.get()).toEqual({ n: 4 });
  expect(next.state.get()).toMatchObject({ sequence: 4, source: 'persisted' });
  expect(world.errors).toEqual([]);
});

test('R128 what came to a tab that does not lead is kept, and is there when that tab is loaded again', async () => {
  await using world = await openWorld();
  const { open, publish, isKept } = openProfile(world, 'envelopes of two');
  const leader = open();
  // It leads by then, and shows nothing.
  await leader.record(Item, { id: '2' }).whenIdle();
  const other = open();
  const item = shownBy(other);
  await item.whenIdle();
  publish(4);
  expect(item.get()).toEqual({ n: 4 });
  await isKept();
  await other.close();
  const again = shownBy(open());
  await expect.poll(() => again.get()).toEqual({ n: 4 });
  expect(again.state.get()).toMatchObject({ source: 'persisted' });
  expect(world.errors).toEqual([]);
});
