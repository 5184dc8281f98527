import { type Client, memoryCache, type Store } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { type CollectionHandle, records } from '@holdfast/client/records';
import { collection, passthrough, record } from '@holdfast/protocol';
import { createServer } from '@holdfast/server';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

type Task = { readonly title: string; readonly done: boolean; readonly rank?: number };

const Task = record({
  name: 'task',
  store: 'acme/app',
  path: 'tasks/:id',
  version: '1',
  schema: passthrough<Task>(),
});

const Time = record({
  name: 'time',
  store: 'acme/app',
  path: 'times/:id',
  version: '1',
  schema: z.object({ at: z.date(), label: z.string().optional() }),
});

/** What it shows of a number is none, to see that it is the same none each time. */
const Odd = record({
  name: 'odd',
  store: 'acme/app',
  path: 'odds/:id',
  version: '1',
  schema: z.object({ n: z.number().transform(() => Number.NaN), note: z.string().optional() }),
  stored: 'input',
});

const open = collection(Task, { where: { done: false }, orderBy: [['rank', 'asc']] });

type Setting = { readonly world: World; readonly store: Store; readonly valve: Valve } & {
  readonly client: Client;
  again(): Client;
};

/** A server that knows the records, what it has, and a client whose messages can be seen. */
async function setting(world: World, count = 3): Promise<Setting> {
  for (const each of [Task, Time, Odd]) world.server.record(each);
  const store = await world.store();
  const tasks = Array.from({ length: count }, (_, id) => [
    `t${id}`,
    { title: `T${id}`, done: false, rank: id },
  ]);
  await store.put('tasks', Object.fromEntries(tasks)).committed;
  const valve = new Valve();
  const client = world.client({ records: records([Task, Time, Odd]), link: valve });
  return { world, store, valve, client, again: () => world.client({ records: records([Task]) }) };
}

const titles = (handle: CollectionHandle<typeof Task>): readonly string[] =>
  handle.get().map(({ title }) => title);

const until = (handle: CollectionHandle<never>, isSo: () => boolean): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      if (!isSo()) return;
      release();
      resolve();
    };
    const release = handle.state.subscribe(look);
    queueMicrotask(look);
  });

const shows = (handle: CollectionHandle<typeof Task>, expected: readonly string[]): Promise<void> =>
  until(handle as never, () => titles(handle).join() === expected.join());

const pushes = ({ sent }: Valve, event: string): readonly unknown[] =>
  sent.filter((data) => typeof data === 'string' && data.includes(`"${event}",{`));

/** The leaves that a client has of the store. */
const leaves = (client: Client): number =>
  (client.inspect() as { stores: { leaves: number }[] }).stores[0]?.leaves ?? 0;

/** A store that is part of the same client, with what it holds. */
const holding = (client: Client, scope: string): Store =>
  client.store('acme/app', { scope: [scope] });

test('R181 R184 R197 a query has its window and no more; a row of two queries is there once, and leaves with the last', async () => {
  await using world = await openWorld();
  const { client, store } = await setting(world, 10);
  const first = client.collection(collection(Task, { orderBy: 'rank', limit: 2 }));
  const release = first.retain();
  await first.ready();
  // Each has three leaves; and there is the version of the record.
  expect([titles(first), leaves(client)]).toEqual([['T0', 'T1'], 7]);
  const second = client.collection(collection(Task, { orderBy: 'rank', limit: 3 }));
  const leave = second.retain();
  await second.ready();
  expect([titles(second), leaves(client)]).toEqual([['T0', 'T1', 'T2'], 10]);
  await store.put('tasks/t1/title', 'both').committed;
  await shows(second, ['T0', 'both', 'T2']);
  expect(titles(first)).toEqual(['T0', 'both']);
  await store.put('tasks/t0/rank', 20).committed;
  await shows(first, ['both', 'T2']);
  expect([titles(second), leaves(client)]).toEqual([['both', 'T2', 'T3'], 10]);
  leave();
  release();
});

test('R197 R202 gaining the pattern and losing it again switches who finds the rows, and shows nothing in between', async () => {
  await using world = await openWorld();
  const { client, store, valve } = await setting(world);
  const tasks = client.collection(open);
  const states: string[] = [];
  const release = tasks.state.subscribe(() => {
    const { ready, rows } = tasks.state.get();
    states.push(`${String(ready)} ${rows.length}`);
  });
  await tasks.ready();
  const held = holding(client, 'tasks/**');
  await held.ready;
  await expect.poll(() => pushes(valve, 'query_close').length).toBe(1);
  await store.put('tasks/t9', { title: 'T9', done: false, rank: 9 }).committed;
  await shows(tasks, ['T0', 'T1', 'T2', 'T9']);
  const other = client.collection(collection(Task, { where: { done: true } }));
  const leave = other.retain();
  await other.ready();
  expect(pushes(valve, 'query_open')).toHaveLength(1);
  expect(new Set(states)).toEqual(new Set(['false 0', 'true 3', 'true 4'].slice(1)));
  leave();
  release();
});

test('R165 R260 a query and a record of the same object tell of a commit in one change', async () => {
  await using world = await openWorld();
  const { client, store } = await setting(world);
  const tasks = client.collection(open);
  await tasks.ready();
  const task = client.record(Task, { id: 't1' });
  const releases = [task.retain(), tasks.retain()];
  await task.ready();
  const seen: string[] = [];
  const tell = (): void => {
    seen.push(`${task.get()?.title ?? ''} ${titles(tasks).join()}`);
  };
  releases.push(task.subscribe(tell), tasks.subscribe(tell));
  await store.merge('tasks/t1', { title: 'new', rank: -1 }).committed;
  await shows(tasks, ['new', 'T0', 'T2']);
  expect(new Set(seen)).toEqual(new Set(['new new,T0,T2']));
  for (const release of releases) release();
});

test('R167 a row is written without a pattern of its own, which it gets when it leaves', async () => {
  await using world = await openWorld();
  const { client, valve } = await setting(world);
  const tasks = client.collection(open);
  const release = tasks.retain();
  await tasks.ready();
  const row = tasks.row(tasks.keys()[1] ?? '');
  await row?.patch({ title: 'own' }).committed;
  await shows(tasks, ['T0', 'own', 'T2']);
  expect(pushes(valve, 'scope')).toHaveLength(0);
  const states: unknown[] = [];
  const leave = row?.state.subscribe(() => states.push(row.get()?.title));
  await row?.patch({ done: true }).committed;
  await expect.poll(() => row?.state.get().status).toBe('ok');
  expect([titles(tasks), row?.get()?.done]).toEqual([['T0', 'T2'], true]);
  expect(new Set(states)).toEqual(new Set(['own']));
  leave?.();
  release();
});

test('R198 a row that leaves and returns with a write that is not decided keeps what it shows of it', async () => {
  await using world = await openWorld();
  const { client, store, valve } = await setting(world);
  const tasks = client.collection(open);
  const release = tasks.retain();
  await tasks.ready();
  valve.holdOut();
  const row = client.record(Task, { id: 't1' });
  const keep = row.retain();
  const written = row.patch({ title: 'mine' });
  expect(titles(tasks)).toEqual(['T0', 'mine', 'T2']);
  await store.put('tasks/t1/done', true).committed;
  await shows(tasks, ['T0', 'T2']);
  await store.put('tasks/t1/done', false).committed;
  await shows(tasks, ['T0', 'mine', 'T2']);
  expect(tasks.state.get().rows[1]?.pending).toBe(1);
  valve.letOut();
  await written.committed;
  expect(titles(tasks)).toEqual(['T0', 'mine', 'T2']);
  keep();
  release();
});

test('R199 own creates, updates and deletes show at their place within the window, and not beyond it', async () => {
  await using world = await openWorld();
  const { client, valve } = await setting(world, 6);
  const tasks = client.collection(
    collection(Task, { where: { done: false }, orderBy: 'rank', limit: 3 }),
  );
  const over = client.collection(collection(Task, { where: { done: true } }));
  const releases = [tasks.retain(), over.retain()];
  const old = { title: 'old', done: true, rank: 0.7 };
  await client.record(Task, { id: 'old' }).set(old).committed;
  await shows(over, ['old']);
  await tasks.ready();
  valve.holdOut();
  const make = (id: string, rank: number) =>
    client.record(Task, { id }).set({ title: id, done: false, rank });
  const written = [make('within', 0.5), make('beyond', 2.5)];
  expect(titles(tasks)).toEqual(['T0', 'within', 'T1']);
  written.push(client.record(Task, { id: 't0' }).patch({ rank: 9 }));
  expect(titles(tasks)).toEqual(['within', 'T1', 'T2']);
  const removed = tasks.row('rec/acme/app/tasks/t1')?.remove();
  expect(titles(tasks)).toEqual(['within', 'T2']);
  // What another query has comes into this one by an own write, too.
  const moved = over.row('rec/acme/app/tasks/old')?.patch({ done: false });
  expect([titles(tasks), titles(over)]).toEqual([['within', 'old', 'T2'], []]);
  valve.letOut();
  await Promise.all([
    ...written.map(({ committed }) => committed),
    removed?.committed,
    moved?.committed,
  ]);
  await shows(tasks, ['within', 'old', 'T2']);
  await client.record(Task, { id: 'old' }).remove().committed;
  await shows(tasks, ['within', 'T2', 'beyond']);
  for (const release of releases) release();
});

test('R196 R193 after a broken connection the query is opened with what is here, and only what differs is sent', async () => {
  await using world = await openWorld();
  const { client, store, valve } = await setting(world, 50);
  const tasks = client.collection(open);
  const release = tasks.retain();
  await tasks.ready();
  const values: string[] = [];
  tasks.subscribe(() => values.push(titles(tasks).join()));
  valve.down();
  await store.put('tasks/t7/title', 'changed').committed;
  await store.delete('tasks/t8').committed;
  const before = valve.received.length;
  valve.up();
  await until(tasks as never, () => titles(tasks)[7] === 'changed');
  expect(titles(tasks)).toHaveLength(49);
  const news = valve.received.slice(before);
  const delta = news.find((data) => String(data).includes('query_delta'));
  const [, , , , payload] = JSON.parse(String(delta)) as [0, 0, 0, 0, { entries: [string][] }];
  expect(payload.entries.map(([path]) => path.split('/')[1])).toEqual(['t7', 't7', 't7']);
  expect(values).toHaveLength(1);
  release();
});

test('R193 clients go on receiving when the server is another process', async () => {
  const directory = mkdtempSync(`${tmpdir()}/queries-`);
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const start = async (port: number) => {
    const server = createServer({ storage: sqlite({ directory }), rates: false });
    server.record(Task);
    const { url } = await server.listen({ port });
    return { server, url };
  };
  const first = await start(0);
  await first.server.stores.create('acme/app');
  const { rawToken: token } = await first.server.tokens.issue({
    name: 'test',
    org: 'acme',
    scopes: ['entries:read', 'entries:write'],
    storeAccess: { mode: 'all' },
    expiresAt: null,
    createdBy: null,
  });
  await using world = await openWorld();
  const client = world.client({ url: first.url, token, records: records([Task]) });
  await client.record(Task, { id: 'a' }).set({ title: 'A', done: false }).committed;
  const tasks = client.collection(open);
  const release = tasks.retain();
  await tasks.ready();
  await first.server.close({ retryAfterMs: 0 });
  const second = await start(Number(new URL(first.url).port));
  await client.record(Task, { id: 'b' }).set({ title: 'B', done: false, rank: 1 }).committed;
  await shows(tasks, ['A', 'B']);
  // An own write counts as pending until what it wrote has come.
  await expect.poll(() => tasks.state.get().rows.every(({ pending }) => pending === 0)).toBe(true);
  release();
  await client.close();
  await second.server.close({ retryAfterMs: 0 });
});

test('R171 what a cache kept of a collection is there without a server, and is made good when there is one', async () => {
  await using world = await openWorld();
  const { store } = await setting(world);
  const cache = memoryCache();
  const make = (more = {}): Client =>
    world.client({ records: records([Task]), cache, deviceId: 'd', ...more });
  const before = make();
  await before.collection(open).ready();
  await before.close();
  const away = make({ link: memoryLink(() => null) });
  const kept = away.collection(open);
  await kept.ready();
  expect([titles(kept), kept.state.get().ready]).toEqual([['T0', 'T1', 'T2'], true]);
  await away.close();
  await store.put('tasks/t1/done', true).committed;
  const back = make();
  const again = back.collection(open);
  const release = again.retain();
  await again.ready();
  await shows(again, ['T0', 'T2']);
  expect(leaves(back)).toBe(7);
  release();
});

test('R192 a date that differs by a millisecond is another; what is no number is the same each time', async () => {
  await using world = await openWorld();
  const { client } = await setting(world);
  const times = client.collection(collection(Time, { orderBy: 'at' }));
  const odds = client.collection(collection(Odd, {}));
  const at = new Date('2026-01-01T00:00:00.000Z');
  const time = client.record(Time, { id: '1' });
  await time.set({ at }).committed;
  await client.record(Odd, { id: '1' }).set({ n: 1 }).committed;
  await Promise.all([times.ready(), odds.ready()]);
  const told = { times: 0, odds: 0 };
  const releases = [
    times.subscribe(() => (told.times += 1)),
    odds.subscribe(() => (told.odds += 1)),
  ];
  await time.set({ at: new Date(at.getTime() + 1) }).committed;
  await client.record(Odd, { id: '1' }).patch({ n: 2 }).committed;
  await until(times as never, () => times.get()[0]?.at.getTime() === at.getTime() + 1);
  await until(odds as never, () => odds.state.get().rows[0]?.pending === 0);
  expect(odds.get()).toEqual([{ n: Number.NaN }]);
  expect(told).toEqual({ times: 1, odds: 0 });
  for (const release of releases) release();
});

test('R203 R168 of queries that follow each other quickly one is open in the end; what nobody waited for is given up', async () => {
  await using world = await openWorld();
  const { client, valve } = await setting(world);
  const of = (rank: number) =>
    client.collection(collection(Task, { where: { rank: { gte: rank } } }));
  const first = of(0);
  const release = first.retain();
  await first.ready();
  const passed = of(1).retain();
  const last = of(2);
  const keep = last.retain();
  passed();
  await last.ready();
  release();
  expect(titles(first)).toEqual(['T0', 'T1', 'T2']);
  expect(titles(last)).toEqual(['T2']);
  await expect
    .poll(() => pushes(valve, 'query_open').length - pushes(valve, 'query_close').length)
    .toBeLessThanOrEqual(2);
  expect(of(1).state.get().ready).toBe(false);
  keep();
});

test('R204 an equal spec of another object costs no message', async () => {
  await using world = await openWorld();
  const { client, valve } = await setting(world);
  const make = () =>
    client.collection(collection(Task, { orderBy: [['rank', 'asc']], where: { done: false } }));
  const release = make().retain();
  await make().ready();
  const sent = valve.sent.length;
  const again = make().retain();
  await make().ready();
  expect(valve.sent).toHaveLength(sent);
  again();
  release();
});

test('R201 a window is widened by the server, and no further than that goes; then it stays as it was, and live', async () => {
  await using world = await openWorld();
  const { client, store } = await setting(world, 6);
  const tasks = client.collection(collection(Task, { orderBy: 'rank', limit: 2 }));
  const release = tasks.retain();
  await tasks.ready();
  expect([titles(tasks), tasks.state.get().hasMore]).toEqual([['T0', 'T1'], true]);
  await tasks.loadMore();
  expect([titles(tasks), tasks.state.get().hasMore]).toEqual([['T0', 'T1', 'T2', 'T3'], true]);
  await expect(tasks.loadMore(997)).rejects.toMatchObject({
    code: 'invalid_query',
    details: { field: 'limit', limit: 1000 },
  });
  expect(titles(tasks)).toEqual(['T0', 'T1', 'T2', 'T3']);
  expect(tasks.state.get().status).toBe('ok');
  await store.put('tasks/t1/title', 'new').committed;
  await expect.poll(() => titles(tasks)).toEqual(['T0', 'new', 'T2', 'T3']);
  await tasks.loadMore();
  expect(titles(tasks)).toHaveLength(6);
  release();
});
