import { tabs, type TabsPlatform } from '@holdfast/client/tabs';
import { expect, test } from 'vitest';
import { platformTabs } from '../../src/tabs/platform.ts';
import { openWorld } from '../world.ts';
import { opened, Profile } from './profile.ts';

test('a tab that is refused locks, as one that may keep nothing, has a connection of its own without waiting for a leader', async () => {
  await using world = await openWorld();
  const real = platformTabs();
  if (real === null) throw new Error('there are no locks here');
  const platform: TabsPlatform = {
    ...real,
    lock: (_name, _how, { refused }) => {
      queueMicrotask(refused);
      return () => undefined;
    },
  };
  const profile = new Profile(world);
  // Nobody's patience ends.
  const env = { setTimeout: (run: () => void, ms: number) => ms < 1000 && setTimeout(run, ms) };
  const options = { env, tabs: tabs({ name: profile.name, platform }) };
  const [a, b] = [await profile.open(options), await profile.open(options)];
  await a.store.put('x', 1).committed;
  await expect.poll(() => b.store.get('x')).toBe(1);
  expect(opened(a, b)).toEqual([1, 1]);
  expect(world.errors).toEqual([]);
});
