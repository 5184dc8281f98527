import { memory } from '@holdfast/server/storage/memory';
import { type ClientOptions, memoryCache, type Store } from '@holdfast/client';
import { keptIn } from '@holdfast/client/cache';
import { describe, expect, it, onTestFinished } from 'vitest';
import { VirtualClock } from '../../server/test/conversation/clock.ts';
import { Disk, MapRows } from './cache/map-rows.ts';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

const fence = { key: 'nobody/holds', token: 1 };

async function opened(...of: Parameters<typeof openWorld>): Promise<World> {
  const world = await openWorld(...of);
  onTestFinished(() => world[Symbol.asyncDispose]());
  return world;
}

/** A store with a dead letter, and a world that goes with it. */
async function withLetter(): Promise<{ world: World; store: Store; opId: string }> {
  const world = await opened();
  const store = await world.store({ cache: memoryCache() });
  const { opId } = store.put('k', 1, { fence });
  await store.settled();
  return { world, store, opId };
}

describe('the outbox of a handle', () => {
  it('sends a write that waits until the server can take it at once when that is asked for', async () => {
    const clock = new VirtualClock();
    const storage = memory({ now: clock.wall });
    const append = storage.append.bind(storage);
    let isFull = true;
    storage.append = async (...of) =>
      isFull ? { status: 'failed', reason: 'full', message: 'no space' } : append(...of);
    const log = { info: () => undefined, error: () => undefined };
    const world = await opened(undefined, { clock, storage, log });
    const store = await world.store();
    const write = store.put('k', 1);
    const waiting = { opId: write.opId, state: 'waiting', attempts: 1 };
    await expect.poll(() => store.outbox.list()).toMatchObject([waiting]);
    isFull = false;
    expect(store.outbox.retry(write.opId)).toBeNull();
    expect(await write.committed).toMatchObject({ seq: 1 });
  });

  it('tells of a dead letter that goes, until that is not wanted any more; a listener that throws is reported and ends nothing', async () => {
    const { world, store, opId } = await withLetter();
    const fault = new Error('the page is broken');
    const heard: string[] = [];
    store.outbox.subscribe(() => {
      throw fault;
    });
    const release = store.outbox.subscribe(() => heard.push('released'));
    store.outbox.subscribe(() => heard.push(`${store.outbox.deadLetters().length} letters`));
    release();
    expect(store.outbox.discard(opId)).toBe(true);
    await expect.poll(() => heard).toEqual(['0 letters']);
    expect(world.errors).toEqual([fault]);
    expect(await store.put('k', 2).committed).toMatchObject({ seq: 1 });
  });

  it('makes no dead letter of a write that was taken back', async () => {
    const world = await opened();
    const valve = new Valve();
    valve.holdOut();
    const store = world.client({ link: valve, cache: memoryCache() }).store('acme/app');
    const [first, second] = [store.put('a', 1), store.put('b', 2)];
    await Promise.all([first.durable, second.durable]);
    expect(first.cancel()).toBe(true);
    expect(store.outbox.discard(second.opId)).toBe(true);
    for (const { committed } of [first, second]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await expect(committed).rejects.toMatchObject({ code: 'cancelled' });
    }
    expect(store.outbox.deadLetters()).toEqual([]);
    expect(JSON.parse(store.outbox.export())).toMatchObject({ writes: [], deadLetters: [] });
    valve.letOut();
    await store.settled();
    expect(store.outbox.deadLetters()).toEqual([]);
  });

  it('P20 takes no dead letter back that is retried and may be committed, before it is answered', async () => {
    const world = await opened();
    const disk = new Disk();
    const valve = new Valve();
    const device = (deviceId: string): Partial<ClientOptions> => ({
      cache: keptIn(new MapRows(disk)),
      deviceId,
    });
    const first = await world.store({ ...device('laptop-1'), link: valve });
    valve.holdOut();
    const { opId, durable } = first.put('k', 1);
    await durable;
    const held = new Valve();
    held.holdOut();
    const offline = world.client({ ...device('laptop-2'), link: held });
    const { outbox } = offline.store('acme/app');
    await expect.poll(() => outbox.deadLetters()).toHaveLength(1);
    const again = outbox.retry(opId);
    await again?.durable;
    expect([again?.cancel(), outbox.discard(opId), outbox.list().length]).toEqual([
      false,
      false,
      1,
    ]);
  });
});
