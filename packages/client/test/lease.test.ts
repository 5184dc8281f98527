import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '../../server/test/conversation/clock.ts';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

let world: World;
let clock: VirtualClock;

beforeEach(async () => {
  clock = new VirtualClock();
  world = await openWorld(undefined, { clock });
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** Does something under a lease, and loses its connection before it lets go of that. */
async function work(error: Error | null): Promise<string> {
  const valve = new Valve();
  const holder = await world.store({ link: valve });
  await using lease = await holder.lease(`lock-${error?.message ?? ''}`);
  await holder.put('a', 1, { fence: lease }).committed;
  valve.cut();
  if (error !== null) throw error;
  return 'done';
}

const isSent = (valve: Valve, op: string): boolean =>
  valve.sent.some((data) => typeof data === 'string' && data.includes(`"op":"${op}"`));

function never(): never {
  throw new Error('There is no lease.');
}

describe('a lease that is held', () => {
  it('is renewed while its holder lives, and gone with its release', async () => {
    const [holder, other] = [await world.store(), await world.store()];
    const lease = await holder.lease('lock', { ttl: 15_000 });
    const { token, expiresAt } = lease;
    for (const later of [5000, 10_000, 15_000, 20_000]) {
      await clock.pass(5000);
      await expect.poll(() => lease.expiresAt).toBe(expiresAt + later);
    }
    await expect(other.lease('lock')).rejects.toMatchObject({ code: 'held' });
    expect([lease.token, lease.signal.aborted]).toEqual([token, false]);
    expect(await lease.release()).toBe(true);
    expect(lease.signal.aborted).toBe(true);
    const next = await other.lease('lock');
    expect(next.token).toBeGreaterThan(token);
  });

  it('is renewed each third of its time', async () => {
    const valve = new Valve();
    const holder = await world.store({ link: valve });
    await holder.lease('lock', { ttl: 60_000 });
    await clock.pass(19_999);
    expect(isSent(valve, 'renew')).toBe(false);
    await clock.pass(1);
    await expect.poll(() => isSent(valve, 'renew')).toBe(true);
  });

  it('is renewed as often as the time takes that it was renewed for last', async () => {
    const holder = await world.store();
    const lease = await holder.lease('lock', { ttl: 60_000 });
    await lease.renew({ ttl: 15_000 });
    const { expiresAt } = lease;
    await clock.pass(5000);
    // For as long, too: of who dies nobody waits for the minute that it was taken for.
    await expect.poll(() => lease.expiresAt).toBe(expiresAt + 5000);
    await lease.renew({ ttl: 60_000 });
    expect(lease.signal.aborted).toBe(false);
  });

  it('is renewed at once where its answer took most of its time', async () => {
    const valve = new Valve();
    const holder = await world.store({ link: valve });
    valve.holdIn();
    const leasing = holder.lease('lock', { ttl: 10_000 });
    await expect.poll(() => isSent(valve, 'lease')).toBe(true);
    await clock.pass(9000);
    valve.letIn();
    await leasing;
    await clock.pass(0);
    await expect.poll(() => isSent(valve, 'renew')).toBe(true);
  });

  it('is not renewed without a heartbeat, nor after stop', async () => {
    const [holder, other] = [await world.store(), await world.store()];
    await holder.lease('a', { ttl: 9000, heartbeat: false });
    const stopped = await holder.lease('b', { ttl: 9000 });
    stopped.stop();
    await clock.pass(9000);
    for (const path of ['a', 'b']) {
      await expect.poll(() => other.lease(path).catch(() => null)).not.toBeNull();
    }
  });

  it('tells who renews it by hand that its time is over, or that its client is closed', async () => {
    const client = world.client();
    const store = client.store('acme/app');
    const [lease, kept] = await Promise.all(
      ['a', 'b'].map((path) => store.lease(path, { ttl: 9000, heartbeat: false })),
    );
    await kept?.renew({ ttl: 60_000 });
    await clock.pass(9000);
    await expect.poll(() => lease?.signal.aborted).toBe(true);
    expect(lease?.signal.reason).toMatchObject({ code: 'not_held' });
    expect(kept?.signal.aborted).toBe(false);
    await client.close();
    await expect.poll(() => kept?.signal.reason).toMatchObject({ code: 'closed' });
  });

  it('tells who works under it that it is lost: taken away, or not renewed in time', async () => {
    const valve = new Valve();
    const holder = await world.store({ link: valve });
    const taken = await holder.lease('a', { ttl: 9000 });
    await (await world.store()).delete('a', { fence: taken }).committed;
    await expect.poll(() => taken.signal.aborted).toBe(true);
    expect(taken.signal.reason).toMatchObject({ code: 'not_held' });
    const cut = await holder.lease('b', { ttl: 9000 });
    valve.holdOut();
    await clock.pass(8999);
    expect(cut.signal.aborted).toBe(false);
    await clock.pass(1);
    expect(cut.signal.aborted).toBe(true);
  });

  it('tells who works under it at once that somebody else has let go of it, long before it would be renewed', async () => {
    const [holder, other] = [await world.store(), await world.store()];
    const paths = ['a', 'b', 'c/**/d'];
    const [kept, removed, odd] = await Promise.all(paths.map((path) => holder.lease(path)));
    await (await other.leaseOf(odd ?? never())).release();
    await expect.poll(() => odd?.signal.aborted).toBe(true);
    expect(odd?.signal.reason).toMatchObject({ code: 'not_held', details: { path: 'c/**/d' } });
    await other.delete('b', { fence: removed ?? never() }).committed;
    await expect.poll(() => removed?.signal.aborted).toBe(true);
    await kept?.renew();
    expect(kept?.signal.aborted).toBe(false);
  });

  it('ends with the client, and keeps no timer', async () => {
    const client = world.client();
    const lease = await client.store('acme/app').lease('a', { ttl: 60_000 });
    await client.close();
    await expect.poll(() => lease.signal.aborted).toBe(true);
    expect(lease.signal.reason).toMatchObject({ code: 'closed' });
  });

  it('is refused without a connection in a later turn, so that who asks again at once leaves others theirs', async () => {
    const valve = new Valve();
    const store = await world.store({ link: valve });
    await (await store.lease('a')).release();
    valve.down();
    await expect.poll(() => store.status.get().connection).not.toBe('connected');
    const told: unknown[] = [];
    clock.setTimeout(() => told.push('another turn'), 0);
    const again = store.lease('a').catch(({ code }: { code: unknown }) => told.push(code));
    // What comes of it without a turn of others has come by then.
    for (let n = 0; n < 100; n += 1) await Promise.resolve();
    await clock.pass(0);
    await again;
    expect(told).toEqual(['another turn', 'unavailable']);
  });

  it('ends by itself where it goes out of scope without a connection: what was done, or why not, is what is told', async () => {
    expect(await work(null)).toBe('done');
    await expect(work(new Error('no luck'))).rejects.toThrow(new Error('no luck'));
  });

  it('is let go of where it goes out of scope', async () => {
    const [holder, other] = [await world.store(), await world.store()];
    {
      await using lease = await holder.lease('a', { ttl: 60_000 });
      await expect(other.lease('a')).rejects.toMatchObject({ code: 'held' });
      expect(lease.signal.aborted).toBe(false);
    }
    expect(await (await other.lease('a')).release()).toBe(true);
  });

  it('goes on over a short loss of the connection', async () => {
    const valve = new Valve();
    const holder = await world.store({ link: valve });
    const lease = await holder.lease('a', { ttl: 60_000 });
    const { expiresAt } = lease;
    valve.cut();
    await expect.poll(() => holder.status.get().connection).not.toBe('connected');
    await clock.pass(10_000);
    // Who is connected and has yet to join would be asked too early.
    await expect.poll(() => holder.status.get().synced).toBe(true);
    await clock.pass(10_000);
    await expect.poll(() => lease.expiresAt).toBe(expiresAt + 20_000);
    expect(lease.signal.aborted).toBe(false);
  });
});
