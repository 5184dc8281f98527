import { type Cache, memoryCache } from '@holdfast/client';
import { cacheFault, keptIn, type RowBatch, type Written } from '@holdfast/client/cache';
import { deferred } from '@holdfast/engine/registry';
import { asStoreName } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { Disk, MapRows } from '../cache/map-rows.ts';
import { openWorld, type World } from '../world.ts';
import { freezable, ready, thawsEmpty } from './freezable.ts';
import { Profile } from './profile.ts';

/** A tab that is gone has left in the cache of `b` what the server will refuse. */
async function leftIn(world: World, cache: () => Cache) {
  const profile = new Profile(world);
  const writer = await world.store();
  const b = await ready(freezable(profile, { cache: cache() }));
  const gone = await profile.open({ cache: cache() });
  b.valve.down();
  await expect.poll(() => gone.client.status.get().connection).not.toBe('connected');
  await writer.put('taken', 1).committed;
  await gone.store.put('taken', 2, { ifAbsent: true }).durable;
  await gone.client.close();
  return { profile, writer, b };
}

/** Who leads with `slow` is frozen as it stores that it is about to send what was left; the next one sends it, and is refused. */
async function frozenAmid(
  { profile, b }: Awaited<ReturnType<typeof leftIn>>,
  slow: Cache,
  reached: () => number,
) {
  b.freeze(true);
  const a = freezable(profile, { cache: slow });
  await expect.poll(reached).toBe(1);
  b.freeze(false);
  a.freeze(true);
  b.valve.up();
  await expect.poll(() => b.store.outbox.deadLetters()).toHaveLength(1);
  return a;
}

/** Who uses the cache through `slow` waits at a point until `go`. */
function slowed(cache: Cache) {
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
        commit: async (store, change, ...by) => {
          if (change.requests.length > 0) await held(null);
          return sharing.commit(store, change, ...by);
        },
      },
    },
  } satisfies Record<string, Cache>;
  return { slow, go, reached: () => reached };
}

test('G71 what a tab had read of one that was gone when it was frozen, and the leading one was refused since, it does not send when it thaws', async () => {
  await using world = await openWorld();
  const cache = memoryCache();
  const { slow, go, reached } = slowed(cache);
  const { profile, writer, b } = await leftIn(world, () => cache);
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
  const cache = memoryCache();
  const { slow, go, reached } = slowed(cache);
  const left = await leftIn(world, () => cache);
  const a = await frozenAmid(left, slow.commit, reached);
  go();
  await thawsEmpty(a, left.writer);
});

test('G71 nor what it was about to send of one that ended while it led', async () => {
  await using world = await openWorld();
  const cache = memoryCache();
  const { slow, go, reached } = slowed(cache);
  const profile = new Profile(world);
  const writer = await world.store();
  const a = await ready(freezable(profile, { cache: slow.commit }));
  const b = await ready(freezable(profile, { cache }));
  const gone = await profile.open({ cache });
  a.valve.down();
  await expect.poll(() => gone.client.status.get().connection).not.toBe('connected');
  await writer.put('taken', 1).committed;
  await gone.store.put('taken', 2, { ifAbsent: true }).durable;
  await gone.client.close();
  a.valve.up();
  await expect.poll(reached).toBe(1);
  a.freeze(true);
  await expect.poll(() => b.store.outbox.deadLetters()).toHaveLength(1);
  go();
  await thawsEmpty(a, writer);
  expect(await cache.sharing?.outbox(asStoreName('acme/app'))).toEqual([]);
});

/** There is no room for the first requests, which is known when `know` is called. */
class ScarceRows extends MapRows {
  readonly #known = deferred<void>();
  readonly know = this.#known.resolve;
  reached = 0;

  override async write(batch: RowBatch): Promise<Written> {
    if (batch.own.length > 0) {
      this.reached += 1;
      // Once with the entries, and once without them.
      const isFull = this.reached <= 2;
      await this.#known.promise;
      if (isFull) throw cacheFault('full');
    }
    return super.write(batch);
  }
}

test('G71 nor does it so with the next thing that it stores, where there was no room for what it was about to send', async () => {
  await using world = await openWorld();
  const disk = new Disk();
  const rows = new ScarceRows(disk);
  const left = await leftIn(world, () => keptIn(new MapRows(disk)));
  const a = await frozenAmid(left, keptIn(rows), () => rows.reached);
  rows.know();
  await thawsEmpty(a, left.writer);
  expect(rows.reached).toBeGreaterThan(2);
  expect([...disk.places.values()].filter(({ rows: kept }) => kept.request.size > 0)).toEqual([]);
});
