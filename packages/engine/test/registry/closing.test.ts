// oxlint-disable no-await-in-loop -- time passes step by step
import { getEventListeners } from 'node:events';
import { HoldfastError } from '@holdfast/protocol';
import { Registry } from '@holdfast/engine/registry';
import { describe, expect, test } from 'vitest';
import { collect } from '../../../../tools/garbage.ts';
import { VirtualClock, settle } from '../virtual-clock.ts';
import { Rig, errorOf, type Thing, thrownBy } from './rig.ts';

/** Things that can close themselves. */
function selfClosing(): { rig: Rig; die: Map<Thing, (error?: unknown) => void> } {
  const die = new Map<Thing, (error?: unknown) => void>();
  const rig = new Rig({
    watch: (thing, closed) => {
      die.set(thing, closed);
      return () => die.delete(thing);
    },
  });
  return { rig, die };
}

/** A durable journal, and the open log on it: the smallest value that can lose a write. */
class Log {
  readonly #disk: string[];
  readonly #buffer: string[] = [];
  #open = true;

  constructor(disk: string[]) {
    this.#disk = disk;
  }

  write(line: string): void {
    if (!this.#open) throw new HoldfastError('closed');
    this.#buffer.push(line);
  }

  read(): readonly string[] {
    if (!this.#open) throw new HoldfastError('closed');
    return [...this.#disk, ...this.#buffer];
  }

  async close(flush: Promise<void>): Promise<void> {
    this.#open = false;
    await flush;
    this.#disk.push(...this.#buffer);
  }
}

describe('a value that closes itself', () => {
  test('G34 is never served again, and whoever holds it reloads on the next use', async () => {
    const { rig, die } = selfClosing();
    const states: string[] = [];
    rig.registry.subscribe('a', ({ status }) => states.push(status));
    const lease = await rig.registry.acquire('a');
    die.get(lease.value)?.();
    expect(lease.signal.aborted).toBe(true);
    expect(rig.registry.peek('a')).toMatchObject({ status: 'closed', reason: 'self' });
    await rig.clock.advance(100_000);
    expect(rig.loads).toBe(1);
    expect(await rig.registry.get('a')).not.toBe(lease.value);
    expect(states).toEqual(['loading', 'ready', 'closed', 'loading', 'ready']);
    expect(rig.closed).toEqual([]);
    expect(rig.registry.stats().closes).toBe(1);
  });

  test.each([undefined, new Error('corrupt')])(
    'G34 in the moment in which it begins to be watched, with the error %s, is not watched on, and nobody waits for it',
    async (error) => {
      let watching = 0;
      const rig = new Rig({
        watch: (_, closed) => {
          watching += 1;
          closed(error);
          return () => (watching -= 1);
        },
      });
      const told = await errorOf(rig.registry.acquire('a'));
      expect(told).toEqual(error ?? expect.objectContaining({ code: 'closed' }));
      expect(watching).toBe(0);
      expect(rig.problems).toEqual([]);
    },
  );

  test('G34 with an error has failed, and reloads after errorTtl', async () => {
    const { rig, die } = selfClosing();
    const lease = await rig.registry.acquire('a');
    const broken = new Error('corrupt');
    die.get(lease.value)?.(broken);
    expect(thrownBy(() => rig.registry.get('a'))).toBe(broken);
    expect(lease.signal.aborted).toBe(true);
    await rig.clock.advance(5000);
    expect(await rig.registry.get('a')).toMatchObject({ number: 2 });
  });
});

describe('eviction', () => {
  test.each(['force', 'unheld', 'dispose'])(
    'G35 a value that was closed (%s) refuses every call, and reopened storage holds exactly the accepted writes (P51)',
    async (how) => {
      const clock = new VirtualClock();
      const disk: string[] = [];
      const config = {
        name: 'logs',
        env: clock,
        load: () => new Log(disk),
        close: (log: Log) => log.close(clock.wait(50)),
      };
      const registry = new Registry(config);
      const lease = await registry.acquire('a');
      const log = lease.value;
      log.write('one');
      if (how === 'unheld') lease.release();
      const closed =
        how === 'dispose' ? registry.dispose() : registry.evict('a', { force: how === 'force' });
      expect(thrownBy(() => log.write('lost'))).toMatchObject({ code: 'closed' });
      expect(thrownBy(() => log.read())).toMatchObject({ code: 'closed' });
      await clock.advance(50);
      await closed;
      const reopened = await new Registry(config).acquire('a');
      expect(reopened.value.read()).toEqual(['one']);
    },
  );

  test('evict closes what is unused, refuses what is held, and forces on request', async () => {
    const rig = new Rig();
    const lease = await rig.registry.acquire('a');
    expect(await rig.registry.evict('absent')).toBe(false);
    expect(await rig.registry.evict('a')).toBe(false);
    expect(await rig.registry.evict('a', { force: true })).toBe(true);
    expect([lease.signal.aborted, rig.status('a')]).toEqual([true, 'closed']);
    expect(rig.registry.list()).toMatchObject([{ holds: 1 }]);
    expect(await rig.registry.get('a')).toMatchObject({ number: 2 });
    lease.release();
    expect(await rig.registry.evict('a')).toBe(true);
    expect(rig.registry.list()).toEqual([]);
  });

  test('G42 a close that takes too long counts as closed, and its late end changes nothing', async () => {
    const rig = new Rig({
      closeTimeout: 100,
      close: (thing) => (thing.number === 1 ? rig.clock.wait(1000) : undefined),
    });
    await rig.registry.get('a');
    const evicted = rig.registry.evict('a');
    const next = rig.registry.get('a');
    await rig.clock.advance(99);
    expect(rig.loads).toBe(1);
    await rig.clock.advance(1);
    expect(await evicted).toBe(true);
    expect(rig.types('a')).toContain('closeTimedOut');
    expect(await next).toMatchObject({ number: 2 });
    const before = [rig.registry.peek('a'), rig.events.length];
    await rig.clock.advance(1000);
    expect([rig.registry.peek('a'), rig.events.length]).toEqual(before);
  });

  test('G46 above the cap the least recently used goes, and what is held or provisional stays', async () => {
    const rig = new Rig({ maxEntries: 3, ttl: Infinity });
    rig.registry.retain('held');
    await rig.registry.get('provisional', { provisional: true });
    await rig.registry.get('old');
    await rig.registry.get('new');
    await rig.clock.advance(0);
    expect(rig.registry.list().map(({ key }) => key)).toEqual(['held', 'provisional', 'new']);
    expect(rig.closed).toMatchObject([{ thing: { key: 'old' }, reason: 'capacity' }]);
    await rig.clock.advance(5000);
    void rig.registry.get('new');
    await rig.registry.get('newer');
    await rig.clock.advance(0);
    expect(rig.registry.list().map(({ key }) => key)).toEqual(['held', 'new', 'newer']);
    expect(rig.types('newer')).not.toContain('overCapacity');
    expect(rig.registry.stats().evictions).toBe(2);
  });

  test('G46 whoever has just got a value can still hold it, though room is needed', async () => {
    const rig = new Rig({ maxEntries: 1 });
    const value = await rig.registry.get('a');
    void rig.registry.get('b');
    expect(rig.registry.get('a')).toBe(value);
    rig.registry.retain('a');
    await rig.clock.advance(0);
    expect([rig.at('a'), rig.at('b')]).toEqual([1, undefined]);
  });

  test('G46 when all are held nothing is closed and overCapacity is told', async () => {
    const rig = new Rig({ maxEntries: 2 });
    const releases = ['a', 'b', 'c'].map((key) => rig.registry.retain(key));
    await rig.clock.advance(1000);
    expect(rig.registry.stats()).toMatchObject({ entries: 3, ready: 3, held: 3 });
    expect(rig.types('c').filter((type) => type === 'overCapacity')).toHaveLength(1);
    expect(rig.clock.warnings).toHaveLength(1);
    releases[1]?.();
    await rig.clock.advance(0);
    expect(rig.registry.list().map(({ key }) => key)).toEqual(['a', 'c']);
  });

  test('G47 a busy value is closed only when its work is saved', async () => {
    const unsaved = new Set(['a', 'b']);
    const rig = new Rig({ ttl: 10, maxEntries: 2, busy: ({ key }) => unsaved.has(key) });
    for (const key of ['a', 'b', 'c']) await rig.registry.get(key);
    await rig.clock.advance(6500);
    expect(rig.registry.list().map(({ key }) => key)).toEqual(['a', 'b']);
    expect(await rig.registry.evict('a')).toBe(false);
    unsaved.clear();
    await rig.clock.advance(1000);
    expect(rig.registry.list()).toEqual([]);
  });

  test('G51 evicting a key while its replacement loads leaves the replacement', async () => {
    const rig = new Rig({ takes: 100, close: () => rig.clock.wait(50) });
    void rig.registry.get('a');
    await rig.clock.advance(100);
    const evicted = rig.registry.evict('a');
    const replacement = rig.registry.get('a');
    expect(await rig.registry.evict('a')).toBe(false);
    await rig.clock.advance(60);
    expect(await evicted).toBe(true);
    expect([rig.status('a'), await rig.registry.evict('a')]).toEqual(['loading', false]);
    await rig.clock.advance(1000);
    expect(await replacement).toMatchObject({ number: 2 });
    expect(rig.at('a')).toBe(2);
  });
});

describe('dispose', () => {
  test('G43 during a load rejects its promise, aborts it and closes its late value (P53)', async () => {
    const rig = new Rig({ takes: 100 });
    const waiting = errorOf(rig.registry.get('a'));
    const lease = errorOf(rig.registry.acquire('a'));
    const states: string[] = [];
    rig.registry.subscribe('a', ({ status }) => states.push(status));
    const disposed = rig.registry.dispose();
    expect(rig.registry.dispose()).toBe(disposed);
    await disposed;
    const refusal = { code: 'registry_disposed' };
    expect([await waiting, await lease]).toMatchObject([refusal, refusal]);
    expect([rig.aborted, states, rig.events.at(-1)?.type]).toEqual([['a'], ['closed'], 'disposed']);
    await rig.clock.advance(100);
    expect(rig.closed).toEqual([{ thing: { key: 'a', number: 1 }, reason: 'dispose' }]);
    expect(rig.clock.armed).toBe(0);
  });

  test('G43 afterwards every method refuses and releases do nothing', async () => {
    const rig = new Rig();
    const releases = [rig.registry.retain('a'), rig.registry.subscribe('a', () => undefined)];
    const lease = await rig.registry.acquire('a');
    await rig.registry.dispose();
    expect(lease.signal.aborted).toBe(true);
    const { registry } = rig;
    const errors = [
      thrownBy(() => registry.get('a')),
      thrownBy(() => registry.retain('a')),
      thrownBy(() => registry.subscribe('a', () => undefined)),
      thrownBy(() => registry.subscribe(() => undefined)),
      await errorOf(registry.acquire('a')),
      await errorOf(registry.preload('a')),
      await errorOf(registry.reset('a')),
      await errorOf(registry.reset()),
      await errorOf(registry.evict('a')),
    ];
    for (const error of errors) expect(error).toMatchObject({ code: 'registry_disposed' });
    const before = rig.events.length;
    for (const release of releases) release();
    lease.release();
    expect([registry.list(), rig.status('a'), rig.events.length, rig.clock.armed]).toEqual([
      [],
      'idle',
      before,
      0,
    ]);
  });

  test('G43 who waits for a close to be over, to load anew, is refused as soon as it is disposed of', async () => {
    const rig = new Rig({ close: () => rig.clock.wait(100) });
    await rig.registry.get('a');
    void rig.registry.evict('a');
    const waiting = [errorOf(rig.registry.get('a')), errorOf(rig.registry.acquire('a'))];
    void rig.registry.dispose();
    const refusal = { code: 'registry_disposed' };
    expect(await Promise.all(waiting)).toMatchObject([refusal, refusal]);
    await rig.clock.advance(100);
    expect([rig.loads, rig.events.at(-1)?.type]).toEqual([1, 'disposed']);
  });

  test('G43 nothing is loaded any more for whoever is still on the way to a value that was just closed', async () => {
    const rig = new Rig();
    rig.registry.subscribe(({ type }) => {
      if (type === 'ready') void rig.registry.dispose();
    });
    expect(await errorOf(rig.registry.acquire('a'))).toMatchObject({ code: 'registry_disposed' });
    expect([rig.loads, rig.closed.length]).toEqual([1, 1]);
  });

  test('uses that are over leave nothing on the signal that could have ended them', async () => {
    const rig = new Rig();
    const { signal } = new AbortController();
    const lease = await rig.registry.acquire('a', { signal });
    const releases = [
      rig.registry.retain('a', { signal }),
      rig.registry.subscribe('a', () => undefined, { signal }),
    ];
    await rig.registry.get('a', { signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(3);
    lease.release();
    for (const release of releases) release();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('uses that end with their registry leave nothing on the signals that could have ended them', async () => {
    const rig = new Rig();
    const { signal } = new AbortController();
    const heard: unknown[] = [];
    await rig.registry.acquire('a', { signal });
    rig.registry.retain('a', { signal });
    rig.registry.subscribe('a', ({ status }) => heard.push(status), { signal });
    await rig.registry.dispose();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    expect(heard.length).toBeGreaterThan(0);
  });

  test('G43 an external signal disposes it the same way', async () => {
    const controller = new AbortController();
    const rig = new Rig({ signal: controller.signal });
    await rig.registry.get('a');
    controller.abort();
    await rig.registry.dispose();
    expect(rig.closed).toMatchObject([{ reason: 'dispose' }]);
    const stillborn = new Registry({
      name: 'stillborn',
      env: rig.clock,
      signal: controller.signal,
      load: () => 1,
    });
    expect(() => stillborn.get('a')).toThrow(HoldfastError);
  });

  test('G45 dispose waits for the flushes, in parallel', async () => {
    const rig = new Rig({ close: () => rig.clock.wait(100) });
    for (const key of ['a', 'b']) await rig.registry.get(key);
    let done = false;
    void rig.registry.dispose().then(() => (done = true));
    await rig.clock.advance(99);
    expect(done).toBe(false);
    await rig.clock.advance(1);
    expect(done).toBe(true);
  });

  test('G45 dispose waits no longer than its timeout, and tells the closes so', async () => {
    const given: AbortSignal[] = [];
    const rig = new Rig({
      close: (_, { signal }) => {
        given.push(signal);
        return rig.clock.wait(1e9);
      },
    });
    await rig.registry.get('a');
    let done = false;
    void rig.registry.dispose({ timeout: 500 }).then(() => (done = true));
    await rig.clock.advance(499);
    expect([done, given[0]?.aborted]).toEqual([false, false]);
    await rig.clock.advance(1);
    expect([done, given[0]?.aborted]).toEqual([true, true]);
    expect(rig.types('a')).toContain('closeTimedOut');
    expect(rig.registry.list()).toEqual([]);
  });

  test('G54 two registries share keys but not fates', async () => {
    const clock = new VirtualClock();
    const [one, two] = [new Rig({}, clock), new Rig({}, clock)];
    const [first, second] = [await one.registry.acquire('a'), await two.registry.acquire('a')];
    await one.registry.dispose();
    await settle();
    expect([first.signal.aborted, second.signal.aborted]).toEqual([true, false]);
    expect(two.registry.get('a')).toBe(second.value);
  });

  test('a registry that is dropped without dispose is told to the developer, and one that was disposed of is not', async () => {
    const env = new VirtualClock();
    // A timer would hold it until its values are closed.
    const rest = { env, load: (key: string) => key, defaults: { ttl: Infinity } };
    const named = (name: string) => new Registry({ name, ...rest });
    await named('disposed').dispose();
    void named('dropped').get('a');
    await expect
      .poll(() => {
        collect();
        return env.warnings.length;
      })
      .toBeGreaterThan(0);
    expect(env.warnings).toEqual([
      'dropped: a registry was dropped without dispose, its values open',
    ]);
  });
});
