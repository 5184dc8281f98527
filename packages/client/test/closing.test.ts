import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Cache, type CacheChange, memoryCache, type RejectedWrite } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** A cache that takes its time: each commit waits for {@link SlowCache.finish}, or fails by {@link SlowCache.fail}. */
class SlowCache implements Cache {
  readonly kept: Cache = memoryCache();
  readonly keeping: Cache['keeping'] = this.kept.keeping;
  readonly open: NonNullable<Cache['open']> = (terms) => this.kept.open?.(terms) ?? terms.deviceId;
  readonly #waiting: { readonly store: () => void; readonly fail: (error: Error) => void }[] = [];

  load(store: Parameters<Cache['load']>[0]): ReturnType<Cache['load']> {
    return this.kept.load(store);
  }

  commit(name: Parameters<Cache['commit']>[0], change: CacheChange): Promise<void> {
    return new Promise((resolve, reject) => {
      const store = (): void => {
        void this.kept.commit(name, change);
        resolve();
      };
      this.#waiting.push({ store, fail: reject });
    });
  }

  clear(): void {
    this.#waiting.length = 0;
  }

  /** Stores what waits; says whether anything did. */
  finish(): boolean {
    const next = this.#waiting.shift();
    next?.store();
    return next !== undefined;
  }

  fail(error: Error): void {
    this.#waiting.shift()?.fail(error);
  }
}

const nowhere = memoryLink(() => null);

describe('a client that is closed', () => {
  it('G56 leaves handles that say so, in their status and from every method', async () => {
    const client = world.client();
    const store = client.store('acme/app');
    await store.ready;
    await client.close();
    expect(store.status.get()).toMatchObject({ connection: 'closed', synced: false, seq: 0 });
    const closed = expect.objectContaining({ code: 'closed' });
    expect(() => store.on('**', () => undefined)).toThrow(closed);
    expect(() => store.watch('**')[Symbol.asyncIterator]()).toThrow(closed);
    await expect(store.opStatus('x')).rejects.toMatchObject({ code: 'closed' });
  });

  it('G66 C20 has given its cache all that it accepted when close resolves', async () => {
    const cache = new SlowCache();
    const first = world.client({ link: nowhere, cache, deviceId: 'laptop' });
    const before = first.store('acme/app');
    const writes = [before.put('a', 1), before.put('b', 2)];
    const end = { hasCome: false };
    const closing = first.close().then(() => (end.hasCome = true));
    await Promise.resolve();
    expect([end.hasCome, writes[1]?.outcome]).toEqual([false, null]);
    while (!end.hasCome) {
      cache.finish();
      await new Promise(setImmediate);
    }
    await closing;
    await expect(writes[1]?.committed).rejects.toMatchObject({
      code: 'closed',
      details: { kept: true },
    });
    const store = world.client({ cache: cache.kept, deviceId: 'laptop' }).store('acme/app');
    expect([store.get('a'), store.get('b')]).toEqual([1, 2]);
    await store.settled();
    expect((await world.store()).get('b')).toBe(2);
  });

  it('C20 tells what became of writes that its cache has not even been opened for', async () => {
    const rejected: RejectedWrite[] = [];
    const cache: Cache = { ...memoryCache(), load: () => new Promise(() => undefined) };
    const onRejected = (rejection: RejectedWrite): number => rejected.push(rejection);
    const client = world.client({ cache, onRejected });
    const store = client.store('acme/app');
    const write = store.put('a', 1);
    expect(store.get('a')).toBeUndefined();
    await client.close();
    expect(write.outcome).toMatchObject({ status: 'refused', reason: 'closed', path: 'a' });
    await expect.poll(() => rejected.map(({ opId }) => opId)).toEqual([write.opId]);
  });

  it('C20 promises nothing that a failed cache does not hold', async () => {
    const [cache, rejected]: [SlowCache, RejectedWrite[]] = [new SlowCache(), []];
    const onRejected = (rejection: RejectedWrite): number => rejected.push(rejection);
    const client = world.client({ link: nowhere, cache, onRejected });
    const write = client.store('acme/app').put('a', 1);
    cache.fail(new Error('quota'));
    await expect.poll(() => world.errors.length).toBe(1);
    await client.close();
    expect(write.outcome).toMatchObject({ status: 'refused', reason: 'closed', details: {} });
    expect(write.outcome).not.toMatchObject({ details: { kept: true } });
    await expect.poll(() => rejected.map(({ opId }) => opId)).toEqual([write.opId]);
  });
});
