import { tabs, type TabsPlatform } from '@holdfast/client/tabs';
import { expect, test } from 'vitest';
import { Clock } from '../../../react/test/clock.ts';
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

const refuse = (): Promise<never> => Promise.reject(new DOMException('no', 'SecurityError'));

test('a tab of a page that is refused locks, whatever it asks of them, does not go on asking whether it may lead', async () => {
  await using world = await openWorld();
  const asked: string[] = [];
  const request = (name: string): Promise<never> => {
    asked.push(name);
    return refuse();
  };
  const found = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  const value = { locks: { request, query: refuse } };
  Object.defineProperty(globalThis, 'navigator', { value, configurable: true });
  try {
    const clock = new Clock();
    const profile = new Profile(world);
    const a = await profile.open({ env: clock.env });
    const count = asked.length;
    // oxlint-disable-next-line no-await-in-loop -- so long others would wait before they ask again
    for (let n = 0; n < 10; n++) await clock.skip(500);
    expect(asked.length).toBe(count);
    const b = await profile.open();
    await a.store.put('x', 1).committed;
    await expect.poll(() => b.store.get('x')).toBe(1);
    expect(opened(a, b)).toEqual([1, 1]);
  } finally {
    if (found !== undefined) Object.defineProperty(globalThis, 'navigator', found);
  }
  expect(world.errors).toEqual([]);
});

test('a tab is told as the one that leads is why a part of it is not to be had: the server has no place for more patterns', async () => {
  await using world = await openWorld(undefined, { limits: { max_patterns: 2 } });
  const profile = new Profile(world);
  const first = profile.part('a/**', 'b/**');
  await first.store.ready;
  const full = { code: 'too_many_patterns', details: { limit: 2 } };
  const second = profile.part('c/**');
  await expect(second.store.ready).rejects.toMatchObject(full);
  // What the connection has of it, and what there is no place for.
  const third = profile.part('a/**', 'd/**');
  await expect(third.store.ready).rejects.toMatchObject(full);
  await first.store.put('a/x', 1).committed;
  await expect.poll(() => third.client.store('acme/app', { scope: ['a/**'] }).get('a/x')).toBe(1);
  await second.store.put('c/x', 1, { blind: true }).committed;
  expect(opened(first, second, third)).toEqual([1, 0, 0]);
});
