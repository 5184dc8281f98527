import { records } from '@holdfast/client/records';
import { type Client } from '@holdfast/client';
import { passthrough, record, RejectedError } from '@holdfast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { Valve } from './valve.ts';
import { openWorld } from './world.ts';

const Budget = record({
  name: 'budget',
  store: 'acme/app',
  path: 'budgets/:id',
  version: '1.0',
  schema: passthrough<{ readonly left: number }>(),
  mutations: {
    spend: {
      input: passthrough<{ readonly n: number }>(),
      apply: (budget, { n }) => {
        if (budget === undefined || budget.left < n) throw new RejectedError('broke');
        return { left: budget.left - n };
      },
    },
    check: {
      apply: (budget) => {
        if (budget === undefined) throw new TypeError('it is taken for granted');
        return { left: budget.left - 1 };
      },
    },
  },
});

const main = { id: 'main' };

/** A client that has seen nothing of the 100 that are left. */
async function opened() {
  const world = await openWorld();
  onTestFinished(() => world[Symbol.asyncDispose]());
  const budgets = world.server.record(Budget);
  await budgets.write(main, { set: { left: 100 } });
  const link = new Valve();
  return { budgets, link, client: world.client({ link, records: records([Budget]) }) };
}

const ways: readonly [string, (client: Client, name: 'spend' | 'check') => Promise<unknown>][] = [
  [
    'alone',
    (client, name) =>
      name === 'check'
        ? client.record(Budget, main).mutate('check').committed
        : client.record(Budget, main).mutate('spend', { n: 1 }).committed,
  ],
  [
    'in a transaction with what is here',
    (client, name) =>
      client.transact((tx) => {
        tx.record(Budget.ref({ id: 'other' })).set({ left: 1 });
        const budget = tx.record(Budget.ref(main));
        if (name === 'check') budget.mutate('check');
        else budget.mutate('spend', { n: 1 });
      }).committed,
  ],
];

test.each(ways)(
  'a mutation that throws where there is nothing is, of an object that was not seen, for the server to judge: %s',
  async (_, made) => {
    const { budgets, client } = await opened();
    await made(client, 'spend');
    await made(client, 'check');
    expect((await budgets.get(main)).value).toEqual({ left: 98 });
  },
);

test.each(ways)(
  'one of a client that knows a part of the store, and not that object, is as well: %s',
  async (_, made) => {
    const { budgets, client } = await opened();
    const part = client.store('acme/app', { scope: ['locks/**'] });
    await part.ready;
    await made(client, 'spend');
    expect((await budgets.get(main)).value).toEqual({ left: 99 });
  },
);

test('once the object is here, what waits is shown on it', async () => {
  const { link, client } = await opened();
  const budget = client.record(Budget, main);
  onTestFinished(budget.retain());
  link.holdOut();
  const spent = budget.mutate('spend', { n: 30 });
  expect([budget.get(), spent.state]).toEqual([undefined, 'queued']);
  link.letOut();
  await spent.committed;
  expect(budget.get()).toEqual({ left: 70 });
});

test('where there is nothing on the server either, its no is the one of the mutation', async () => {
  const { client } = await opened();
  const spent = client.record(Budget, { id: 'none' }).mutate('spend', { n: 1 });
  await expect(spent.committed).rejects.toMatchObject({ code: 'broke' });
});

test('of an object that is here, or is known not to be, the client says no by itself', async () => {
  const { client, link } = await opened();
  const here = [client.record(Budget, main), client.record(Budget, { id: 'none' })];
  for (const each of here) onTestFinished(each.retain());
  await Promise.all(here.map((each) => each.ready()));
  link.holdOut();
  for (const each of here) {
    expect(() => each.mutate('spend', { n: 1000 })).toThrow(
      expect.objectContaining({ code: 'broke' }),
    );
  }
});
