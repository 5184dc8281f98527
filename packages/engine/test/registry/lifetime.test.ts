// oxlint-disable no-await-in-loop -- time passes step by step
import { Registry, type Release } from '@holdfast/engine/registry';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../virtual-clock.ts';
import { Rig, errorOf, thrownBy } from './rig.ts';

describe('get', () => {
  test('G1 get of an empty registry answers with a promise', () => {
    expect(new Rig().registry.get('a')).toBeInstanceOf(Promise);
  });

  test('G2 get of a loaded key answers with the same value and no promise', async () => {
    const { registry } = new Rig();
    const value = await registry.get('a');
    expect(registry.get('a')).toBe(value);
  });

  test('G3 two gets of a loading key answer with the identical promise and one value (P47)', async () => {
    const rig = new Rig();
    const [first, second] = [rig.registry.get('a'), rig.registry.get('a')];
    expect(first).toBe(second);
    expect(await first).toBe(await second);
    expect(rig.loads).toBe(1);
  });
});

describe('time to live', () => {
  test('on Node.js a value that waits for its ttl keeps no process running', async () => {
    const clock = new VirtualClock();
    const timers: NodeJS.Timeout[] = [];
    const env = {
      dev: true,
      now: clock.now,
      random: clock.random,
      clearTimeout,
      setTimeout: (fire: () => void, ms: number): NodeJS.Timeout => {
        const timer = setTimeout(fire, ms);
        timers.push(timer);
        return timer;
      },
    };
    const registry = new Registry({ name: 'things', env, load: () => 1 });
    expect(registry.get('a')).toBe(1);
    expect(timers.map((timer) => timer.hasRef())).toEqual([false]);
    await registry.dispose();
  });

  test('G9 an entry that was acquired and released is replaced after its ttl', async () => {
    const rig = new Rig({ ttl: 25 });
    const lease = await rig.registry.acquire('a');
    lease.release();
    await rig.clock.advance(25);
    expect(await rig.registry.get('a')).not.toBe(lease.value);
    expect(rig.closed).toEqual([{ thing: lease.value, reason: 'unused' }]);
  });

  test('G10 a ttl of Infinity keeps the entry', async () => {
    const rig = new Rig({ ttl: Infinity });
    const value = await rig.registry.get('a');
    await rig.clock.advance(100_000);
    expect(rig.registry.get('a')).toBe(value);
  });

  test('G11 a get without a hold protects for its ttl', async () => {
    const rig = new Rig({ ttl: 50 });
    await rig.registry.get('a', { hold: false });
    await rig.clock.advance(49);
    expect(rig.at('a')).toBe(1);
    await rig.clock.advance(1);
    expect(await rig.registry.get('a')).toMatchObject({ number: 2 });
  });

  test("G12 the call's ttl goes before the default", async () => {
    const rig = new Rig({ ttl: 10_000 });
    await rig.registry.get('a', { ttl: 25 });
    await rig.clock.advance(25);
    expect(await rig.registry.get('a')).toMatchObject({ number: 2 });
  });

  test('G13 each key has its own ttl', async () => {
    const rig = new Rig();
    await rig.registry.get('short', { ttl: 25 });
    await rig.registry.get('long', { ttl: 10_000 });
    await rig.clock.advance(25);
    expect([rig.at('short'), rig.at('long')]).toEqual([undefined, 2]);
  });

  test('G14 a get with a longer ttl outlasts a released retain', async () => {
    const rig = new Rig();
    const release = rig.registry.retain('a', { ttl: 10 });
    await rig.registry.get('a', { ttl: 100 });
    release();
    await rig.clock.advance(99);
    expect(rig.at('a')).toBe(1);
    await rig.clock.advance(1);
    expect(await rig.registry.get('a')).toMatchObject({ number: 2 });
  });

  test('G15 ten quick retains and releases end in one close', async () => {
    const rig = new Rig({ ttl: 50 });
    await rig.registry.get('a');
    for (let i = 0; i < 10; i++) rig.registry.retain('a')();
    await rig.clock.advance(50);
    expect(rig.closed).toHaveLength(1);
    expect(rig.problems).toEqual([]);
    expect(await rig.registry.get('a')).toMatchObject({ number: 2 });
  });

  test('G16 a retain just before the end keeps the entry until its own ttl has passed', async () => {
    const rig = new Rig({ ttl: 50 });
    await rig.registry.get('a');
    await rig.clock.advance(45);
    const release = rig.registry.retain('a');
    await rig.clock.advance(5);
    expect(rig.at('a')).toBe(1);
    release();
    await rig.clock.advance(50);
    expect(await rig.registry.get('a')).toMatchObject({ number: 2 });
  });

  test('G17 a load that nobody needs any more is aborted, and the next get loads anew', async () => {
    const rig = new Rig({ ttl: 10, takes: 1000 });
    const release = rig.registry.retain('a');
    const unheld = rig.registry.get('a', { hold: false });
    release();
    await rig.clock.advance(10);
    expect(rig.aborted).toEqual(['a']);
    expect(await errorOf(unheld)).toMatchObject({ code: 'load_aborted' });
    const again = rig.registry.get('a');
    expect(again).not.toBe(unheld);
    await rig.clock.advance(1000);
    expect(await again).toMatchObject({ number: 2 });
    expect(rig.closed).toEqual([{ thing: { key: 'a', number: 1 }, reason: 'unused' }]);
  });

  test('G18 a retained entry outlives its ttl', async () => {
    const rig = new Rig({ ttl: 50 });
    const value = await rig.registry.get('a');
    rig.registry.retain('a');
    await rig.clock.advance(100);
    expect(rig.registry.get('a')).toBe(value);
  });

  test('G19 two keys are kept and closed independently', async () => {
    const rig = new Rig({ ttl: 50 });
    const [a, b] = [await rig.registry.get('a'), await rig.registry.get('b')];
    expect(a).not.toBe(b);
    expect([rig.registry.get('a'), rig.registry.get('b')]).toEqual([a, b]);
    await rig.clock.advance(50);
    expect(await rig.registry.get('a')).not.toBe(a);
    expect(await rig.registry.get('b')).not.toBe(b);
  });

  test('G20 within the default ttl the value stays', async () => {
    const rig = new Rig({ ttl: 100 });
    const value = await rig.registry.get('a');
    await rig.clock.advance(50);
    expect(rig.registry.get('a')).toBe(value);
  });

  test('G21 a closed value is never served: get answers with a promise of a fresh one (P48)', async () => {
    const rig = new Rig({ ttl: 25 });
    const value = await rig.registry.get('a');
    await rig.clock.advance(25);
    expect(rig.status('a')).toBe('idle');
    const fresh = rig.registry.get('a');
    expect(fresh).toBeInstanceOf(Promise);
    expect(await fresh).not.toBe(value);
  });

  test('G22 a lease that was released starts its ttl then', async () => {
    const rig = new Rig({ ttl: 50 });
    const lease = await rig.registry.acquire('a');
    await rig.clock.advance(1000);
    lease.release();
    await rig.clock.advance(50);
    expect(await rig.registry.get('a')).not.toBe(lease.value);
  });

  test('G23 the longest ttl that was seen wins (P49)', async () => {
    const rig = new Rig();
    for (const ttl of [10, 100, 50]) await rig.registry.get('a', { ttl });
    await rig.clock.advance(99);
    expect(rig.at('a')).toBe(1);
    await rig.clock.advance(1);
    expect(rig.at('a')).toBeUndefined();
  });

  test('G27 the close is called exactly once, when the ttl has passed', async () => {
    const rig = new Rig({ ttl: 50 });
    await rig.registry.get('a');
    await rig.clock.advance(49);
    expect(rig.closed).toEqual([]);
    await rig.clock.advance(10_000);
    expect(rig.closed).toHaveLength(1);
  });

  test('G29 a load is aborted once its ttl has passed unused, and a new hold before that prevents it', async () => {
    const rig = new Rig({ ttl: 10, takes: 100 });
    rig.registry.retain('a')();
    rig.registry.retain('b')();
    await rig.clock.advance(9);
    rig.registry.retain('b');
    await rig.clock.advance(91);
    expect(rig.aborted).toEqual(['a']);
    expect([rig.status('a'), rig.at('b')]).toEqual(['idle', 2]);
  });

  test('G32 with a ttl of 0 a value is usable in its continuation, and provisionally for provisionalMs', async () => {
    const rig = new Rig({ ttl: 0, takes: 10_000, provisionalMs: 5000 });
    const used = Promise.resolve(rig.registry.get('a')).then((value) => {
      expect(rig.registry.get('a')).toBe(value);
      return rig.registry.retain('a');
    });
    await rig.clock.advance(20_000);
    expect(rig.at('a')).toBe(1);
    (await used)();
    await rig.clock.advance(0);
    expect(rig.at('a')).toBeUndefined();

    void rig.registry.get('b', { provisional: true, hold: false });
    await rig.clock.advance(10_000 + 4999);
    expect(rig.at('b')).toBe(2);
    rig.registry.retain('b')();
    rig.registry.retain('b')();
    await rig.clock.advance(0);
    expect(rig.at('b')).toBe(2);
    await rig.clock.advance(1);
    expect(rig.at('b')).toBeUndefined();
    expect(rig.loads).toBe(2);
  });

  test.each([
    ['short first', [0, 1]],
    ['long first', [1, 0]],
  ])(
    'G33 the longer of two holds protects for its ttl after its own end (%s)',
    async (_, order) => {
      const rig = new Rig();
      const releases = [
        rig.registry.retain('a', { ttl: 10 }),
        rig.registry.retain('a', { ttl: 100 }),
      ];
      await rig.clock.advance(500);
      for (const index of order) releases[index]?.();
      await rig.clock.advance(99);
      expect(rig.at('a')).toBe(1);
      await rig.clock.advance(1);
      expect(rig.at('a')).toBeUndefined();
    },
  );

  test('G33 a lease may change its ttl', async () => {
    const rig = new Rig({ ttl: 10 });
    await using lease = await rig.registry.acquire('a');
    expect(() => lease.update({ ttl: Number.NaN })).toThrow(RangeError);
    lease.update({ ttl: 100 });
    lease.release();
    await rig.clock.advance(99);
    expect(rig.at('a')).toBe(1);
    await rig.clock.advance(1);
    expect(rig.at('a')).toBeUndefined();
  });

  test('an entry may have as many holds as a large store has readers', async () => {
    const rig = new Rig({ ttl: 1 });
    for (let n = 0; n < 150_000; n++) rig.registry.retain('a');
    rig.registry.retain('a', { ttl: 7 });
    expect(rig.registry.list()).toMatchObject([{ holds: 150_001, ttl: 7 }]);
  });

  test('G41 many renders with fresh option objects, retained by key, are one hold and one load', async () => {
    const rig = new Rig({ identity: ({ color }) => ({ color }), onMismatch: 'throw' });
    const releases: Release[] = [];
    for (let render = 0; render < 100; render++) {
      await rig.registry.get('a', { color: 'red', provisional: true });
      releases[0] ??= rig.registry.retain('a', { color: 'red' });
    }
    expect(rig.registry.list()).toMatchObject([{ key: 'a', holds: 1 }]);
    expect(rig.loads).toBe(1);
    releases[0]?.();
    expect(rig.registry.stats().held).toBe(0);
  });

  test('G48 a ttl beyond the reach of timers is kept, and one that is no ttl is refused', async () => {
    const rig = new Rig({ ttl: 2 ** 32 });
    await rig.registry.get('a');
    await rig.clock.advance(2 ** 32 - 1);
    expect(rig.at('a')).toBe(1);
    await rig.clock.advance(1);
    expect(rig.at('a')).toBeUndefined();
    for (const ttl of [Number.NaN, -1]) {
      expect(() => rig.registry.get('a', { ttl })).toThrow(RangeError);
      expect(() => rig.registry.retain('a', { ttl })).toThrow(RangeError);
      expect(() => rig.registry.subscribe('a', () => undefined, { ttl })).toThrow(RangeError);
      expect(await errorOf(rig.registry.acquire('a', { ttl }))).toBeInstanceOf(RangeError);
      expect(() => new Rig({ ttl })).toThrow(RangeError);
    }
    expect(rig.registry.list()).toEqual([]);
  });

  test.each(['', 'x'.repeat(1025), 'é'.repeat(513), '\ud800', 'bad'])(
    'G48 a bad key gets the same TypeError from every method (%#)',
    async (key) => {
      const { registry } = new Rig({
        checkKey: (text) => {
          if (text === 'bad') throw new TypeError('a bad key');
        },
      });
      const errors = [
        thrownBy(() => registry.get(key)),
        thrownBy(() => registry.retain(key)),
        thrownBy(() => registry.peek(key)),
        thrownBy(() => registry.subscribe(key, () => undefined)),
        await errorOf(registry.acquire(key)),
        await errorOf(registry.preload(key)),
        await errorOf(registry.reset(key)),
        await errorOf(registry.evict(key)),
      ];
      expect(errors[0]).toBeInstanceOf(TypeError);
      for (const error of errors) expect(error).toEqual(errors[0]);
      expect(registry.list()).toEqual([]);
    },
  );

  test('G49 without timers none is ever set, and protections are judged on use', async () => {
    const rig = new Rig(
      { ttl: 50, timers: false, maxEntries: 2, errors: [{ retry: 'later' }] },
      new VirtualClock(),
    );
    const first = await rig.registry.get('a');
    expect(rig.loads).toBe(2);
    expect(rig.registry.get('a')).toBe(first);
    await rig.clock.advance(50);
    expect(rig.at('a')).toBe(1);
    expect(await rig.registry.get('a')).toMatchObject({ number: 2 });
    rig.registry.retain('b')();
    await rig.registry.get('c', { provisional: true, ttl: 0 });
    await rig.registry.evict('b', { force: true });
    await rig.registry.dispose();
    expect(rig.clock.everSet).toBe(0);
    expect(rig.closed).toHaveLength(rig.opened.length);
  });

  test('G46 G49 without timers there is room as soon as it is needed: who was used last stays', async () => {
    const rig = new Rig({ ttl: Infinity, timers: false, maxEntries: 2 });
    for (const key of ['a', 'b', 'a']) {
      await rig.registry.get(key);
      await rig.clock.advance(1);
    }
    await rig.registry.get('c');
    expect(rig.registry.list().map(({ key }) => key)).toEqual(['a', 'c']);
    expect(rig.closed).toMatchObject([{ thing: { key: 'b' }, reason: 'capacity' }]);
  });

  test('G17 G51 the late end of a load that was given up does not take away what was loaded since', async () => {
    const rig = new Rig({ takes: 100 });
    rig.registry.retain('a', { ttl: 10 })();
    await rig.clock.advance(20);
    expect([rig.aborted, rig.registry.list()]).toEqual([['a'], []]);
    const again = rig.registry.get('a');
    await rig.clock.advance(90);
    expect(rig.status('a')).toBe('loading');
    expect(rig.registry.get('a')).toBe(again);
    await rig.clock.advance(10);
    expect([await again, rig.loads]).toMatchObject([{ number: 2 }, 2]);
    expect(rig.types('a').filter((type) => type === 'removed')).toHaveLength(1);
  });
});
