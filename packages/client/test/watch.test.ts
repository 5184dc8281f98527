import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WatchEvent } from '@holdfast/client';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const off = (): void => undefined;

describe('subscriptions', () => {
  it('what is there is told at once to who asks for it, though nothing happens in the store; who leaves is not kept', async () => {
    const client = world.client();
    const store = client.store('acme/app');
    await store.put('k', 1).committed;
    const heard: unknown[] = [];
    const release = store.on('**', ({ path, op }) => heard.push([path, op]), {
      includeCurrent: true,
    });
    await setImmediate();
    expect(heard).toEqual([['k', 'present']]);
    expect(client.inspect()).toMatchObject({ stores: [{ subscriptions: 1 }] });
    release();
    expect(client.inspect()).toMatchObject({ stores: [{ subscriptions: 0 }] });
  });

  it('S75 each mode hears what it is for, and all hears of an own write once (P31)', async () => {
    const [store, other] = await Promise.all([world.store(), world.store()]);
    const heard: { [mode: string]: unknown[] } = {};
    for (const mode of ['all', 'committed', 'optimistic'] as const) {
      const list: unknown[] = (heard[mode] = []);
      store.on('k', ({ value, seq, own }) => list.push([value, seq, own]), { mode });
    }
    await store.put('k', 'mine').committed;
    await other.put('k', 'theirs').committed;
    await expect.poll(() => heard['committed']?.length).toBe(2);
    expect(heard).toEqual({
      all: [
        ['mine', null, true],
        ['theirs', 2, false],
      ],
      committed: [
        ['mine', 1, true],
        ['theirs', 2, false],
      ],
      optimistic: [['mine', null, true]],
    });
  });

  it('S75 G58 a subscriber that throws is reported and harms nobody', async () => {
    const store = await world.store();
    const failure = new Error('mine');
    const seen: unknown[] = [];
    store.on('**', () => {
      throw failure;
    });
    store.on('**', async () => {
      throw failure;
    });
    store.on('**', ({ value }) => seen.push(value));
    await store.put('k', 1).committed;
    await store.put('k', 2).committed;
    expect(seen).toEqual([1, 2]);
    expect(world.errors).toEqual([failure, failure, failure, failure]);
  });

  it('S75 a pattern or an option that is wrong throws at registration', async () => {
    const store = await world.store();
    expect(() => store.on('a/**/b', off)).toThrow(
      expect.objectContaining({ code: 'invalid_pattern' }),
    );
    expect(() => store.watch('')).toThrow(expect.objectContaining({ code: 'invalid_pattern' }));
    expect(() => store.on('**', off, { mode: 'some' as never })).toThrow(TypeError);
    expect(() => store.on('**', off, { maxQeue: 1 } as never)).toThrow(/no option "maxQeue"/);
    expect(() => store.on('**', off, { maxQueue: 0 })).toThrow(RangeError);
    expect(() => store.on('**', off, { delivery: { everyMs: -1 } })).toThrow(TypeError);
  });

  it('S76 what is there comes once each, all of it, and before anything live (P33)', async () => {
    const writer = await world.store();
    const posts = Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`p${n}`, n]));
    await writer.put('posts', posts).committed;
    const store = await world.store();
    const events: WatchEvent[] = [];
    store.on('posts/*', (event) => events.push(event), { includeCurrent: true });
    store.put('posts/p17', 'new');
    await expect.poll(() => events.length).toBe(5001);
    expect(new Set(events.slice(0, 5000).map(({ path }) => path)).size).toBe(5000);
    expect(events.slice(0, 5000).every(({ op }) => op === 'present')).toBe(true);
    expect(events.at(-1)).toMatchObject({ path: 'posts/p17', value: 'new', op: 'set' });
  });

  it('S76 the first sync replays nothing, and a write of a map reaches who watches a leaf below', async () => {
    const writer = await world.store();
    await writer.put('posts/old', 1).committed;
    const store = world.client().store('acme/app');
    const events: WatchEvent[] = [];
    store.on('posts/hello', (event) => events.push(event));
    store.on('posts/old', (event) => events.push(event));
    await store.ready;
    await store.put('posts', { hello: 'Hi', old: 1 }).committed;
    expect(events.map(({ path, value }) => [path, value])).toEqual([['posts/hello', 'Hi']]);
  });

  it('S77 a queue beyond its maximum ends its subscription, once, and nobody else’s (P32)', async () => {
    const store = await world.store();
    let [dropped, heard, others]: [number, number, number] = [0, 0, 0];
    let written: (() => void) | null = null;
    const afterwards = new Promise<void>((resolve) => (written = resolve));
    const onResync = (): void => {
      dropped += 1;
      expect(store.get('k/1')).toBe(1);
      store.put('after', true);
      written?.();
    };
    store.on('**', () => (heard += 1), { maxQueue: 3, onResync });
    store.on('**', () => (others += 1));
    for (let n = 0; n < 10; n++) store.put(`k/${n}`, n);
    await afterwards;
    await store.settled();
    expect([dropped, heard, others]).toEqual([1, 0, 11]);
  });

  it('S77 a thousand events may wait where nothing else is said, and not one more', async () => {
    const store = await world.store();
    const told: [number, number][] = [];
    for (const count of [1000, 1001]) {
      let [heard, dropped]: [number, number] = [0, 0];
      store.on(`${count}/*`, () => (heard += 1), { onResync: () => (dropped += 1) });
      const leaves = Array.from({ length: count }, (_, n) => [`k${n}`, n] as const);
      await store.put(`${count}`, Object.fromEntries(leaves)).committed;
      told.push([heard, dropped]);
    }
    expect(told).toEqual([
      [1000, 0],
      [0, 1],
    ]);
  });

  it('S77 an overflow that nobody has asked to hear of is reported', async () => {
    const store = await world.store();
    store.on('k/*', off, { maxQueue: 3 });
    for (let n = 0; n < 10; n++) store.put(`k/${n}`, n);
    await store.settled();
    const details = { dimension: 'watch_queue', store: 'acme/app', pattern: 'k/*', limit: 3 };
    expect(world.errors).toMatchObject([{ code: 'limit_exceeded', details }]);
  });

  it('G60 a subscriber that is removed by another is not called again, not in this round either', async () => {
    const store = await world.store();
    const calls: string[] = [];
    store.on('k', () => {
      calls.push('A');
      releaseB();
    });
    const releaseB = store.on('k', () => calls.push('B'));
    await store.put('k', 1).committed;
    await store.put('k', 2).committed;
    expect(calls).toEqual(['A', 'A']);
  });

  it('G61 a write inside a subscriber reaches every subscriber as a change of its own, in order', async () => {
    const store = await world.store();
    const seen: unknown[][] = [[], []];
    store.on('k', ({ value }) => {
      seen[0]?.push(value);
      if (value === 1) store.put('k', 2);
    });
    store.on('k', ({ value }) => seen[1]?.push(value));
    store.put('k', 1);
    await expect
      .poll(() => seen)
      .toEqual([
        [1, 2],
        [1, 2],
      ]);
  });

  it('G63 a release can be called twice, and another subscription of the same callback stays', async () => {
    const store = await world.store();
    let calls = 0;
    const callback = (): void => {
      calls += 1;
    };
    const release = store.on('k', callback);
    store.on('k', callback);
    release();
    release();
    await store.put('k', 1).committed;
    expect(calls).toBe(1);
  });

  it('G64 a transaction is told as one change per path, after the whole of it', async () => {
    const store = await world.store();
    const seen: unknown[] = [];
    store.on('n', ({ value }) => seen.push([value, store.get('m')]));
    store.transact((tx) => {
      tx.increment('n');
      tx.increment('n');
      tx.put('m', 'done');
    });
    await store.settled();
    expect(seen).toEqual([[2, 'done']]);
  });

  it('latest delivers the newest value of each path, and says how many it stands for', async () => {
    const store = await world.store();
    const seen: unknown[] = [];
    store.on('k', ({ value, conflated }) => seen.push([value, conflated]), { delivery: 'latest' });
    for (let n = 1; n <= 5; n++) store.put('k', n);
    await store.settled();
    expect(seen).toEqual([[5, 4]]);
  });
});

describe('watch', () => {
  it('iterates over the changes, and lets go of its subscription when the loop ends', async () => {
    const [store, other] = await Promise.all([world.store(), world.store()]);
    const seen: unknown[] = [];
    const done = (async () => {
      for await (const { value } of store.watch('k', { includeCurrent: true })) {
        seen.push(value);
        if (value === 3) break;
      }
    })();
    for (let n = 1; n <= 3; n++) await other.put('k', n).committed;
    await done;
    expect(seen).toEqual([1, 2, 3]);
    await other.put('k', 4).committed;
    expect(seen).toEqual([1, 2, 3]);
  });

  it('ends with an error when its consumer falls behind, after what was kept', async () => {
    const store = await world.store();
    const events = store.watch('**', { maxQueue: 2 })[Symbol.asyncIterator]();
    for (let n = 0; n < 3; n++) await store.put('k', n).committed;
    for (let n = 0; n < 3; n++) expect(await events.next()).toMatchObject({ value: { value: n } });
    const details = { dimension: 'watch_queue', store: 'acme/app', pattern: '**', limit: 2 };
    await expect(events.next()).rejects.toMatchObject({ code: 'limit_exceeded', details });
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });

  it('does not count what a consumer that waits is about to get', async () => {
    const store = await world.store();
    const events = store.watch('**', { maxQueue: 2 })[Symbol.asyncIterator]();
    const first = events.next();
    for (let n = 0; n < 3; n++) store.put('k', n);
    expect(await first).toMatchObject({ value: { value: 0 } });
    for (let n = 1; n < 3; n++) expect(await events.next()).toMatchObject({ value: { value: n } });
    const next = events.next();
    for (let n = 0; n < 4; n++) store.put('k', n);
    const error = { code: 'limit_exceeded', details: { limit: 2 } };
    await expect(next).rejects.toMatchObject(error);
  });

  it('merges what waits for a slow consumer, where the newest of each path is wanted (P34)', async () => {
    const store = await world.store();
    await store.put('a', 0).committed;
    const options = { delivery: 'latest', includeCurrent: true, maxQueue: 2 } as const;
    const events = store.watch('*', options)[Symbol.asyncIterator]();
    let last: unknown = null;
    store.on('a', ({ value }) => (last = value));
    const put = async (path: string, value: number): Promise<void> => {
      await store.put(path, value).committed;
    };
    await put('a', 1);
    await put('b', 0);
    for (let n = 2; n <= 5; n++) await put('a', n);
    await expect.poll(() => last).toBe(5);
    expect(await events.next()).toMatchObject({ value: { path: 'a', value: 0, op: 'present' } });
    expect(await events.next()).toMatchObject({ value: { path: 'b', value: 0 } });
    const merged = { path: 'a', value: 5, previous: 0, conflated: 4 };
    expect(await events.next()).toMatchObject({ value: merged });
    await events.return?.();
  });

  it.each(['every', 'latest', { everyMs: 3 }] as const)(
    'gives a slow consumer under %j, of each path, what happened in order and to the last, and counts what is left out (P34)',
    async (delivery) => {
      const [store, other] = await Promise.all([world.store(), world.store()]);
      const count = 300;
      const options = { delivery, mode: 'committed', maxQueue: count } as const;
      const told = new Map<string, WatchEvent[]>(['a', 'b', 'c'].map((path) => [path, []]));
      const taking = (async () => {
        let happened = 0;
        for await (const event of store.watch('*', options)) {
          told.get(event.path)?.push(event);
          happened += 1 + (event.conflated ?? 0);
          if (happened === count) break;
          for (let turns = Math.random() * 8; turns > 1; turns--) await setImmediate();
        }
      })();
      for (let n = 0; n < count; n++) {
        other.put([...told.keys()][n % 3] ?? '', n);
        if (n % 25 === 0) await setImmediate();
      }
      await taking;
      for (const [index, events] of [...told.values()].entries()) {
        const values = events.map(({ value }) => Number(value));
        expect(values).toEqual(values.toSorted((a, b) => a - b));
        expect(values.at(-1)).toBe(count - 3 + index);
        expect(events.map(({ previous }) => previous)).toEqual([undefined, ...values.slice(0, -1)]);
        const missed = events.map(({ conflated = 0 }, at) =>
          at === 0 ? conflated * 3 + index : (values[at - 1] ?? 0) + 3 + conflated * 3,
        );
        expect(missed).toEqual(values);
      }
    },
  );

  it('ends with the reason of its signal, and with `closed` when the client closes', async () => {
    const store = await world.store();
    const controller = new AbortController();
    const aborted = store.watch('**', { signal: controller.signal })[Symbol.asyncIterator]().next();
    const closing = world.client();
    const other = closing.store('acme/app');
    const closed = other.watch('**')[Symbol.asyncIterator]().next();
    controller.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    await closing.close();
    await expect(closed).rejects.toMatchObject({ code: 'closed' });
  });

  it('a resync yields the differences only', async () => {
    const valve = new Valve();
    const [store, other] = await Promise.all([world.store({ link: valve }), world.store()]);
    await other.put('k', 1).committed;
    await expect.poll(() => store.get('k')).toBe(1);
    const seen: unknown[] = [];
    store.on('**', ({ path, value }) => seen.push([path, value]));
    valve.cut();
    await other.put('k', 1).committed;
    await other.put('j', 2).committed;
    await expect.poll(() => store.get('j')).toBe(2);
    await expect.poll(() => seen.length).toBeGreaterThan(0);
    expect(seen).toContainEqual(['j', 2]);
  });
});
