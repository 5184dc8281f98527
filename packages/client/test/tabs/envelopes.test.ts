import { type Client, memoryCache } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { type RecordHandle, records } from '@holdfast/client/records';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import { tabs } from '@holdfast/client/tabs';
import { passthrough, record } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { openWorld } from '../world.ts';

const Item = record({
  name: 'item',
  store: 'acme/app',
  path: 'items/:id',
  version: '1.0',
  schema: passthrough<{ readonly n: number }>(),
});

test('R128 what came by a transport is kept for the next start where tabs share the cache, too', async () => {
  await using world = await openWorld();
  const cache = memoryCache();
  const transport = new InProcessTransport();
  const life = (): { readonly client: Client; readonly item: RecordHandle<typeof Item> } => {
    const client = world.client({
      cache,
      tabs: tabs({ name: 'envelopes' }),
      deviceId: 'browser',
      link: memoryLink(() => null),
      records: records([Item], { delivery: byTransport({ transport }) }),
    });
    const item = client.record(Item, { id: '1' });
    item.retain();
    return { client, item };
  };
  const first = life();
  await first.item.whenIdle();
  const envelope = { value: { n: 4 }, schema_version: '1.0', sequence: 4, incarnation: 'e1' };
  transport.publish(Item.key({ id: '1' }), envelope);
  expect(first.item.get()).toEqual({ n: 4 });
  await new Promise(setImmediate);
  await first.client.close();
  const second = life();
  await expect.poll(() => second.item.get()).toEqual({ n: 4 });
  expect(second.item.state.get()).toMatchObject({ sequence: 4, source: 'persisted' });
  expect(world.errors).toEqual([]);
});
