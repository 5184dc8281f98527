import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** Puts another store in the place of `acme/app`, while nobody is connected. */
async function remake(valve: Valve): Promise<void> {
  valve.down();
  const { rawToken } = await world.issue(['stores:delete']);
  const url = `${world.url.replace(/^ws/, 'http')}/api/stores/acme/app?purge=true`;
  const headers = { authorization: `Bearer ${rawToken}` };
  expect((await fetch(url, { method: 'DELETE', headers })).status).toBe(200);
  await world.createStore('acme/app');
  valve.up();
}

describe('a store that the server has made anew', () => {
  it('S84 G53 is taken as it is now: own writes go to it, and guarded ones are refused', async () => {
    const valve = new Valve();
    const store = await world.store({ link: valve, env: { random: () => 0.01 } });
    await store.put('old', 1).committed;
    const { incarnation } = store.status.get();
    const remade = remake(valve);
    const write = store.put('new', 2);
    const guarded = store.put('old', 3, { ifMatch: 1 });
    await remade;
    expect(await write.committed).toMatchObject({ seq: 1 });
    await expect(guarded.committed).rejects.toMatchObject({ code: 'stale_incarnation' });
    expect([store.get('old'), store.get('new')]).toEqual([undefined, 2]);
    expect(store.status.get().incarnation).not.toBe(incarnation);
  });

  it('is told to a slow consumer of the newest as it is found: nothing is merged across it (P34)', async () => {
    const valve = new Valve();
    const store = await world.store({ link: valve, env: { random: () => 0.01 } });
    const events = store.watch('a', { delivery: 'latest' })[Symbol.asyncIterator]();
    const first = events.next();
    const ops: unknown[] = [];
    store.on('a', ({ op }) => ops.push(op));
    await store.put('a', 0).committed;
    await first;
    await store.put('a', 1).committed;
    await remake(valve);
    await expect.poll(() => ops).toContain('resync');
    for (const value of [2, 3]) await store.put('a', value).committed;
    await expect.poll(() => ops).toHaveLength(5);
    const resync = { op: 'resync', value: undefined, previous: 1 };
    const last = { value: 3, previous: undefined, conflated: 1 };
    for (const expected of [{ value: 1 }, resync, last]) {
      const { value } = await events.next();
      expect(value).toMatchObject(expected);
      expect(value?.conflated).toBe('conflated' in expected ? 1 : undefined);
    }
    await events.return?.();
  });

  it('G53 is left where the client says so, until it is asked for again; own writes wait for that, and guarded ones are refused', async () => {
    const valve = new Valve();
    const client = world.client({
      link: valve,
      env: { random: () => 0.01 },
      onIncarnation: 'close',
    });
    const store = client.store('acme/app');
    await store.ready;
    await store.put('old', 1).committed;
    const revision = store.entry('old')?.revision ?? 0;
    const remade = remake(valve);
    const write = store.put('new', 2);
    const guarded = store.put('old', 3, { ifMatch: revision });
    await remade;
    await expect.poll(() => store.status.get().error?.code).toBe('stale_incarnation');
    // Not by itself, whatever becomes of the connection.
    valve.cut();
    await client.connect();
    await new Promise(setImmediate);
    await expect(store.ready).rejects.toMatchObject({ code: 'stale_incarnation' });
    expect([write.outcome, store.get('old')]).toEqual([null, 3]);
    const again = client.store('acme/app');
    expect(await write.committed).toMatchObject({ seq: 1 });
    await expect(guarded.committed).rejects.toMatchObject({ code: 'stale_incarnation' });
    await again.ready;
    expect([store.get('old'), store.get('new')]).toEqual([undefined, 2]);
    expect(store.status.get().error).toBeUndefined();
    // And again.
    await remake(valve);
    await expect.poll(() => store.status.get().error?.code).toBe('stale_incarnation');
    expect(() => world.client({ onIncarnation: 'shut' as never })).toThrow(TypeError);
  });

  it('G53 is not left again when the connection is lost before what was asked for has come', async () => {
    const valve = new Valve();
    const env = { random: () => 0.01 };
    const client = world.client({ link: valve, env, onIncarnation: 'close' });
    const store = client.store('acme/app');
    await store.put('old', 1).committed;
    await remake(valve);
    await (await world.store()).put('new', 2).committed;
    await expect.poll(() => store.status.get().error?.code).toBe('stale_incarnation');
    const write = store.put('mine', 3);
    valve.loses = (data) => String(data).includes('"snapshot_');
    const again = client.store('acme/app');
    await write.committed;
    valve.loses = () => false;
    valve.cut();
    await client.connect();
    await expect
      .poll(() => [again.get('new'), store.status.get().error?.code])
      .toEqual([2, undefined]);
  });

  it.each([{ holding: 'nothing of it', scope: [] }, { holding: 'all of it, which is nothing' }])(
    'G53 is left so, too, by who holds $holding: own writes wait until it is asked for again',
    async ({ scope }) => {
      const valve = new Valve();
      const link = { link: valve, env: { random: () => 0.01 } };
      const client = world.client({ ...link, onIncarnation: 'close' });
      const store = client.store('acme/app', scope === undefined ? {} : { scope });
      await store.ready;
      await expect.poll(() => store.status.get().incarnation).not.toBeNull();
      const remade = remake(valve);
      const write = store.put('new', 1);
      await remade;
      await expect.poll(() => store.status.get().error?.code).toBe('stale_incarnation');
      expect(write.outcome).toBeNull();
      client.store('acme/app', { scope: [] });
      expect(await write.committed).toMatchObject({ seq: 1 });
    },
  );
});
