import { memoryCache } from '@holdfast/client';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { collect } from '../../../../tools/garbage.ts';
import { Valve } from '../valve.ts';
import { openWorld } from '../world.ts';

test('a page whose cache cannot be used any more forgets the writes that are over', async () => {
  await using world = await openWorld();
  const link = new Valve();
  link.down();
  const cache = {
    ...memoryCache(),
    // What is left of a write is told from all else by its name, which begins with this one.
    open: () => 'd'.repeat(20_000),
    commit() {
      throw new Error('the disk is gone');
    },
  };
  const client = world.client({ cache, link });
  const store = client.store('acme/app');
  const write = async (times: number): Promise<number> => {
    for (let at = 0; at < times; at += 1) {
      const put = store.put('a', at);
      put.durable.catch(() => undefined);
      put.committed.catch(() => undefined);
      put.cancel();
      // oxlint-disable-next-line no-await-in-loop -- one after the other, as pages write
      await turn();
    }
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = await write(100);
  expect(store.status.get()).toMatchObject({ durable: false, pending: 0 });
  expect((await write(500)) - before).toBeLessThan(5_000_000);
});
