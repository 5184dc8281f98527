import { records } from '@holdfast/client/records';
import { bySse } from '@holdfast/client/records/sse';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import { record, RejectedError } from '@holdfast/protocol';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { openWorld } from './world.ts';

const Order = record({
  name: 'order',
  store: 'acme/app',
  path: 'orders/:id',
  version: '1.0',
  schema: z.object({
    note: z.string().optional(),
    total: z.number(),
    state: z.enum(['open', 'shipped']),
  }),
  authority: { note: 'lww' }, // all else is the server's
  mutations: {
    place: {
      input: z.object({ total: z.number() }),
      apply: (order, { total }) => order ?? { total, state: 'open' },
    },
    ship: { apply: (order) => order && { ...order, state: 'shipped', note: 'on its way' } },
    recount: { apply: (order) => order && { ...order, total: 0 } },
    same: { apply: (order) => order },
    put: {
      input: z.object({ total: z.number() }),
      apply: (order, { total }) => order && { ...order, total },
    },
    unship: {
      apply: (order) => {
        if (order?.state !== 'shipped') throw new RejectedError('not_shipped');
        return { ...order, state: 'open' };
      },
    },
    refuse: { apply: (order) => order ?? { total: 0, state: 'open' } },
  },
});

/** A server that makes the mutations of the record its own, and a client that is nobody special. */
async function opened(delivery = {}) {
  const world = await openWorld(() => ({
    subject: 'ann',
    orgs: ['acme'],
    scopes: ['entries:read', 'entries:write'],
  }));
  onTestFinished(() => world[Symbol.asyncDispose]());
  const runs: string[] = [];
  const orders = world.server.record(Order, {
    write: (_ctx, _ref, { name = 'other' }) => runs.push(name) > 0 && name !== 'refuse',
    mutations: {
      ...Order.mutations,
      recount: { apply: (order) => ({ ...order, total: 29 }) },
    },
  });
  await orders.write({ id: '1' }, { set: { total: 7, state: 'open' } });
  const client = world.client({ records: records([Order], delivery) });
  return { runs, orders, client, order: (id: string) => client.record(Order, { id }) };
}

test.each([
  ['the socket', {}],
  ['server-sent events', { delivery: bySse() }],
])(
  'a mutation that changes only what is the server’s is sent, and done by the server (%s)',
  async (_by, delivery) => {
    const { order, runs } = await opened(delivery);
    const known = order('1');
    onTestFinished(known.retain());
    await known.ready();
    const write = known.mutate('recount');
    expect(known.get()).toEqual({ total: 7, state: 'open' });
    await write.committed;
    await expect.poll(() => known.get()).toEqual({ total: 29, state: 'open' });
    expect(runs).toEqual(['recount']);
  },
);

test('of a mutation that changes fields of both, the client’s are shown at once, and the server’s when it has done it', async () => {
  const { order } = await opened();
  const known = order('1');
  onTestFinished(known.retain());
  await known.ready();
  const write = known.mutate('ship');
  expect(known.get()).toEqual({ total: 7, state: 'open', note: 'on its way' });
  await write.committed;
  expect(known.get()).toEqual({ total: 7, state: 'shipped', note: 'on its way' });
});

test('a mutation that makes an object of fields of the server shows nothing until the server has made it', async () => {
  const { order } = await opened();
  const fresh = order('2');
  onTestFinished(fresh.retain());
  await fresh.ready();
  const write = fresh.mutate('place', { total: 3 });
  expect(fresh.get()).toBeUndefined();
  expect(fresh.state.get().pendingIntents).toBe(1);
  await expect(write.committed).resolves.toMatchObject({ value: { total: 3, state: 'open' } });
  expect(fresh.get()).toEqual({ total: 3, state: 'open' });
});

test('a mutation of an object of which nothing is known yet is sent, also in a transaction', async () => {
  const { client, order, orders } = await opened();
  const unseen = order('3').mutate('place', { total: 3 });
  await expect(unseen.committed).resolves.toMatchObject({ value: { total: 3 } });
  const there = order('1').mutate('place', { total: 4 });
  await expect(there.committed).resolves.toMatchObject({ value: { total: 7 } });
  await client.transact((tx) => {
    tx.record(Order.ref({ id: '4' })).mutate('place', { total: 5 });
    tx.record(Order.ref({ id: '1' })).mutate('ship');
  }).committed;
  expect((await orders.get({ id: '4' })).value).toEqual({ total: 5, state: 'open' });
  expect((await orders.get({ id: '1' })).value?.state).toBe('shipped');
});

test('what is asked of an object that the server has yet to make is asked after that, also in one transaction', async () => {
  const { client, order, orders } = await opened();
  const fresh = order('5');
  onTestFinished(fresh.retain());
  await fresh.ready();
  void fresh.mutate('place', { total: 3 }).committed;
  const shipped = { state: 'shipped', note: 'on its way' };
  await expect(fresh.mutate('ship').committed).resolves.toMatchObject({ value: shipped });
  await client.transact((tx) => {
    const object = tx.record(Order.ref({ id: '6' }));
    object.mutate('place', { total: 3 });
    object.mutate('ship');
  }).committed;
  expect((await orders.get({ id: '6' })).value).toMatchObject(shipped);
  await expect(order('7').mutate('ship').committed).rejects.toMatchObject({ code: 'not_found' });
});

test('a patch and a removal of what the server has yet to make are sent after what makes it, or refused with that', async () => {
  const { client, order, orders } = await opened();
  const place = async (id: string): Promise<ReturnType<typeof order>> => {
    const fresh = order(id);
    onTestFinished(fresh.retain());
    await fresh.ready();
    void fresh.mutate('place', { total: 3 }).committed;
    return fresh;
  };
  const patched = (await place('5')).patch({ note: 'ring twice' });
  const made = { total: 3, state: 'open', note: 'ring twice' };
  await expect(patched.committed).resolves.toMatchObject({ value: made });
  await (await place('6')).remove().committed;
  expect((await orders.get({ id: '6' })).value).toBeNull();
  for (const id of ['7', '8']) {
    if (id === '8') await order(id).ready();
    await client.transact((tx) => {
      const object = tx.record(Order.ref({ id }));
      object.mutate('place', { total: 3 });
      object.patch({ note: 'ring twice' });
    }).committed;
    expect((await orders.get({ id })).value).toEqual(made);
  }
  const nothing = order('9').patch({ note: 'ring twice' });
  await expect(nothing.committed).rejects.toMatchObject({ code: 'not_found' });
  const refused = order('10');
  onTestFinished(refused.retain());
  await refused.ready();
  const placing = refused.mutate('refuse').committed;
  const following = refused.patch({ note: 'ring twice' }).committed;
  await expect(placing).rejects.toMatchObject({ code: 'path_not_allowed' });
  await expect(following).rejects.toMatchObject({ code: 'not_found' });
  expect((await orders.get({ id: '10' })).value).toBeNull();
});

test('a mutation that changes nothing at all is not sent', async () => {
  const { order, runs } = await opened();
  const known = order('1');
  onTestFinished(known.retain());
  await known.ready();
  await known.mutate('same').committed;
  expect(runs).toEqual([]);
});

describe.each([
  ['the socket', {}],
  ['server-sent events', { delivery: bySse() }],
])('while a mutation waits that changes what is the server’s (%s)', (_by, delivery) => {
  test('one that would leave alone what is still shown is sent, and is the last to count', async () => {
    const { order, orders, runs } = await opened(delivery);
    const known = order('1');
    onTestFinished(known.retain());
    await known.ready();
    void known.mutate('put', { total: 8 });
    await known.mutate('put', { total: 7 }).committed;
    expect(runs).toEqual(['put', 'put']);
    expect((await orders.get({ id: '1' })).value?.total).toBe(7);
  });

  test('one that says no to what is still shown is for the server to judge', async () => {
    const { order, orders } = await opened(delivery);
    const known = order('1');
    onTestFinished(known.retain());
    await known.ready();
    expect(() => known.mutate('unship')).toThrow(RejectedError);
    void known.mutate('ship');
    await known.mutate('unship').committed;
    expect((await orders.get({ id: '1' })).value?.state).toBe('open');
    void known.mutate('recount');
    const none = known.mutate('unship').committed;
    await expect(none).rejects.toMatchObject({ code: 'not_shipped' });
  });
});

test('in one transaction each mutation is sent that may change what those before it have left', async () => {
  const { client, order, orders, runs } = await opened();
  await order('1').ready();
  await client.transact((tx) => {
    const object = tx.record(Order.ref({ id: '1' }));
    object.mutate('put', { total: 8 });
    object.mutate('put', { total: 7 });
    object.mutate('ship');
    object.mutate('unship');
  }).committed;
  expect(runs).toEqual(['put', 'put', 'ship', 'unship']);
  expect((await orders.get({ id: '1' })).value).toMatchObject({ total: 7, state: 'open' });
});

test('a mutation whose envelope has not come yet is not known to have left what is shown', async () => {
  const transport = new InProcessTransport();
  const { order, orders } = await opened({ delivery: byTransport({ transport }) });
  const known = order('1');
  onTestFinished(known.retain());
  const { value, sequence } = await orders.get({ id: '1' });
  transport.publish(known.key, { value, schema_version: '1.0', sequence });
  await known.ready();
  await known.mutate('put', { total: 8 }).committed;
  await known.mutate('put', { total: 7 }).committed;
  expect((await orders.get({ id: '1' })).value?.total).toBe(7);
});
