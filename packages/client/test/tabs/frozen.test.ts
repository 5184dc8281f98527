import { tabs, type TabsPlatform } from '@holdfast/client/tabs';
import { expect, test } from 'vitest';
import { platformTabs } from '../../src/tabs/platform.ts';
import { openWorld } from '../world.ts';
import { opened, Profile, type Tab } from './profile.ts';

/** A tab that a browser may freeze: its messages still come, as in Chromium. */
async function freezable(profile: Profile): Promise<Tab & { freeze(isFrozen: boolean): void }> {
  const real = platformTabs();
  if (real === null) throw new Error('there are no locks here');
  const told: ((isFrozen: boolean) => void)[] = [];
  const platform: TabsPlatform = {
    ...real,
    watchFreezing: (hear) => {
      told.push(hear);
      return () => undefined;
    },
  };
  const tab = await profile.open({ tabs: tabs({ name: profile.name, platform }) });
  return { ...tab, freeze: (isFrozen) => told.forEach((hear) => hear(isFrozen)) };
}

test('G71 a leading tab that is about to be frozen leaves the lead at once, and follows when it thaws', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const [a, b] = [await freezable(profile), await freezable(profile)];
  a.freeze(true);
  await b.store.put('x', 1).committed;
  expect(opened(a, b)).toEqual([1, 1]);
  const kept = a.store.put('y', 2);
  a.freeze(false);
  await kept.committed;
  await expect.poll(() => [a.store.get('x'), b.store.get('y')]).toEqual([1, 2]);
  expect(opened(a, b)).toEqual([1, 1]);
  expect(world.errors).toEqual([]);
});

test('G71 a frozen tab inherits no lead: those who come after it are connected when the leading one goes', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const [a, b, c] = [await freezable(profile), await freezable(profile), await freezable(profile)];
  b.freeze(true);
  await a.client.close();
  await c.store.put('x', 1).committed;
  expect(opened(a, b, c)).toEqual([1, 0, 1]);
  b.freeze(false);
  await expect.poll(() => b.store.get('x')).toBe(1);
  expect(opened(a, b, c)).toEqual([1, 0, 1]);
  expect(world.errors).toEqual([]);
});

test('a client that has given up does not stand for the lead because its tab thaws', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const [a, b] = [await freezable(profile), await freezable(profile)];
  await a.client.close();
  a.freeze(true);
  a.freeze(false);
  await b.store.put('x', 1).committed;
  expect(opened(a, b)).toEqual([1, 1]);
});
