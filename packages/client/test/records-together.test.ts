import { memoryCache } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { collection, passthrough, record } from '@holdfast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { Valve } from './valve.ts';
import { openWorld } from './world.ts';

type Task = { readonly n: number; readonly by?: string };

const Task = record({
  name: 'task',
  store: 'acme/app',
  path: 'tasks/:id',
  version: '1',
  schema: passthrough<Task>(),
});
const newest = collection(Task, { orderBy: [['n', 'desc']], limit: 2 });
const byAnn = collection(Task, { where: { by: 'ann' } });

type Frame = readonly [string, string, string, string, { readonly [name: string]: unknown }];
const framesOf = ({ sent }: Valve, event: string): readonly Frame[] =>
  sent.map((each) => JSON.parse(String(each)) as Frame).filter((frame) => frame[3] === event);

test('R260 three records, two collections and a raw handle of one store share a channel, one change of its scope, and the order of their writes, also after a restart', async () => {
  const world = await openWorld();
  onTestFinished(() => world[Symbol.asyncDispose]());
  world.server.record(Task);
  const other = await world.store();
  await other.put('tasks', { a: { n: 1 }, b: { n: 2 }, c: { n: 3 } }).committed;
  const cache = memoryCache();
  const opened = (valve: Valve) => {
    const client = world.client({ deviceId: 'd', records: records([Task]), link: valve, cache });
    const store = client.store('acme/app', { scope: ['plain/**'] });
    const tasks = ['a', 'b', 'c'].map((id) => client.record(Task, { id }));
    const lists = [client.collection(newest), client.collection(byAnn)];
    const held = [...tasks, ...lists];
    for (const each of held) each.retain();
    const ready = Promise.all([store.ready, ...held.map((each) => each.ready())]);
    return { client, store, tasks, lists, ready };
  };

  const valve = new Valve();
  const first = opened(valve);
  await first.ready;
  expect(framesOf(valve, 'phx_join')).toHaveLength(1);
  expect(framesOf(valve, 'scope').length).toBeLessThanOrEqual(1);
  expect(framesOf(valve, 'query_open')).toHaveLength(2);

  // Of a commit everything that shows it tells at once.
  const shown: string[] = [];
  const look = (): void => {
    const [rows] = first.lists;
    shown.push(
      `${first.tasks[1]?.get()?.n} ${rows
        ?.get()
        .map(({ n }) => n)
        .join()}`,
    );
  };
  const told = new Promise<void>((resolve) => {
    first.lists[0]?.subscribe(() => {
      look();
      resolve();
    });
  });
  first.tasks[1]?.subscribe(look);
  await other.put('tasks/b/n', 9).committed;
  await told;
  expect(new Set(shown)).toEqual(new Set(['9 9,3']));

  valve.holdOut();
  const paths = ['tasks/c/n', 'plain/1', 'tasks/a', 'tasks/b', 'plain/2'];
  const made = [
    first.tasks[2]?.increment('n', 1),
    first.store.put('plain/1', 'x'),
    first.tasks[0]?.patch({ by: 'ann' }),
    first.tasks[1]?.patch({ by: 'ann' }),
    first.store.put('plain/2', 'y'),
  ];
  await Promise.all(made.map(async (each) => each?.durable));
  await first.client.close();
  expect(other.get('plain/1')).toBeUndefined();

  const order: string[] = [];
  other.on('**', ({ path }) => order.push(path));
  const again = new Valve();
  const second = opened(again);
  await second.ready;
  await expect.poll(() => order.length, { timeout: 20_000 }).toBe(paths.length);
  expect(order).toEqual(paths);
  expect(framesOf(again, 'phx_join')).toHaveLength(1);
  await expect
    .poll(() => second.lists[1]?.get(), { timeout: 20_000 })
    .toEqual([
      { n: 1, by: 'ann' },
      { n: 9, by: 'ann' },
    ]);
});
