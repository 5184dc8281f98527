// oxlint-disable no-await-in-loop -- time passes step by step
import { Registry } from '@holdfast/engine/registry';
import { HoldfastError } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';
import { VirtualClock, settle } from '../virtual-clock.ts';
import { type Options, Rig, errorOf, thrownBy } from './rig.ts';

const later = (text: string): Error => Object.assign(new Error(text), { retry: 'later' });

const both = ({ color, debug }: Options): unknown =>
  color === 'none' ? null : { ...(color && { color }), ...debug };

describe('failed loads', () => {
  test('G4 a loader that throws synchronously makes every get throw', () => {
    const broken = new Error('broken');
    const registry = new Registry({
      name: 'broken',
      env: new VirtualClock(),
      load: () => {
        throw broken;
      },
    });
    expect(thrownBy(() => registry.get('a'))).toBe(broken);
    expect(thrownBy(() => registry.get('a'))).toBe(broken);
    expect(registry.stats()).toMatchObject({ loads: 1, failures: 1 });
  });

  test('G5 after a rejected load the next get throws synchronously', async () => {
    const broken = new Error('broken');
    const rig = new Rig({ errors: [broken] });
    const first = rig.registry.get('a');
    expect(await errorOf(first)).toBe(broken);
    expect(thrownBy(() => rig.registry.get('a'))).toBe(broken);
  });

  test('G6 every later get throws the very instance that was the rejection (P50)', async () => {
    const rig = new Rig({ errors: [new Error('broken')] });
    const rejection = await errorOf(rig.registry.get('a'));
    const thrown = [1, 2, 3].map(() => thrownBy(() => rig.registry.get('a')));
    for (const error of thrown) expect(error).toBe(rejection);
  });

  test('a failure of which cannot be said whether it may pass is final, and reported', async () => {
    const [broken, worse] = [new Error('broken'), new Error('worse')];
    const retry = { attempts: 3, baseMs: 1, capMs: 1 };
    const isTransient = (): boolean => {
      throw worse;
    };
    const rig = new Rig({ errors: [broken], retry: { ...retry, isTransient } });
    expect(await errorOf(rig.registry.get('a'))).toBe(broken);
    expect(rig.problems.map(({ error }) => error)).toEqual([worse, broken]);
    await rig.clock.advance(5000);
    expect(await rig.registry.get('a')).toMatchObject({ number: 1 });
  });

  test('G7 preload resolves though the load fails, and get throws then', async () => {
    const rig = new Rig({ errors: [new Error('broken')] });
    expect(await rig.registry.preload('a')).toBeUndefined();
    expect(thrownBy(() => rig.registry.get('a'))).toMatchObject({ message: 'broken' });
  });

  test('G8 after preload get answers with no promise', async () => {
    const rig = new Rig();
    await rig.registry.preload('a');
    expect(rig.registry.get('a')).toBe(rig.opened[0]);
    expect(rig.registry.list()).toMatchObject([{ holds: 0 }]);
  });

  test('G28 the loader is called exactly once per failure', async () => {
    const rig = new Rig({ errors: [new Error('one'), new Error('two')], errorTtl: 100 });
    for (let round = 1; round <= 2; round++) {
      await rig.registry.preload('a');
      expect(thrownBy(() => rig.registry.get('a'))).toBeInstanceOf(Error);
      rig.registry.retain('a')();
      expect(rig.loads).toBe(round);
      await rig.clock.advance(100);
    }
  });

  test('G36 a transient error is retried under one promise, with its attempts to be seen', async () => {
    const errors = [later('one'), later('two')];
    const rig = new Rig({ errors: [...errors] });
    const states: unknown[] = [];
    rig.registry.subscribe('a', (state) => states.push(state));
    const promise = rig.registry.get('a');
    await rig.clock.advance(0);
    expect(rig.registry.peek('a')).toMatchObject({
      status: 'loading',
      attempt: 2,
      lastError: errors[0],
    });
    expect(rig.registry.get('a')).toBe(promise);
    await rig.clock.advance(10_000);
    expect(await promise).toMatchObject({ number: 1 });
    expect(states).toMatchObject([
      { status: 'loading', attempt: 1 },
      { status: 'loading', attempt: 2, lastError: errors[0] },
      { status: 'loading', attempt: 3, lastError: errors[1] },
      { status: 'ready' },
    ]);
    expect(rig.registry.stats()).toMatchObject({ loads: 1, retries: 2, failures: 0 });
  });

  test('G36 transient errors are retried three times and no more', async () => {
    const errors = [1, 2, 3, 4].map((n) => later(String(n)));
    const rig = new Rig({ errors: [...errors], errorTtl: Infinity });
    const failure = errorOf(rig.registry.get('a'));
    await rig.clock.advance(60_000);
    expect(await failure).toBe(errors[3]);
    expect(rig.loads).toBe(4);
  });

  test('G36 a permanent error is not retried', async () => {
    const rig = new Rig({ errors: [new HoldfastError('missing_scope')] });
    await rig.registry.preload('a');
    expect(rig.status('a')).toBe('failed');
    expect(rig.loads).toBe(1);
    expect(rig.problems).toMatchObject([{ phase: 'load' }]);
  });

  test('G36 a load that hangs is aborted at loadTimeout, retried, and fails with timeout', async () => {
    const rig = new Rig({
      takes: 1e9,
      loadTimeout: 100,
      retry: { attempts: 1, baseMs: 0, capMs: 0, isTransient: () => false },
    });
    const failure = errorOf(rig.registry.get('a'));
    await rig.clock.advance(99);
    expect(rig.aborted).toEqual([]);
    await rig.clock.advance(1);
    expect(rig.aborted).toEqual(['a']);
    await rig.clock.advance(100);
    expect(await failure).toMatchObject({ code: 'timeout' });
    expect(rig.loads).toBe(2);
    await rig.clock.advance(1e9);
    expect(rig.closed.map(({ thing }) => thing)).toEqual(rig.opened);
    expect(rig.opened).toHaveLength(2);
  });

  test('G36 what a load that was given up still fails with is not laid to the attempt that came after it', async () => {
    const rig: Rig = new Rig({
      loadTimeout: 100,
      retry: { attempts: 1, baseMs: 0, capMs: 0, isTransient: () => false },
      load: async (key, _, { attempt }) => {
        await rig.clock.wait(attempt === 1 ? 150 : 80);
        if (attempt === 1) throw new Error('too late');
        return rig.open(key);
      },
    });
    const value = Promise.resolve(rig.registry.get('a'));
    await rig.clock.advance(200);
    expect(await value).toMatchObject({ number: 1 });
    expect([rig.loads, rig.problems]).toEqual([2, []]);
  });

  test("G37 after errorTtl another user's get loads anew and the one that holds recovers", async () => {
    const rig = new Rig({ errors: [new Error('broken')], errorTtl: 100 });
    const seen: string[] = [];
    rig.registry.subscribe('a', ({ status }) => seen.push(status));
    rig.registry.retain('a');
    await rig.clock.advance(100);
    expect(rig.status('a')).toBe('failed');
    expect(await rig.registry.get('a')).toMatchObject({ number: 1 });
    expect(seen).toEqual(['loading', 'failed', 'loading', 'ready']);
  });

  test('G37 reset loads anew at once if held, and forgets the error otherwise', async () => {
    const rig = new Rig({ errors: [new Error('one'), new Error('two')] });
    const release = rig.registry.retain('held');
    await rig.registry.preload('unheld');
    await rig.registry.reset('held');
    await rig.registry.reset('unheld');
    await settle();
    expect([rig.at('held'), rig.status('unheld')]).toEqual([1, 'idle']);
    release();
  });

  test('G37 a boundary that resets everything recovers all failed entries and leaves the others alone', async () => {
    const rig = new Rig({ errors: [new Error('one'), new Error('two')] });
    for (const key of ['a', 'b', 'c']) rig.registry.retain(key);
    await settle();
    expect(['a', 'b', 'c'].map((key) => rig.status(key))).toEqual(['failed', 'failed', 'ready']);
    await rig.registry.reset();
    await settle();
    expect(['a', 'b', 'c'].map((key) => rig.at(key))).toEqual([2, 3, 1]);
    expect(rig.closed).toEqual([]);
  });

  test('G37 reset replaces a ready value and restarts a load for those who wait', async () => {
    const rig = new Rig({ takes: 10 });
    const waiting = rig.registry.get('a');
    await rig.clock.advance(5);
    await rig.registry.reset('a');
    expect(rig.aborted).toEqual(['a']);
    await rig.clock.advance(10);
    expect(await waiting).toMatchObject({ number: 2 });
    expect(rig.closed).toEqual([{ thing: { key: 'a', number: 1 }, reason: 'reset' }]);
    rig.registry.retain('a');
    await rig.registry.reset('a');
    await rig.clock.advance(10);
    expect(rig.at('a')).toBe(3);
  });

  test('G38 the error stays the same instance for errorTtl, then a failed entry that nobody holds is removed', async () => {
    const rig = new Rig({ errors: [new Error('one'), new Error('two')] });
    const error = await errorOf(rig.registry.get('a'));
    await rig.clock.advance(4999);
    expect(thrownBy(() => rig.registry.get('a'))).toBe(error);
    expect(await errorOf(rig.registry.acquire('a'))).toBe(error);
    await rig.clock.advance(1);
    expect(rig.registry.list()).toEqual([]);
  });
});

describe('sharing', () => {
  test('G31 any mix of uses in one tick opens once', async () => {
    const rig = new Rig();
    const release = rig.registry.retain('a');
    const [lease, value] = await Promise.all([
      rig.registry.acquire('a'),
      rig.registry.get('a'),
      rig.registry.preload('a'),
    ]);
    expect(lease.value).toBe(value);
    expect(rig.loads).toBe(1);
    lease.release();
    release();
    await rig.registry.dispose();
    expect(rig.closed.map(({ thing }) => thing)).toEqual(rig.opened);
  });

  test('G30 while a value closes nobody gets it: all wait for one fresh one', async () => {
    const rig = new Rig({ ttl: 10, close: () => rig.clock.wait(100) });
    await rig.registry.get('a');
    await rig.clock.advance(10);
    expect(rig.status('a')).toBe('closing');
    const promise = rig.registry.get('a');
    expect(rig.registry.get('a')).toBe(promise);
    const lease = rig.registry.acquire('a');
    await rig.clock.advance(99);
    expect(rig.loads).toBe(1);
    await rig.clock.advance(1);
    expect(await promise).toMatchObject({ number: 2 });
    expect((await lease).value).toBe(await promise);
  });

  test('G39 with reuse other options get the same value', async () => {
    const rig = new Rig({ identity: ({ color }) => color, onMismatch: 'reuse' });
    const value = await rig.registry.get('a', { color: 'red' });
    expect(rig.registry.get('a', { color: 'blue' })).toBe(value);
    expect(rig.types('a')).not.toContain('mismatch');
  });

  test('G39 with warn a developer is told once per key', async () => {
    const rig = new Rig({ identity: ({ color }) => ({ color }) });
    const value = await rig.registry.get('a', { color: 'red' });
    void rig.registry.get('a', { color: 'red', ttl: 5 });
    expect(rig.clock.warnings).toEqual([]);
    expect(rig.registry.get('a', { color: 'blue' })).toBe(value);
    expect(rig.registry.get('a', { color: 'green' })).toBe(value);
    expect(rig.types('a').filter((type) => type === 'mismatch')).toHaveLength(1);
    expect(rig.clock.warnings).toHaveLength(1);

    const deployed = new Rig({ identity: ({ color }) => color }, new VirtualClock({ dev: false }));
    await deployed.registry.get('a', { color: 'red' });
    void deployed.registry.get('a', { color: 'blue' });
    expect([deployed.types('a').includes('mismatch'), deployed.clock.warnings]).toEqual([
      false,
      [],
    ]);
  });

  test.each([true, false])('G39 with throw other options are refused (dev: %s)', async (dev) => {
    const clock = new VirtualClock({ dev });
    const rig = new Rig({ identity: ({ color }) => color, onMismatch: 'throw' }, clock);
    await rig.registry.get('a', { color: 'red' });
    const refusal = { code: 'option_mismatch' };
    expect(thrownBy(() => rig.registry.get('a', { color: 'blue' }))).toMatchObject(refusal);
    expect(thrownBy(() => rig.registry.retain('a', { color: 'blue' }))).toMatchObject(refusal);
    expect(await errorOf(rig.registry.acquire('a', { color: 'blue' }))).toMatchObject(refusal);
    expect(rig.registry.list()).toMatchObject([{ holds: 0 }]);
  });

  test('G39 an identity with a member more, or that is no object, is another one', async () => {
    const rig = new Rig({ identity: both, onMismatch: 'throw' });
    await rig.registry.get('a', { color: 'red' });
    const others = [{ color: 'red', debug: { a: 1 } }, {}, { color: 'none' }];
    for (const other of others) {
      expect(thrownBy(() => rig.registry.get('a', other))).toMatchObject({
        code: 'option_mismatch',
      });
    }
    expect(rig.registry.get('a', { color: 'red', debug: {} })).toMatchObject({ number: 1 });
    await rig.registry.get('b', { color: 'none' });
    expect(thrownBy(() => rig.registry.get('b'))).toMatchObject({ code: 'option_mismatch' });
  });

  test('G39 of what is closed nobody has to agree with the options, though it is held', async () => {
    const rig = new Rig({ identity: ({ color }) => color, onMismatch: 'throw' });
    await rig.registry.get('a', { color: 'red' });
    rig.registry.retain('a', { color: 'red' });
    await rig.registry.evict('a', { force: true });
    expect(await rig.registry.get('a', { color: 'blue' })).toMatchObject({ number: 2 });
    expect(rig.types('a')).not.toContain('mismatch');
  });

  test('G39 with replace an unheld value is reloaded and a held one is defended', async () => {
    const rig = new Rig({ identity: ({ color }) => color, onMismatch: 'replace' });
    await rig.registry.get('a', { color: 'red' });
    expect(await rig.registry.get('a', { color: 'blue' })).toMatchObject({ number: 2 });
    expect(rig.closed).toMatchObject([{ reason: 'replace' }]);
    rig.registry.retain('a', { color: 'blue' });
    expect(thrownBy(() => rig.registry.get('a', { color: 'red' }))).toMatchObject({
      code: 'option_mismatch',
    });
    expect(rig.at('a')).toBe(2);
  });

  test('G40 an explicit undefined keeps the default, and members named in deepMerge merge', async () => {
    const rig = new Rig({
      defaults: { color: 'red', debug: { a: 1, b: 1 } },
      deepMerge: ['debug'],
    });
    const given = { debug: { b: 2 }, ttl: 5 };
    // As JavaScript callers do: the types forbid it.
    Reflect.set(given, 'color', undefined);
    Reflect.set(given.debug, 'a', undefined);
    await rig.registry.get('a', given);
    expect(rig.seenOptions).toEqual([{ color: 'red', debug: { a: 1, b: 2 } }]);
  });

  test("G44 with abortUnused 'immediate' a load is aborted as soon as the last use is", async () => {
    const rig = new Rig({ takes: 100, abortUnused: 'immediate' });
    const [first, second] = [new AbortController(), new AbortController()];
    const leases = [first, second].map(({ signal }) =>
      errorOf(rig.registry.acquire('a', { signal })),
    );
    await rig.clock.advance(10);
    first.abort();
    expect(rig.aborted).toEqual([]);
    second.abort();
    expect(rig.aborted).toEqual(['a']);
    const abort = { name: 'AbortError' };
    expect(await Promise.all(leases)).toMatchObject([abort, abort]);
    expect(rig.registry.list()).toEqual([]);
  });

  test("G44 with abortUnused 'immediate' whoever draws a page has its load, though nobody waits for it", async () => {
    const rig = new Rig({ takes: 100, abortUnused: 'immediate' });
    const controller = new AbortController();
    const { signal } = controller;
    const value = rig.registry.get('a', { provisional: true, signal });
    controller.abort();
    await rig.clock.advance(100);
    expect([rig.aborted, await value]).toMatchObject([[], { number: 1 }]);
  });
});
