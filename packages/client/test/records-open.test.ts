import { getEventListeners } from 'node:events';
import { records } from '@holdfast/client/records';
import { collection } from '@holdfast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { Item } from './item.ts';
import { Valve } from './valve.ts';
import { openWorld } from './world.ts';

async function opened(openMax?: number) {
  const world = await openWorld();
  onTestFinished(() => world[Symbol.asyncDispose]());
  const items = world.server.record(Item);
  await (await world.store()).put('items', { a: { n: 1 }, b: { n: 2 }, c: { n: 3 }, d: { n: 4 } })
    .committed;
  const valve = new Valve();
  const options = openMax === undefined ? {} : { openMax };
  const client = world.client({ link: valve, records: records([Item], options) });
  const item = (id: string) => client.record(Item, { id });
  return { world, items, client, valve, item };
}

const excess = { code: 'limit_exceeded', details: { dimension: 'records' } };

test('more records than may be open are told so, harm no other, and have their turn when one is let go of', async () => {
  const { item, items, valve, client } = await opened(2);
  const [releaseA] = [item('a').retain(), item('b').retain()];
  await Promise.all([item('a').ready(), item('b').ready()]);
  const [releaseC, releaseD] = [item('c').retain(), item('d').retain()];
  await expect(item('c').ready()).rejects.toMatchObject({ ...excess });
  expect(item('c').state.get()).toMatchObject({ status: 'stale', value: undefined, error: excess });
  expect([item('a').get(), item('b').get()]).toEqual([{ n: 1 }, { n: 2 }]);
  await items.write({ id: 'a' }, { patch: { n: 10 } });
  await expect.poll(() => item('a').get()).toEqual({ n: 10 });
  // It can be written to.
  const set = item('d').set({ n: 40 });
  await expect(set.committed).resolves.toEqual(expect.objectContaining({ value: { n: 40 } }));
  expect(await set.committed).not.toHaveProperty('deleted');
  const unseen = await item('c').patch({ n: 3 }).committed;
  expect([unseen.value, unseen.deleted]).toEqual([null, undefined]);
  await items.write({ id: 'e' }, { set: { n: 5 } });
  await expect(item('e').remove().committed).resolves.toMatchObject({ deleted: true });
  releaseA();
  await expect.poll(() => item('c').get()).toEqual({ n: 3 });
  expect(item('c').state.get()).toMatchObject({ status: 'ok' });
  expect(item('c').state.get().error).toBeUndefined();
  expect(item('d').state.get().error).toMatchObject(excess);
  releaseC();
  await expect.poll(() => item('d').state.get().status).toBe('ok');
  await item('d').ready();
  expect(item('d').get()).toEqual({ n: 40 });
  releaseD();
  expect([valve.opened, client.status.get().connection]).toEqual([1, 'connected']);
});

test('a thousand are open by default; of a store that is here as a whole there may be any number', async () => {
  const { item, client } = await opened();
  const ids = Array.from({ length: 1001 }, (_, n) => `x${n}`);
  for (const id of ids) item(id).retain();
  await expect(item('x1000').ready()).rejects.toMatchObject({ details: { limit: 1000 } });
  await item('x999').ready();
  expect(item('x999').state.get().status).toBe('gone');
  const store = client.store('acme/app');
  await store.ready;
  item('x1000').retry();
  await item('x1000').ready();
  expect(item('x1000').state.get().status).toBe('gone');
});

test('a place goes to who can use it, where who has waited longest needs none any more', async () => {
  const { item, client } = await opened(1);
  const releaseA = item('a').retain();
  await item('a').ready();
  for (const id of ['c', 'd']) item(id).retain();
  await expect(item('d').ready()).rejects.toMatchObject(excess);
  const third = client.collection(collection(Item, { where: { n: 3 } }));
  third.retain();
  await third.ready();
  await expect.poll(() => item('c').state.get().status).toBe('ok');
  releaseA();
  await expect.poll(() => item('d').state.get().status).toBe('ok');
});

test('who waits for a record waits no longer than a signal lets it, and leaves nothing on the signal', async () => {
  const { item, valve } = await opened();
  const controller = new AbortController();
  const { signal } = controller;
  for (const id of ['a', 'b', 'c']) await item(id).ready({ signal });
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  valve.holdOut();
  const waiting = item('d').ready({ signal });
  const reason = new Error('no longer wanted');
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(item('a').ready({ signal })).rejects.toBe(reason);
});
