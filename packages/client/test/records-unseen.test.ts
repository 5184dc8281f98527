import { type RecordConflictError, records } from '@holdfast/client/records';
import { collection, passthrough, record } from '@holdfast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { Valve } from './valve.ts';
import { openWorld } from './world.ts';

type Item = { readonly n?: number; readonly s?: string };

const Item = record({
  name: 'item',
  store: 'acme/app',
  path: 'items/:id',
  version: '1.0',
  schema: passthrough<Item>(),
});

const Careful = record({
  name: 'careful',
  store: 'acme/app',
  path: 'careful/:id',
  version: '1.0',
  schema: passthrough<Item>(),
  conflict: 'detect',
});

const Job = record({
  name: 'job',
  store: 'acme/app',
  path: 'jobs/:id',
  version: '1.0',
  schema: passthrough<{ readonly by: string | null; readonly done: boolean }>(),
  mutations: {
    finish: {
      input: passthrough<{ readonly by: string }>(),
      apply: (job, { by }) => (job?.by === by ? { by, done: true } : job),
    },
  },
});

/** A client that is connected, and has seen nothing of what it is about to write to. */
async function opened() {
  const world = await openWorld();
  onTestFinished(() => world[Symbol.asyncDispose]());
  const items = world.server.record(Item);
  const careful = world.server.record(Careful);
  const jobs = world.server.record(Job);
  const link = new Valve();
  const client = world.client({ link, records: records([Item, Careful, Job]) });
  await client.record(Item, { id: 'other' }).set({ n: 0 }).committed;
  const item = (id: string) => client.record(Item, { id });
  return { items, careful, jobs, link, client, item };
}

type Here = Awaited<ReturnType<typeof opened>>;

/** All that an item shows from now on. */
function shown({ item }: Here, id: string): unknown[] {
  const seen: unknown[] = [];
  onTestFinished(item(id).subscribe(() => seen.push(item(id).get())));
  return seen;
}

const sentOf = ({ link }: Here, event: string): unknown[] =>
  link.sent.filter((data) => String(data).includes(`"${event}"`));

test('R107 R111 what is made before it was seen stays on the screen, and is told of as the server has it', async () => {
  const here = await opened();
  const seen = shown(here, 'a');
  await expect(here.item('a').set({ n: 1 }).committed).resolves.toMatchObject({
    value: { n: 1 },
    sequence: 3,
  });
  expect(here.item('a').state.get()).toMatchObject({ status: 'ok', pendingIntents: 0 });
  expect(seen).toEqual([{ n: 1 }]);
});

test('R121 R107 the same of what is made without a network, and sent with the next connection', async () => {
  const here = await opened();
  here.link.cut();
  const seen = shown(here, 'a');
  const made = here.item('a').set({ n: 1 });
  await expect(made.committed).resolves.toMatchObject({ value: { n: 1 } });
  expect(seen).toEqual([{ n: 1 }]);
});

test('of a mutation that found something else on the server, and of a row that has left its query, what stands there is told', async () => {
  const { jobs, client, link } = await opened();
  await jobs.write({ id: '1' }, { set: { by: 'ann', done: false } });
  const open = client.collection(collection(Job, { where: { done: false } }));
  onTestFinished(open.retain());
  await open.ready();
  const job = open.row(open.keys()[0] ?? '');
  link.holdOut();
  const late = job?.mutate('finish', { by: 'ann' });
  await jobs.write({ id: '1' }, { set: { by: 'bob', done: true } });
  await expect.poll(() => job?.state.get().status).toBe('refetching');
  link.letOut();
  const { sequence } = await jobs.get({ id: '1' });
  expect(await late?.committed).toMatchObject({ value: { by: 'bob', done: true }, sequence });
});

test('of a write that takes a row out of its query the seq of the write is told', async () => {
  const { jobs, client } = await opened();
  await jobs.write({ id: '1' }, { set: { by: 'ann', done: false } });
  const open = client.collection(collection(Job, { where: { done: false } }));
  onTestFinished(open.retain());
  await open.ready();
  const told = await open.row(open.keys()[0] ?? '')?.mutate('finish', { by: 'ann' }).committed;
  const { sequence } = await jobs.get({ id: '1' });
  expect(told).toMatchObject({ value: { by: 'ann', done: true }, sequence });
});

test('R260 many that are written before they were seen need few pushes of scope', async () => {
  const here = await opened();
  const before = sentOf(here, 'scope').length;
  const made = Array.from({ length: 20 }, (_, n) => here.item(`x${n}`).set({ n }));
  const told = await Promise.all(made.map(({ committed }) => committed));
  expect(told.map(({ value }) => value?.n)).toEqual(made.map((_, n) => n));
  expect(sentOf(here, 'scope').length - before).toBeLessThanOrEqual(2);
});

test('R121 what was not seen is patched and counted up where it is, and not found where it is not', async () => {
  const here = await opened();
  const { items, item } = here;
  await items.write({ id: 'there' }, { set: { n: 1, s: 'a' } });
  const seen = shown(here, 'there');
  const patched = item('there').patch({ s: 'b' });
  const counted = item('there').increment('n');
  await expect(patched.committed).resolves.toMatchObject({ value: { s: 'b' } });
  await expect(counted.committed).resolves.toMatchObject({ value: { n: 2, s: 'b' } });
  expect(seen.every((value) => (value as Item).s === 'b')).toBe(true);
  await expect(item('a').patch({ n: 1 }).committed).rejects.toMatchObject({ code: 'not_found' });
  await expect(item('b').increment('n').committed).rejects.toMatchObject({ code: 'not_found' });
  await expect(items.get({ id: 'a' })).resolves.toMatchObject({ deleted: true });
  // On top of what this client makes itself it rests on nothing else.
  item('c').set({ n: 1 });
  await expect(item('c').patch({ s: 'c' }).committed).resolves.toMatchObject({
    value: { n: 1, s: 'c' },
  });
});

test('R121 R227 who does not see all of an object may patch it before any of it is here', async () => {
  const Half = record({
    name: 'half',
    store: 'acme/app',
    path: 'halves/:id',
    version: '1.0',
    schema: passthrough<Item>(),
    visibility: { s: () => false, '*': () => true },
  });
  await using world = await openWorld(async ({ token }) => ({
    subject: token,
    orgs: ['acme'],
    scopes: ['entries:read', 'entries:write'],
    storeAccess: { mode: 'all' },
  }));
  const halves = world.server.record(Half);
  await halves.write({ id: '1' }, { set: { n: 1, s: 'hidden' } });
  const half = (id: string) => client.record(Half, { id });
  const client = world.client({ token: 'eve', records: records([Half]) });
  await half('1').patch({ n: 2 }).committed;
  await expect(halves.get({ id: '1' })).resolves.toMatchObject({ value: { n: 2, s: 'hidden' } });
  await expect(half('2').patch({ n: 2 }).committed).rejects.toMatchObject({ code: 'not_found' });
});

test('R122 what is to be taken back before it is made is not made', async () => {
  const here = await opened();
  const writes = sentOf(here, 'write').length;
  const receipt = here.item('a').set({ n: 1 }, { signal: AbortSignal.abort() });
  expect([receipt.state, here.item('a').get()]).toEqual(['cancelled', undefined]);
  await expect(receipt.committed).rejects.toMatchObject({ code: 'cancelled' });
  expect(sentOf(here, 'write')).toHaveLength(writes);
});

test('R78 what is removed has been at the seq of that', async () => {
  const here = await opened();
  await here.item('a').set({ n: 1 }).committed;
  await expect(here.item('a').remove().committed).resolves.toMatchObject({
    value: null,
    deleted: true,
    sequence: 4,
  });
});

test('R124 who keeps what is deleted meanwhile has all of it again', async () => {
  const here = await opened();
  const { careful, client, link } = here;
  await careful.write({ id: '1' }, { set: { n: 1, s: 'a' } });
  const mine = client.record(Careful, { id: '1' });
  await mine.ready();
  link.holdOut();
  const patched = mine.patch({ n: 2 });
  await careful.write({ id: '1' }, { remove: true });
  link.letOut();
  await expect(patched.committed).rejects.toMatchObject({ kind: 'deleted' });
  const [conflict] = mine.state.get().conflicts as RecordConflictError[];
  await expect(conflict?.resolve('mine')?.committed).resolves.toMatchObject({
    value: { n: 2, s: 'a' },
  });
});

test('R124 of what was not seen nothing is met where it is patched, counted up or removed; what is made must not be there', async () => {
  const { careful, client } = await opened();
  const ids = ['patched', 'counted', 'removed', 'made'];
  for (const id of ids) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await careful.write({ id }, { set: { n: 1, s: 'a' } });
  }
  const [patched, counted, removed, made] = ids.map((id) => client.record(Careful, { id }));
  await expect(patched?.patch({ s: 'b' }).committed).resolves.toMatchObject({
    value: { n: 1, s: 'b' },
  });
  await expect(counted?.increment('n').committed).resolves.toMatchObject({ value: { n: 2 } });
  await expect(removed?.remove().committed).resolves.toMatchObject({ deleted: true });
  await expect(made?.set({ n: 3 }).committed).rejects.toMatchObject({ kind: 'precondition' });
});

test('C8 a guard of what is not here yet is judged by the server', async () => {
  const { items, client } = await opened();
  await items.write({ id: 'there' }, { set: { n: 1 } });
  const part = client.store('acme/app', { scope: ['items/there/**'] });
  const tx = part.transact((each) => {
    each.exists('items/there');
    each.put('items/there/n', 2);
  });
  await expect(tx.committed).resolves.toMatchObject({ seq: 4 });
});

test('R119 R156 what is counted up beside what is made anew is counted once, whatever is here first', async () => {
  const here = await opened();
  await here.item('a').set({ n: 5 }).committed;
  const seen = shown(here, 'a');
  const { committed } = here.client.transact((tx) => {
    tx.record(here.item('a')).increment('n');
    tx.record(here.item('b')).set({ n: 1 });
  });
  await committed;
  await here.item('b').ready();
  expect(here.item('a').get()).toEqual({ n: 6 });
  expect(seen).toEqual([{ n: 6 }]);
});
