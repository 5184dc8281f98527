import { memory } from '@holdfast/server/storage/memory';
import { type ClientEnv, HoldfastError, type Store } from '@holdfast/client';
import { beforeEach, afterEach, describe, expect, it, vi } from 'vitest';
import { DustClient } from '../../server/test/phoenix/dust-client.ts';
import { Aborted, singleFlight } from '../../server/test/phoenix/single-flight.ts';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const lock = '_dust:sf/report';
const other = async (): Promise<string> => 'from the other';

/** A promise that a test settles. */
function gate<T>(): { promise: Promise<T>; resolve(value: T): void; reject(error: unknown): void } {
  let settle: { resolve(value: T): void; reject(error: unknown): void } | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return {
    promise,
    resolve: (value) => settle?.resolve(value),
    reject: (error) => settle?.reject(error),
  };
}

/** A capver-3 client, as those in the field are. */
async function dust(device: string): Promise<DustClient> {
  const client = new DustClient(world.url, 'store:acme/app', { device, token: world.token });
  await client.ready;
  return client;
}

/** Whether somebody was told on this line that another computes. */
const isTold = (valve: Valve): boolean => valve.received.join().includes('"held"');

/** Resolves when somebody is known to have the lock. */
async function isHeld(by: Store): Promise<void> {
  await expect.poll(() => by.entry(lock)?.type).toBe('lease');
}

describe('a single flight', () => {
  it('S51 of two clients one runs the function, the other awaits; later ones find it (P57)', async () => {
    const valves = [new Valve(), new Valve()];
    const stores = await Promise.all(valves.map((link) => world.store({ link })));
    // It takes until the other has asked.
    const run = vi.fn(async () => {
      await expect.poll(() => valves.some(isTold)).toBe(true);
      return { answer: 42 };
    });
    const flights = await Promise.all(stores.map((store) => store.once('report', run)));
    expect(run).toHaveBeenCalledTimes(1);
    expect(flights.map(({ how }) => how).toSorted()).toEqual(['awaited', 'computed']);
    expect(flights.map(({ value }) => value)).toEqual([{ answer: 42 }, { answer: 42 }]);
    const late = await world.store();
    expect(await late.once('report', run)).toEqual({ how: 'cached', value: { answer: 42 } });
    expect(late.get('report')).toBe('{"answer":42}');
    await expect.poll(() => late.entry(lock)).toBeUndefined();
  });

  it.each([Infinity, 2 ** 40])(
    'waits for as long as it takes where it may wait for %d ms',
    async (waitTimeout) => {
      const link = new Valve();
      const [a, b] = await Promise.all([world.store(), world.store({ link })]);
      const { promise, resolve } = gate<string>();
      const first = a.once('report', () => promise, { waitTimeout });
      await isHeld(b);
      const second = b.once('report', other, { waitTimeout });
      await expect.poll(() => isTold(link)).toBe(true);
      resolve('from the first');
      expect(await first).toEqual({ how: 'computed', value: 'from the first' });
      expect(await second).toEqual({ how: 'awaited', value: 'from the first' });
    },
  );

  it.each([42, '{"answer":', { answer: 42 }])(
    'computes anew where something else than a text of JSON is at the key: %j',
    async (there) => {
      const store = await world.store();
      await store.put('report', there).committed;
      expect(await store.once('report', other)).toEqual({
        how: 'computed',
        value: 'from the other',
      });
      expect(store.get('report')).toBe('"from the other"');
    },
  );

  it.each([['ours'], ['capver 3']])(
    'S51 of one client of each kind one runs the function, the other awaits: %s first (P57)',
    async (first) => {
      const valve = new Valve();
      const [ours, theirs] = [await world.store({ link: valve }), await dust('d')];
      const opened = gate<{ from: string }>();
      const run = vi.fn(() => opened.promise);
      const fly = {
        ours: () => ours.once('report', run),
        'capver 3': () => singleFlight(theirs, { key: 'report', ttlMs: 30_000, run }),
      };
      const second = first === 'ours' ? fly['capver 3'] : fly.ours;
      const one = first === 'ours' ? fly.ours() : fly['capver 3']();
      await expect.poll(() => run.mock.calls.length).toBe(1);
      const two = second();
      // The second has asked, and was told that it is held.
      if (first === 'capver 3') await expect.poll(() => isTold(valve)).toBe(true);
      else await expect.poll(() => [theirs.sent.length, theirs.pending.size]).toEqual([1, 0]);
      opened.resolve({ from: first });
      expect([await one, await two]).toEqual([
        { how: 'computed', value: { from: first } },
        { how: 'awaited', value: { from: first } },
      ]);
      expect(run).toHaveBeenCalledTimes(1);
      expect((await second()).how).toBe('cached');
    },
  );

  it('S51 when the one who runs gives up, the one who waits runs (P57)', async () => {
    const [a, b] = [await world.store(), await world.store()];
    const giveUp = new AbortController();
    const started = gate<null>();
    const first = a.once(
      'report',
      (signal) =>
        new Promise<string>((_resolve, reject) => {
          started.resolve(null);
          signal.addEventListener('abort', () => reject(new Error('given up')));
        }),
      { signal: giveUp.signal },
    );
    await started.promise;
    const second = b.once('report', async () => 'from b');
    await isHeld(b);
    giveUp.abort();
    await expect(first).rejects.toThrow('given up');
    expect(await second).toEqual({ how: 'computed', value: 'from b' });
  });

  it.each([['ours'], ['capver 3']])(
    'S51 when the other kind gives up, the one who waits runs: %s gives up (P57)',
    async (first) => {
      const [ours, theirs] = [await world.store(), await dust('d')];
      const ended = gate<string>();
      const run = vi.fn(() => ended.promise);
      const giveUp = new AbortController();
      const isOurs = first === 'ours';
      const one = isOurs
        ? ours.once('report', run, { signal: giveUp.signal })
        : singleFlight(theirs, { key: 'report', ttlMs: 30_000, run });
      await expect.poll(() => run.mock.calls.length).toBe(1);
      const two = isOurs
        ? singleFlight(theirs, { key: 'report', ttlMs: 30_000, run: other })
        : ours.once('report', other);
      if (isOurs) {
        // It has asked for the lease, and was told that it is held.
        await expect.poll(() => theirs.sent.length).toBe(1);
        await expect.poll(() => theirs.pending.size).toBe(0);
        giveUp.abort();
      }
      ended.reject(new Aborted());
      await expect(one).rejects.toThrow();
      expect(await two).toEqual({ how: 'computed', value: 'from the other' });
    },
  );

  it('S51 who gives up while the store is not here yet waits no longer, and runs nothing (P57)', async () => {
    const valve = new Valve();
    const client = world.client({ link: valve });
    await expect.poll(() => client.status.get().connection).toBe('connected');
    valve.holdIn();
    const giving = new AbortController();
    const flight = client.store('acme/app').once('report', other, { signal: giving.signal });
    giving.abort(new Error('enough'));
    await expect(flight).rejects.toThrow('enough');
  });

  it('S51 who gives up while it asks for the lease lets go of it when it comes, and runs nothing (P57)', async () => {
    const valve = new Valve();
    const [a, b] = [await world.store({ link: valve }), await world.store()];
    const giving = new AbortController();
    const run = vi.fn(other);
    valve.holdIn();
    const flight = a.once('report', run, { signal: giving.signal });
    await isHeld(b);
    giving.abort(new Error('enough'));
    await expect(flight).rejects.toThrow('enough');
    const next = b.once('report', async () => 'from the next');
    valve.letIn();
    expect(await next).toEqual({ how: 'computed', value: 'from the next' });
    expect(run).not.toHaveBeenCalled();
  }, 20_000);

  it('S51 a killed capver-3 winner is replaced after its ttl, too (P57)', async () => {
    const [theirs, ours] = [await dust('d'), await world.store()];
    const run = vi.fn(() => new Promise(() => undefined));
    void singleFlight(theirs, { key: 'report', ttlMs: 200, run });
    await expect.poll(() => run.mock.calls.length).toBe(1);
    theirs.die();
    expect(await ours.once('report', async () => 7)).toEqual({ how: 'computed', value: 7 });
  });

  it('S51 who was too busy to look until the time for waiting was over takes what is there (P57)', async () => {
    let passed = 0;
    const a = await world.store();
    const valve = new Valve();
    const b = await world.store({
      link: valve,
      env: { now: () => performance.now() + passed },
    });
    const ended = gate<string>();
    const run = vi.fn(() => ended.promise);
    const one = a.once('report', run);
    await expect.poll(() => run.mock.calls.length).toBe(1);
    const two = b.once('report', other, { waitTimeout: 10_000 });
    await expect.poll(() => isTold(valve)).toBe(true);
    passed = 60_000;
    ended.resolve('slow');
    expect([await one, await two]).toEqual([
      { how: 'computed', value: 'slow' },
      { how: 'awaited', value: 'slow' },
    ]);
  });

  it('S51 who is told again and again that nothing can be committed now waits no longer than was said, and holds nothing (P57)', async () => {
    const storage = memory();
    await using full = await openWorld(undefined, { storage });
    const store = await full.store({ env: { random: () => 0.01 } });
    const append = storage.append.bind(storage);
    storage.append = async () => ({ status: 'failed', message: 'no space', reason: 'full' });
    const run = vi.fn(other);
    const waiting = store.once('report', run, { ttl: 50, waitTimeout: 50 });
    await expect(waiting).rejects.toMatchObject({ code: 'timeout' });
    expect(run).not.toHaveBeenCalled();
    storage.append = append;
    expect(await store.once('report', run, { waitTimeout: 10_000 })).toMatchObject({
      how: 'computed',
    });
  });

  it('S51 only without a connection it runs unasked, and says so; a refusal is thrown (P57)', async () => {
    const offline = world.client({ url: 'ws://127.0.0.1:9', onError: () => undefined });
    const store = offline.store('acme/app');
    expect(await store.once('report', async () => 3)).toEqual({ how: 'uncoordinated', value: 3 });
    const { rawToken } = await world.issue(['entries:read']);
    const reader = await world.store({ token: rawToken });
    const run = vi.fn(async () => 1);
    await expect(reader.once('report', run)).rejects.toBeInstanceOf(HoldfastError);
    await expect(reader.once('report', run)).rejects.toMatchObject({ code: 'missing_scope' });
    const stranger = world.client({ token: 'nobody’s', onError: () => undefined });
    await expect(stranger.store('acme/app').once('report', run)).rejects.toMatchObject({
      code: 'unauthorized',
    });
    expect(stranger.status.get().connection).toBe('failed');
    await expect(stranger.store('acme/app').once('report', run)).rejects.toMatchObject({
      code: 'unauthorized',
    });
    expect(run).not.toHaveBeenCalled();
  });

  it('S51 one who loses the connection while it computes has the value all the same, uncoordinated (P57)', async () => {
    const valve = new Valve();
    const hearers: ((hint: 'offline') => void)[] = [];
    const watchNetwork: ClientEnv['watchNetwork'] = (hear) => {
      hearers.push(hear);
      return () => undefined;
    };
    const store = await world.store({ link: valve, env: { watchNetwork } });
    const ended = gate<string>();
    const run = vi.fn(() => ended.promise);
    const flight = store.once('report', run, { ttl: 300 });
    await expect.poll(() => run.mock.calls.length).toBe(1);
    for (const hear of hearers) hear('offline');
    valve.cut();
    ended.resolve('of the one');
    expect(await flight).toEqual({ how: 'uncoordinated', value: 'of the one' });
    expect([store.get('report'), store.outbox.list()]).toEqual([undefined, []]);
  });

  it.each([['a result'], ['nothing, for it gives up']])(
    'S51 S83 a handle on a part awaits another, too, who comes to %s (P57)',
    async (end) => {
      const valve = new Valve();
      const a = await world.store();
      const b = world.client({ link: valve }).store('acme/app', { scope: ['report'] });
      const [ended, giveUp] = [gate<string>(), new AbortController()];
      const run = vi.fn(() => ended.promise);
      const first = a.once('report', run, { signal: giveUp.signal });
      await expect.poll(() => run.mock.calls.length).toBe(1);
      const second = b.once('report', async () => 'of the part');
      await expect.poll(() => isTold(valve)).toBe(true);
      if (end !== 'a result') giveUp.abort();
      ended.resolve('first');
      if (end === 'a result') expect((await first).how).toBe('computed');
      else await expect(first).rejects.toThrow();
      const value = end === 'a result' ? 'first' : 'of the part';
      const how = end === 'a result' ? 'awaited' : 'computed';
      expect(await second).toEqual({ how, value });
    },
  );

  it('S51 one who hears at once that another computes and that he gives up waits no longer (P57)', async () => {
    const valve = new Valve();
    const heard: string[] = [];
    valve.loses = (data) => heard.push(String(data)) < 0;
    const [a, b] = [await world.store(), await world.store({ link: valve })];
    const [ended, giveUp] = [gate<string>(), new AbortController()];
    const first = a.once('report', () => ended.promise, { signal: giveUp.signal });
    await isHeld(b);
    valve.holdIn();
    const second = b.once('report', other);
    await expect.poll(() => heard.join()).toContain('"held"');
    giveUp.abort();
    ended.resolve('late');
    await expect(first).rejects.toThrow();
    await expect.poll(() => heard.join()).toContain('"release"');
    valve.letIn();
    expect(await second).toEqual({ how: 'computed', value: 'from the other' });
  }, 20_000);

  it('S51 what is at the key and is no text of JSON is as good as nothing; what is computed must be JSON (P57)', async () => {
    const store = await world.store();
    await store.put('report', { not: 'a text' }).committed;
    const undefinable = store.once('report', () => undefined as never);
    await expect(undefinable).rejects.toThrow(TypeError);
    expect(await store.once('report', () => [1])).toEqual({ how: 'computed', value: [1] });
    expect(store.get('report')).toBe('[1]');
  });
});
