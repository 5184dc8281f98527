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

describe('leases', () => {
  it('fence writes while they are held, and say so when they are not', async () => {
    const store = await world.store();
    const lease = await store.lease('jobs/nightly', { ttl: 20_000, holder: 'me' });
    expect(lease).toMatchObject({ key: 'jobs/nightly', token: 1, holder: 'me' });
    await expect(store.lease('jobs/nightly')).rejects.toMatchObject({ code: 'held' });
    await store.put('out', 1, { fence: lease }).committed;
    await store.transact((tx) => {
      tx.fence(lease);
      tx.put('out', 2);
    }).committed;
    const before = lease.expiresAt;
    await lease.renew({ ttl: 60_000 });
    expect(lease.expiresAt).toBeGreaterThan(before);
    expect(await lease.release()).toBe(true);
    expect(await lease.release()).toBe(false);
    await expect(store.put('out', 3, { fence: lease }).committed).rejects.toMatchObject({
      code: 'fenced',
    });
    await expect(lease.renew()).rejects.toMatchObject({ code: 'not_held' });
  });

  it('wait for the first connection, and are refused where there is none', async () => {
    const lease = await world.client().store('acme/app').lease('jobs/first');
    expect(lease.token).toBe(1);
    const offline = world.client({ url: 'ws://127.0.0.1:1', env: { random: () => 0.5 } });
    await expect(offline.store('acme/app').lease('jobs/x')).rejects.toMatchObject({
      code: 'unavailable',
    });
  }, 20_000);
});

describe('handles', () => {
  it('G56 a handle that is closed does nothing silently, and another one goes on', async () => {
    const client = world.client();
    const [store, other] = [client.store('acme/app'), client.store('acme/app')];
    await Promise.all([store.ready, other.ready]);
    await store.put('k', 1).committed;
    store.close();
    const closed = expect.objectContaining({ code: 'closed' });
    expect(() => store.get('k')).toThrow(closed);
    expect(() => store.put('k', 2)).toThrow(closed);
    expect(() => store.on('**', () => undefined)).toThrow(closed);
    expect(() => store.watch('**')).toThrow(closed);
    expect(() => store.transact(() => undefined)).toThrow(closed);
    expect(() => store.outbox.retry('x')).toThrow(closed);
    expect(() => store.outbox.subscribe(() => undefined)).toThrow(closed);
    await expect(store.ready).rejects.toMatchObject({ code: 'closed' });
    await expect(store.lease('j')).rejects.toMatchObject({ code: 'closed' });
    expect(other.get('k')).toBe(1);
    await client.close();
    expect(() => other.get('k')).toThrow(closed);
    expect(() => client.store('acme/app')).toThrow(closed);
    await expect(other.settled()).rejects.toMatchObject({ code: 'closed' });
  });

  it('G62 status tells of changes once, and is the same object while nothing changes', async () => {
    const store = await world.store();
    const states: unknown[] = [];
    store.status.subscribe(() => states.push(store.status.get()));
    const before = store.status.get();
    expect(store.status.get()).toBe(before);
    expect(before).toMatchObject({ connection: 'connected', seq: 0, pending: 0, synced: true });
    await store.put('k', 1).committed;
    await expect.poll(() => store.status.get().synced).toBe(true);
    expect(states).toMatchObject([
      { pending: 1, synced: false },
      { pending: 0, synced: true, seq: 1 },
    ]);
  });

  it('G66 a handle made while the store’s own writes are on their way sees them', async () => {
    const client = world.client();
    const first = client.store('acme/app');
    await first.ready;
    first.put('k', 1);
    first.close();
    const second = client.store('acme/app');
    expect(second.get('k')).toBe(1);
    await second.settled();
    expect((await world.store()).get('k')).toBe(1);
  });

  it('C20 what was sent and not answered when the client closes is reported as unknown', async () => {
    const valve = new Valve();
    const client = world.client({ link: valve });
    const store = client.store('acme/app');
    await store.ready;
    valve.holdIn();
    const sent = store.put('k', 1);
    await client.close();
    await expect(sent.committed).rejects.toMatchObject({ code: 'outcome_unknown' });
  });

  it('a store that the server refuses rejects `ready` with the reason, and its status says it', async () => {
    const store = world.client().store('acme/missing');
    // Nobody has to handle this one.
    void store.ready;
    await expect(store.ready).rejects.toMatchObject({ code: 'unauthorized' });
    expect(store.status.get().error).toMatchObject({ code: 'unauthorized' });
    await expect(store.lease('job')).rejects.toMatchObject({ code: 'unauthorized' });
    await expect(store.opStatus('x')).rejects.toMatchObject({ code: 'unauthorized' });
  });

  it('a store that is open to write only downloads what is there when somebody wants to read it', async () => {
    const other = await world.store();
    await other.put('before', 1).committed;
    const client = world.client();
    const writer = client.store('acme/app', { scope: [] });
    await writer.put('k', 1).committed;
    expect(writer.status.get()).toMatchObject({ seq: 0, pending: 0 });
    const store = client.store('acme/app');
    await store.ready;
    expect([store.get('before'), store.get('k')]).toEqual([1, 1]);
    await writer.put('k', 2).committed;
    expect(store.get('k')).toBe(2);
    expect(() => writer.get('k')).toThrow(expect.objectContaining({ code: 'out_of_scope' }));
  });

  it('inspect shows everything as plain data, and no token', async () => {
    const client = world.client();
    await client.store('acme/app').ready;
    const shown = JSON.stringify(client.inspect());
    expect(shown).toContain('store/acme/app');
    expect(shown).not.toContain(world.token);
  });
});
