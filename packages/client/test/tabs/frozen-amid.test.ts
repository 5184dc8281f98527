import { type Cache, memoryCache } from '@holdfast/client';
import { deferred } from '@holdfast/engine/registry';
import { expect, test } from 'vitest';
import { openWorld, type World } from '../world.ts';
import { freezable, ready, thawsEmpty } from './freezable.ts';
import { Profile } from './profile.ts';

/** A tab that is gone has left in a cache what the server will refuse; and whoever uses the cache through `slow` waits at a point until `go`. */
async function leftIn(world: World) {
  const profile = new Profile(world);
  const cache = memoryCache();
  const { sharing } = cache;
  if (sharing === undefined) throw new Error('it is shared');
  const { promise, resolve: go } = deferred<void>();
  let reached = 0;
  const held = async <T>(result: T): Promise<T> => {
    reached += 1;
    await promise;
    return result;
  };
  const slow = {
    load: { ...cache, load: async (store) => held(await cache.load(store)) },
    commit: {
      ...cache,
      sharing: {
        ...sharing,
        commit: async (store, change, reign) => {
          if (change.requests.length > 0) await held(null);
          return sharing.commit(store, change, reign);
        },
      },
    },
  } satisfies Record<string, Cache>;
  const writer = await world.store();
  const b = await ready(freezable(profile, { cache }));
  const gone = await profile.open({ cache });
  b.valve.down();
  await expect.poll(() => gone.client.status.get().connection).not.toBe('connected');
  await writer.put('taken', 1).committed;
  await gone.store.put('taken', 2, { ifAbsent: true }).durable;
  await gone.client.close();
  return { profile, slow, go, reached: () => reached, writer, b };
}

test('G71 what a tab had read of one that was gone when it was frozen, and the leading one was refused since, it does not send when it thaws', async () => {
  await using world = await openWorld();
  const { profile, slow, go, reached, writer, b } = await leftIn(world);
  const a = freezable(profile, { cache: slow.load });
  await expect.poll(reached).toBe(1);
  a.freeze(true);
  b.valve.up();
  await expect.poll(() => b.store.outbox.deadLetters()).toHaveLength(1);
  a.freeze(false);
  await expect.poll(() => a.client.status.get().connection).toBe('connected');
  await writer.delete('taken').committed;
  go();
  await a.store.put('own', 1).committed;
  expect([b.store.get('own'), writer.get('taken')]).toEqual([1, undefined]);
});

test('G71 what a leading tab was about to send of one that was gone when it was frozen, and the next one was refused since, it does not put back', async () => {
  await using world = await openWorld();
  const { profile, slow, go, reached, writer, b } = await leftIn(world);
  b.freeze(true);
  const a = freezable(profile, { cache: slow.commit });
  await expect.poll(reached).toBe(1);
  b.freeze(false);
  a.freeze(true);
  b.valve.up();
  await expect.poll(() => b.store.outbox.deadLetters()).toHaveLength(1);
  go();
  await thawsEmpty(a, writer);
});
