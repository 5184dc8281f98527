import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { VirtualClock } from './clock.ts';
import type { Peer } from './peer.ts';
import { arrived, put, reasonOf, write } from './talk.ts';
import { topic, type World, world } from './world.ts';

async function still(): Promise<World & { readonly clock: VirtualClock }> {
  const clock = new VirtualClock();
  return { ...(await world({ clock, storage: memory({ now: clock.wall }) })), clock };
}

/** What a peer was told of leases that ended. */
async function told(peer: Peer): Promise<unknown[]> {
  await arrived(peer);
  return peer.heard.flatMap(([join, ref, on, event, payload]) =>
    event === 'lease_expired' ? [[join, ref, on, payload]] : [],
  );
}

test.each([['2.0.0'], ['3.0.0']])(
  'in vsn %s a lease that nobody renews is told of at its deadline, once, to all of capver 4 (P56)',
  async (vsn) => {
    const home = await still();
    const [holder, waiter] = [await home.joined({ vsn }), await home.joined({ vsn, device: 'd2' })];
    const old = await home.joined({ capver: '3', device: 'd3' });
    const blind = await home.joined({ device: 'd4' }, { last_store_seq: 0, patterns: [] });
    await write(holder, 'lease', 'locks/a', { ttl_ms: 1000 });
    await write(holder, 'lease', 'locks/b', { ttl_ms: 1500 });
    await home.clock.pass(1000);
    expect(await told(waiter)).toEqual([]);
    await home.clock.pass(5);
    const first = [null, null, topic, { path: 'locks/a', token: 1 }];
    expect(await told(waiter)).toEqual([first]);
    // Whoever is told can have it.
    expect((await write(waiter, 'lease', 'locks/a', { ttl_ms: 60_000 })).status).toBe('ok');
    await home.clock.pass(2000);
    const second = [null, null, topic, { path: 'locks/b', token: 2 }];
    for (const peer of [waiter, holder]) expect(await told(peer)).toEqual([first, second]);
    for (const peer of [old, blind]) expect(await told(peer)).toEqual([]);
  },
);

test('a lease that is renewed, released or removed in time is not told of before its last deadline (P56)', async () => {
  const home = await still();
  const [holder, waiter] = [await home.joined(), await home.joined({ device: 'd2' })];
  for (const name of ['renewed', 'released', 'forced']) {
    const { response } = await write(holder, 'lease', name, { ttl_ms: 1000 });
    const { token } = response;
    expect(reasonOf(await write(waiter, 'lease', name))).toBe('held');
    if (name === 'released') await write(holder, 'release', name, { token });
    const fence = { key: name, token };
    if (name === 'forced') await write(holder, 'delete', name, { fence });
  }
  await home.clock.pass(900);
  await write(holder, 'renew', 'renewed', { token: 1, ttl_ms: 1000 });
  await home.clock.pass(900);
  expect(await told(waiter)).toEqual([]);
  await home.clock.pass(200);
  expect(await told(waiter)).toEqual([[null, null, topic, { path: 'renewed', token: 1 }]]);
});

test('leases that were there before the server started are told of, too (P56)', async () => {
  const clock = new VirtualClock();
  const storage = Object.assign(memory({ now: clock.wall }), { close: () => Promise.resolve() });
  const before = await world({ clock, storage });
  await write(await before.joined(), 'lease', 'lock', { ttl_ms: 10_000 });
  await before.server.close({ retryAfterMs: 0 });
  const after = await world({ clock, storage });
  const waiter = await after.joined();
  await put(waiter, 'other', 1);
  await clock.pass(9999);
  expect(await told(waiter)).toEqual([]);
  await clock.pass(10);
  expect(await told(waiter)).toEqual([[null, null, topic, { path: 'lock', token: 1 }]]);
});

test('many leases ending together cost few alarms, and each is told of (P56)', async () => {
  const home = await still();
  const [holder, waiter] = [await home.joined(), await home.joined({ device: 'd2' })];
  for (let n = 0; n < 50; n++) await write(holder, 'lease', `l/${n}`, { ttl_ms: 1000 + n });
  await home.clock.pass(1200);
  expect(await told(waiter)).toHaveLength(50);
});

test('whoever has left the store is told of no lease that ends afterwards', async () => {
  const home = await still();
  const [holder, gone] = [await home.joined(), await home.joined({ device: 'd2' })];
  await write(holder, 'lease', 'lock', { ttl_ms: 1000 });
  expect((await gone.ask(topic, 'phx_leave', {})).status).toBe('ok');
  await home.clock.pass(1005);
  expect([await told(holder), await told(gone)]).toMatchObject([{ length: 1 }, { length: 0 }]);
});
