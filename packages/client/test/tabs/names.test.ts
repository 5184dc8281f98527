import { memoryCache } from '@holdfast/client';
import { tabs } from '@holdfast/client/tabs';
import { expect, test } from 'vitest';
import { platformTabs } from '../../src/tabs/platform.ts';
import { openWorld, type World } from '../world.ts';

/** What a tab of a name asks the browser for: its locks and channels. */
async function asked(world: World, name: string): Promise<readonly string[]> {
  const real = platformTabs();
  if (real === null) throw new Error('there are no locks here');
  const all: string[] = [];
  const platform: typeof real = {
    ...real,
    lock: (lock, ...how) => {
      all.push(lock);
      return real.lock(lock, ...how);
    },
    channel: (channel, hear) => {
      all.push(channel);
      return real.channel(channel, hear);
    },
  };
  const client = world.client({ tabs: tabs({ name, platform }), cache: memoryCache() });
  await client.store('acme/app').ready;
  await client.close();
  return all;
}

test('tabs of two names have no lock and no channel in common, nor one that is within those of the other', async () => {
  await using world = await openWorld();
  const names = ['ada', 'ada/tab', 'ada/to', 'ada/leader', 'ada%2Ftab', 'ada%252Ftab', 'a%', '%'];
  const all = await Promise.all(names.map((name) => asked(world, name)));
  const tables = all.map((own) => own.toSorted((a, b) => a.length - b.length)[0] ?? '');
  for (const [n, table] of tables.entries()) {
    const strange = all.flatMap((own, of) => (of === n ? [] : own));
    const within = strange.filter((name) => name === table || name.startsWith(`${table}/`));
    expect([names[n], within]).toEqual([names[n], []]);
  }
  // Pages of an older version are at the same table.
  expect(tables[0]).toMatch(/^holdfast\/4\/wss?:\/\/.*\/ada$/);
});
