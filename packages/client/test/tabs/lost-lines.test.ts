import { memoryLink } from '@holdfast/client/link/memory';
import { joinPresence } from '@holdfast/client/presence';
import { tabs, type TabsPlatform } from '@holdfast/client/tabs';
import { expect, test } from 'vitest';
import { platformTabs } from '../../src/tabs/platform.ts';
import { openWorld } from '../world.ts';
import { Profile } from './profile.ts';

/** Seconds take a tenth. */
const hastyEnv = {
  now: () => performance.now() * 10,
  setTimeout: (run: () => void, ms: number) => setTimeout(run, ms / 10),
};

/** A tab that hears nothing on its line any more once it is deaf, but can speak. */
function mayBeDeaf(): { readonly platform: TabsPlatform; isDeaf: boolean } {
  const real = platformTabs();
  if (real === null) throw new Error('there are no locks here');
  const ears = {
    isDeaf: false,
    platform: {
      ...real,
      channel: (...[name, hear]: Parameters<TabsPlatform['channel']>) =>
        real.channel(name, (message) => {
          if (!ears.isDeaf || !name.includes('/to/')) hear?.(message);
        }),
    },
  };
  return ears;
}

test('given a tab that has lost its line to the leading one, and finds no other way, then it is shown on no topic any more', async () => {
  await using world = await openWorld();
  const profile = new Profile(world);
  const ears = mayBeDeaf();
  await profile.open({ env: hastyEnv });
  const b = await profile.open({
    env: hastyEnv,
    tabs: tabs({ name: profile.name, platform: ears.platform }),
    link: memoryLink(() => null),
  });
  const at = { store: 'acme/app', topic: 'rooms/1' };
  const watcher = joinPresence(world.client(), at);
  joinPresence(b.client, at).set({ tab: 'b' });
  await expect.poll(() => watcher.peers.get().size).toBe(1);
  ears.isDeaf = true;
  await expect.poll(() => watcher.peers.get().size, { timeout: 20_000 }).toBe(0);
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
