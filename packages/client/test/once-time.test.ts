import { deferred } from '@holdfast/engine/registry';
import type { Store } from '@holdfast/client';
import { beforeEach, afterEach, describe, expect, it, vi } from 'vitest';
import { VirtualClock } from '../../server/test/conversation/clock.ts';
import { principals } from '../../server/test/conversation/principals.ts';
import { dueNow } from '../../server/test/conversation/turns.ts';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

// Flights whose leases run out; time passes here when a test says so, for the server and its clients alike.

let world: World;
let clock: VirtualClock;

beforeEach(async () => {
  clock = new VirtualClock();
  world = await openWorld(undefined, { clock });
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

const lock = '_dust:sf/report';
const other = async (): Promise<string> => 'from the other';
/** A computation that goes on until it is stopped. */
const untilStopped = (signal: AbortSignal): Promise<string> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });

/** Whether somebody was told on this line that another computes. */
const isTold = (valve: Valve): boolean => valve.received.join().includes('"held"');

/** How often somebody has asked for a lease on this line. */
const asksOn = (valve: Valve): number => valve.sent.join().split('"lease"').length - 1;

/** Lets a third of nine seconds pass, after which the lease is held for longer, as somebody sees. */
async function isRenewed(by: Store): Promise<void> {
  await expect.poll(() => by.entry(lock)?.type).toBe('lease');
  const held = by.entry(lock)?.value;
  await clock.pass(3000);
  // Who holds it may hear only now that it was renewed before, and then asks at once.
  await expect.poll(() => clock.pass(0).then(() => by.entry(lock)?.value)).not.toEqual(held);
}

describe('a single flight', () => {
  it('S51 where nothing else is said the lease is for 30 s, and another is waited for 5 s longer (P57)', async () => {
    const waits: number[] = [];
    const setTimeout = (run: () => void, ms: number): unknown => {
      waits.push(ms);
      return clock.setTimeout(run, ms);
    };
    const store = await world.store({ env: { setTimeout } });
    const { value } = await store.once('report', async () => store.get(lock) ?? null);
    expect(value).toMatchObject({ expires_at: clock.wall() + 30_000 });
    expect(Math.max(...waits)).toBe(35_000);
  });

  it('S51 one who runs and is killed is replaced after the ttl, at the word of the server; its late result is fenced off (P57)', async () => {
    const [client, alive] = [world.client(), await world.store()];
    const started = deferred<void>();
    const run = (): Promise<string> => new Promise(() => started.resolve());
    const lost = client.store('acme/app').once('report', run, { ttl: 9000 });
    lost.catch(() => undefined);
    await started.promise;
    await expect.poll(() => alive.entry(lock)?.type).toBe('lease');
    const fence = { key: lock, token: alive.entry(lock)?.revision ?? 0 };
    const flight = alive.once('report', async () => 'from the living', { ttl: 9000 });
    await client.close();
    await clock.pass(8999);
    await alive.put('meanwhile', true).committed;
    expect(alive.entry(lock)?.revision).toBe(fence.token);
    // Two milliseconds late, so that who asks then finds it ended.
    await clock.pass(3);
    expect(await flight).toEqual({ how: 'computed', value: 'from the living' });
    const late = (await world.store()).put('report', '"late"', { fence });
    await expect(late.committed).rejects.toMatchObject({ code: 'fenced' });
    expect(alive.get('report')).toBe('"from the living"');
  });

  it('S51 who waits asks no more before the server says that the lease has ended, and then at once, whatever time it is there (P57)', async () => {
    const valve = new Valve();
    // To this one the lease has an hour to go.
    const wall = (): number => clock.wall() - 3_600_000;
    const [client, waiter] = [world.client(), await world.store({ link: valve, env: { wall } })];
    const started = deferred<void>();
    const run = (): Promise<string> => new Promise(() => started.resolve());
    const lost = client.store('acme/app').once('report', run, { ttl: 9000 });
    lost.catch(() => undefined);
    await started.promise;
    const flight = waiter.once('report', other, { ttl: 9000 });
    await expect.poll(() => isTold(valve)).toBe(true);
    await client.close();
    await clock.pass(8999);
    await waiter.put('meanwhile', true).committed;
    expect(asksOn(valve)).toBe(1);
    await clock.pass(3);
    expect(await dueNow(flight)).toEqual({ how: 'computed', value: 'from the other' });
    expect(asksOn(valve)).toBe(2);
  });

  it('S51 one who stops because another has taken over gets what that one writes (P57)', async () => {
    const valve = new Valve();
    const [slow, quick] = [await world.store({ link: valve }), await world.store()];
    const run = vi.fn(untilStopped);
    const one = slow.once('report', run, { ttl: 9000, waitTimeout: 20_000 });
    await expect.poll(() => run.mock.calls.length).toBe(1);
    valve.holdOut();
    await clock.pass(9000);
    expect(await quick.once('report', other)).toMatchObject({ how: 'computed' });
    valve.letOut();
    expect(await one).toEqual({ how: 'awaited', value: 'from the other' });
    expect(run).toHaveBeenCalledTimes(1);
  });

  it('S51 one who has computed for longer than it would wait still waits for who has taken over (P57)', async () => {
    const valve = new Valve();
    const [slow, quick] = [await world.store({ link: valve }), await world.store()];
    const run = vi.fn(untilStopped);
    const one = slow.once('report', run, { ttl: 9000, waitTimeout: 5000 });
    await expect.poll(() => run.mock.calls.length).toBe(1);
    await isRenewed(quick);
    await isRenewed(quick);
    valve.holdOut();
    await clock.pass(9000);
    const ended = deferred<string>();
    const taken = vi.fn(() => ended.promise);
    const two = quick.once('report', taken);
    await expect.poll(() => taken.mock.calls.length).toBe(1);
    valve.letOut();
    await Promise.race([one, expect.poll(() => isTold(valve)).toBe(true)]);
    ended.resolve('from the other');
    expect(await one).toEqual({ how: 'awaited', value: 'from the other' });
    expect(await two).toMatchObject({ how: 'computed' });
    expect(run).toHaveBeenCalledTimes(1);
  });

  it('S51 one who computes for longer than the ttl is not replaced while it lives (P57)', async () => {
    const valve = new Valve();
    const [a, b] = [await world.store(), await world.store({ link: valve })];
    const ended = deferred<string>();
    const run = vi.fn(() => ended.promise);
    const one = a.once('report', run, { ttl: 9000 });
    await expect.poll(() => run.mock.calls.length).toBe(1);
    const two = b.once('report', async () => 'never', { ttl: 9000, waitTimeout: 25_000 });
    await expect.poll(() => isTold(valve)).toBe(true);
    // Its lease has been renewed beyond its first time.
    for (let times = 1; times <= 4; times += 1) await isRenewed(b);
    ended.resolve('slow');
    expect([await one, await two]).toEqual([
      { how: 'computed', value: 'slow' },
      { how: 'awaited', value: 'slow' },
    ]);
  });

  it('S51 who fails throws, and its lease runs out by itself; who waits too long is told so (P57)', async () => {
    const valve = new Valve();
    const [a, b] = [await world.store(), await world.store({ link: valve })];
    const failing = a.once('report', () => Promise.reject(new Error('no luck')), { ttl: 9000 });
    await expect(failing).rejects.toThrow('no luck');
    const impatient = b.once('report', async () => 1, { waitTimeout: 5000 });
    const late = expect(impatient).rejects.toMatchObject({ code: 'timeout' });
    await expect.poll(() => isTold(valve)).toBe(true);
    await clock.pass(5000);
    await late;
    await clock.pass(4000);
    expect(await b.once('report', async () => 2)).toEqual({ how: 'computed', value: 2 });
  });

  it('S51 who may take the lock and not read it asks for it again after its own ttl, and no sooner (P57)', async () => {
    await world[Symbol.asyncDispose]();
    const pathRules = [
      { pattern: 'report/**', allow: ['read', 'write'] as const },
      { pattern: '_dust:sf/**', allow: ['write'] as const },
    ];
    world = await openWorld(principals({ blind: { orgs: ['acme'], pathRules } }), { clock });
    const waits: number[] = [];
    const setTimeout = (run: () => void, ms: number): unknown => {
      waits.push(ms);
      return clock.setTimeout(run, ms);
    };
    const valve = new Valve();
    const waiter = await world.store({ token: 'blind', link: valve, env: { setTimeout } });
    const holder = await world.store();
    const computed = deferred<string>();
    const first = holder.once('report', () => computed.promise, { ttl: 30_000 });
    await expect.poll(() => holder.entry(lock)?.type).toBe('lease');
    const flight = waiter.once('report', other, { ttl: 9000 });
    await expect.poll(() => isTold(valve)).toBe(true);
    await clock.pass(8999);
    await holder.put('meanwhile', true).committed;
    expect(waits.filter((ms) => Number.isNaN(ms))).toEqual([]);
    expect(asksOn(valve)).toBe(1);
    await clock.pass(1);
    await expect.poll(() => asksOn(valve)).toBe(2);
    computed.resolve('slow');
    expect([await first, await flight]).toEqual([
      { how: 'computed', value: 'slow' },
      { how: 'awaited', value: 'slow' },
    ]);
  });
});
