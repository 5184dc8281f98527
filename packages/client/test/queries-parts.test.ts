import { type CollectionHandle, records } from '@holdfast/client/records';
import { collection, passthrough, record } from '@holdfast/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { Valve } from './valve.ts';
import { openWorld } from './world.ts';

type Task = { readonly title: string; readonly rank: number };

const Task = record({
  name: 'task',
  store: 'acme/app',
  path: 'tasks/:id',
  version: '1',
  schema: passthrough<Task>(),
});

const first = collection(Task, { orderBy: 'rank', limit: 2 });

const shows = async (handle: CollectionHandle<typeof Task>, rows: Task[]): Promise<void> => {
  await expect.poll(() => handle.get()).toEqual(rows);
  expect(handle.state.get().status).toBe('ok');
};

test.each([
  { of: 'of all', scope: 'tasks/*/title' },
  { of: 'of one', scope: 'tasks/a/title/**' },
])(
  'R196 given titles ($of) that are followed by themselves beside a collection, when a task changes while the connection is down, then its row has all of it afterwards',
  async ({ scope }) => {
    await using world = await openWorld();
    world.server.record(Task);
    const store = await world.store();
    await store.put('tasks', { a: { title: 'A', rank: 1 }, b: { title: 'B', rank: 2 } }).committed;
    const valve = new Valve();
    const client = world.client({ records: records([Task]), link: valve });
    const titles = client.store('acme/app', { scope: [scope] });
    const tasks = client.collection(first);
    onTestFinished(tasks.retain());
    await Promise.all([titles.ready, tasks.ready()]);
    expect(tasks.get()).toEqual([
      { title: 'A', rank: 1 },
      { title: 'B', rank: 2 },
    ]);

    for (const rank of [3, 4]) {
      valve.down();
      await store.put('tasks/a', { title: `A${rank}`, rank }).committed;
      valve.up();
      await shows(tasks, [
        { title: 'B', rank: 2 },
        { title: `A${rank}`, rank },
      ]);
    }
    // One of several fields, too.
    valve.down();
    await store.merge('tasks/a', { title: 'A0', rank: 0 }).committed;
    valve.up();
    await shows(tasks, [
      { title: 'A0', rank: 0 },
      { title: 'B', rank: 2 },
    ]);
    expect(titles.get('tasks/a/title')).toBe('A0');
  },
);
