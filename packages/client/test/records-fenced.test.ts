import type { ClientOptions } from '@holdfast/client';
import { keptIn } from '@holdfast/client/cache';
import { type RecordConflictError, records } from '@holdfast/client/records';
import { bySse } from '@holdfast/client/records/sse';
import { passthrough, record } from '@holdfast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { Disk, MapRows } from './cache/map-rows.ts';
import { Valve } from './valve.ts';
import { openWorld } from './world.ts';

const Trip = record({
  name: 'trip',
  store: 'acme/app',
  path: 'trips/:id',
  version: '1.0',
  schema: passthrough<{ readonly state: string; readonly driver?: string }>(),
  conflict: 'detect',
  mutations: {
    assign: {
      input: passthrough<{ readonly driver: string }>(),
      apply: (trip, { driver }) => trip && { ...trip, state: 'assigned', driver },
    },
  },
});
const trip = Trip.ref({ id: '1' });

/** A trip that waits for a driver, and workers who take its lease before they give it one. */
async function opened() {
  const world = await openWorld();
  onTestFinished(() => world[Symbol.asyncDispose]());
  const trips = world.server.record(Trip);
  await trips.write({ id: '1' }, { set: { state: 'open' } });
  const told: RecordConflictError[] = [];
  const onConflict = (each: RecordConflictError): unknown => told.push(each);
  const worker = async (options: Partial<ClientOptions> = {}, delivery = {}) => {
    const client = world.client({
      records: records([Trip], { onConflict, ...delivery }),
      ...options,
    });
    const store = client.store('acme/app', { scope: [] });
    const shown = client.record(trip.record, trip.params);
    onTestFinished(shown.retain());
    await shown.ready();
    const lease = () => store.lease('locks/1', { ttl: 30_000 });
    return { client, store, shown, lease };
  };
  const standing = async () => (await trips.get({ id: '1' })).value;
  return { trips, told, worker, standing };
}

test.each([
  ['the socket', {}],
  ['server-sent events', { delivery: bySse() }],
])(
  'writes of records under a lease are committed while it is held, and none of them once another holds it (%s)',
  async (_by, delivery) => {
    const { worker, standing } = await opened();
    const [first, second] = [await worker({}, delivery), await worker({}, delivery)];
    const lost = await first.lease();
    await first.client.transact((tx) => {
      tx.fence(lost);
      tx.record(trip).mutate('assign', { driver: 'ann' });
    }).committed;
    expect(await standing()).toEqual({ state: 'assigned', driver: 'ann' });
    await lost.release();
    const held = await second.lease();
    const late = first.client.transact((tx) => {
      tx.record(trip).mutate('assign', { driver: 'bob' });
      tx.record(Trip.ref({ id: '2' })).set({ state: 'open' });
      tx.fence(lost);
    });
    await expect(late.committed).rejects.toMatchObject({ code: 'fenced' });
    expect(first.shown.get()?.driver).toBe('ann');
    await second.client.transact((tx) => {
      tx.fence(held);
      tx.record(trip).mutate('assign', { driver: 'cleo' });
    }).committed;
    expect(await standing()).toEqual({ state: 'assigned', driver: 'cleo' });
  },
);

test('a conflict of writes under a lease that is resolved to mine is made once more under the lease', async () => {
  const { trips, told, worker, standing } = await opened();
  const link = new Valve();
  const { client, store, lease } = await worker({ link });
  const held = await lease();
  const other = await worker();
  link.holdOut();
  const write = client.transact((tx) => {
    tx.fence(held);
    tx.record(trip).patch({ state: 'mine' });
  });
  await trips.write({ id: '1' }, { patch: { state: 'theirs' } });
  link.letOut();
  await expect(write.committed).rejects.toMatchObject({ code: 'conflict' });
  await expect.poll(() => told.length).toBe(1);
  await held.release();
  await other.lease();
  const again = told[0]?.resolve('mine');
  await expect(again?.committed).rejects.toMatchObject({ code: 'fenced' });
  expect((await standing())?.state).toBe('theirs');
  await store.settled();
});

test('what a former life has left under a lease, and met another, stays a dead letter: it is not made without the lease', async () => {
  const { trips, told, worker } = await opened();
  const [disk, link] = [new Disk(), new Valve()];
  const cache = () => keptIn(new MapRows(disk));
  const { client, lease } = await worker({ link, cache: cache() });
  const held = await lease();
  link.holdOut();
  const write = client.transact((tx) => {
    tx.fence(held);
    tx.record(trip).patch({ state: 'mine' });
  });
  await client.flush({ timeout: 1 }).catch(() => undefined);
  expect(write.status.get()).toBe('pending');
  await client.close();
  await trips.write({ id: '1' }, { patch: { state: 'theirs' } });
  const next = await worker({ cache: cache() });
  await expect
    .poll(() => next.store.outbox.deadLetters())
    .toMatchObject([{ refusal: { code: 'conflict' } }]);
  await next.client.flush();
  expect([told, next.shown.state.get().conflicts]).toEqual([[], []]);
});

test('a fence is of a transaction that is not over, and names a path', async () => {
  const { worker } = await opened();
  const { client, lease } = await worker();
  const held = await lease();
  let fence: (() => void) | undefined;
  client.transact((tx) => {
    fence = () => tx.fence(held);
    tx.record(trip).patch({ state: 'closed' });
  });
  expect(fence).toThrow('transact: the callback must not wait.');
  const wrong = () =>
    client.transact((tx) => {
      tx.fence({ key: '', token: 1 });
      tx.record(trip).patch({ state: 'gone' });
    });
  expect(wrong).toThrow(expect.objectContaining({ code: 'invalid_precondition' }));
});
