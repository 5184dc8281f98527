import { memoryLink } from '@holdfast/client/link/memory';
import { joinPresence } from '@holdfast/client/presence';
import { tabs } from '@holdfast/client/tabs';
import { expect, test } from 'vitest';
import { Clock } from '../../../react/test/clock.ts';
import { openWorld } from '../world.ts';
import { hearing, Profile } from './profile.ts';

test('given a tab that has lost its line to the leading one, and finds no other way, then it is shown on no topic any more', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  let isDeaf = false;
  // It hears nothing on its line any more, but can speak.
  const platform = hearing((name, message, hear) => {
    if (!isDeaf || !name.includes('/to/')) hear?.(message);
  });
  await profile.open();
  const clock = new Clock();
  const b = await profile.open({
    env: clock.env,
    tabs: tabs({ name: profile.name, platform }),
    link: memoryLink(() => null),
  });
  const at = { store: 'acme/app', topic: 'rooms/1' };
  const watcher = joinPresence(world.client(), at);
  joinPresence(b.client, at).set({ tab: 'b' });
  await expect.poll(() => watcher.peers.get().size).toBe(1);
  isDeaf = true;
  const left = (): Promise<number> => clock.skip(1000).then(() => watcher.peers.get().size);
  await expect.poll(left).toBe(0);
});

test('given a tab that has lost its line, and clears what it showed, when it is back in time, then it is shown no more (S85)', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const ears = mayBeDeaf();
  await profile.open();
  const b = await profile.open({
    env: hastyEnv,
    tabs: tabs({ name: profile.name, platform: ears.platform }),
    link: memoryLink(() => null),
  });
  const at = { store: 'acme/app', topic: 'rooms/1' };
  const watcher = joinPresence(world.client(), at);
  const inB = joinPresence(b.client, at);
  inB.set({ tab: 'b' });
  await expect.poll(() => watcher.peers.get().size).toBe(1);
  ears.isDeaf = true;
  const state = (): string => inB.status.get().state;
  await expect.poll(state, { timeout: 20_000 }).not.toBe('joined');
  inB.clear();
  ears.isDeaf = false;
  await expect.poll(state, { timeout: 20_000 }).toBe('joined');
  await expect.poll(() => watcher.peers.get().size, { timeout: 20_000 }).toBe(0);
});
