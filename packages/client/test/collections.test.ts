import { observe } from '@holdfast/client';
import { type CollectionHandle, records } from '@holdfast/client/records';
import { collection, passthrough, record, type StandardSchema } from '@holdfast/protocol';
import { expect, expectTypeOf, test } from 'vitest';
import { openWorld, type World } from './world.ts';

type Task = { readonly title: string; readonly done?: boolean; readonly rank?: number };

const schema: StandardSchema<Task, Task> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) =>
      typeof (Object(value) as { title?: unknown }).title === 'string'
        ? { value: value as Task }
        : { issues: [{ message: 'no title' }] },
  },
};

const Task = record({ name: 'task', store: 'acme/app', path: 'tasks/:id', version: '1', schema });

const open = collection(Task, { where: { done: false }, orderBy: [['rank', 'asc']] });

const seed = {
  a: { title: 'A', done: false, rank: 2 },
  b: { title: 'B', done: false, rank: 1 },
  c: { title: 'C', done: true, rank: 0 },
};

/** The record is known to the server, which finds the rows; or it is not, and the client holds all its objects. */
const places = ['server', 'client'] as const;
const known = record({
  name: 'task',
  store: 'acme/app',
  path: 'tasks/:id',
  version: '1',
  schema: passthrough<Task>(),
});

type Setting = {
  readonly store: Awaited<ReturnType<World['store']>>;
  readonly client: ReturnType<World['client']>;
};

async function setting(world: World, place: (typeof places)[number]): Promise<Setting> {
  if (place === 'server') world.server.record(known);
  const store = await world.store();
  await store.put('tasks', seed).committed;
  return { store, client: world.client({ records: records([Task]) }) };
}

const titles = (handle: CollectionHandle<typeof Task>): readonly string[] =>
  handle.get().map(({ title }) => title);

const until = (handle: CollectionHandle<typeof Task>, isSo: () => boolean): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      if (!isSo()) return;
      release();
      resolve();
    };
    const release = handle.state.subscribe(look);
    queueMicrotask(look);
  });

test.for(places)(
  'R164 R172 a collection is silent until it is known what there is; then all of it is there, in order (found by the %s)',
  async (place) => {
    await using world = await openWorld();
    const { client } = await setting(world, place);
    const tasks = client.collection(open);
    expectTypeOf(tasks.get()).toEqualTypeOf<readonly Task[]>();
    const values: string[][] = [];
    observe(tasks, () => values.push([...titles(tasks)]));
    expect(tasks.state.get()).toMatchObject({ ready: false, rows: [] });
    await tasks.ready();
    expect(values).toEqual([[], ['B', 'A']]);
    expect(tasks.state.get()).toMatchObject({ status: 'ok', ready: true, hasMore: false });
    expect(tasks.keys()).toEqual(['rec/acme/app/tasks/b', 'rec/acme/app/tasks/a']);
  },
);

test.for(places)(
  'R165 R166 R190 rows change, come, move and go, each by one notification; what has not changed is the same object (found by the %s)',
  async (place) => {
    await using world = await openWorld();
    const { store, client } = await setting(world, place);
    const tasks = client.collection(open);
    await tasks.ready();
    const values: string[][] = [];
    const release = observe(tasks, () => values.push([...titles(tasks)]));
    const [rowB] = tasks.state.get().rows;
    await store.put('tasks/a/title', 'A2').committed;
    await until(tasks, () => titles(tasks).includes('A2'));
    expect(tasks.state.get().rows[0]).toBe(rowB);
    await store.put('tasks/d', { title: 'D', done: false, rank: 0 }).committed;
    await until(tasks, () => titles(tasks).length === 3);
    await store.put('tasks/b/rank', 9).committed;
    await until(tasks, () => titles(tasks)[2] === 'B');
    await store.delete('tasks/a').committed;
    await until(tasks, () => titles(tasks).length === 2);
    await store.put('tasks/d/done', true).committed;
    await until(tasks, () => titles(tasks).length === 1);
    expect(values).toEqual([
      ['B', 'A'],
      ['B', 'A2'],
      ['D', 'B', 'A2'],
      ['D', 'A2', 'B'],
      ['D', 'B'],
      ['B'],
    ]);
    release();
  },
);

test.for(places)(
  'R167 R199 own writes show at their place at once, and settle without a flicker (found by the %s)',
  async (place) => {
    await using world = await openWorld();
    const { client } = await setting(world, place);
    const tasks = client.collection(open);
    await tasks.ready();
    const values: string[][] = [];
    observe(tasks, () => values.push([...titles(tasks)]));
    const written = client.record(Task, { id: 'e' }).set({ title: 'E', done: false, rank: 1.5 });
    expect(titles(tasks)).toEqual(['B', 'E', 'A']);
    expect(tasks.state.get().rows.map(({ pending }) => pending)).toEqual([0, 1, 0]);
    await written.committed;
    const finished = tasks.row('rec/acme/app/tasks/b')?.patch({ done: true });
    expect(titles(tasks)).toEqual(['E', 'A']);
    await finished?.committed;
    const removed = tasks.row('rec/acme/app/tasks/a')?.remove();
    expect(titles(tasks)).toEqual(['E']);
    await removed?.committed;
    await until(tasks, () => tasks.state.get().rows.every(({ pending }) => pending === 0));
    expect(values).toEqual([['B', 'A'], ['B', 'E', 'A'], ['E', 'A'], ['E']]);
    expect(tasks.row('rec/acme/app/other/1')).toBeUndefined();
  },
);

test.for(places)(
  'R173 R174 R175 R176 R179 one shows the first, the next when that goes, and nothing when none is left (found by the %s)',
  async (place) => {
    await using world = await openWorld();
    const { store, client } = await setting(world, place);
    const first = client.one(open);
    const values: (string | undefined)[] = [];
    const seen = new Promise<void>((resolve) => {
      observe(first, (task) => {
        values.push(task?.title);
        if (values.length === 5) resolve();
      });
    });
    const tasks = client.collection(open);
    await tasks.ready();
    await expect.poll(() => first.get()?.title).toBe('B');
    await store.put('tasks/b/title', 'B2').committed;
    await expect.poll(() => first.get()?.title).toBe('B2');
    await store.delete('tasks/b').committed;
    await expect.poll(() => first.get()?.title).toBe('A');
    await store.delete('tasks').committed;
    await seen;
    expect(values).toEqual([undefined, 'B', 'B2', 'A', undefined]);
    expect(first.state.get().ready).toBe(true);
    expect(first.row()).toBeUndefined();
  },
);

test.for(places)(
  'R177 R186 a row that does not pass the schema is left out, and told of once (found by the %s)',
  async (place) => {
    await using world = await openWorld();
    const { store, client } = await setting(world, place);
    const tasks = client.collection(open);
    await tasks.ready();
    const release = tasks.retain();
    await store.put('tasks/b/title', 7).committed;
    await until(tasks, () => tasks.get().length === 1);
    await store.put('tasks/a/rank', 5).committed;
    await until(tasks, () => tasks.get()[0]?.rank === 5);
    expect(titles(tasks)).toEqual(['A']);
    expect(world.errors).toEqual([expect.objectContaining({ code: 'invalid_value' })]);
    release();
  },
);

test.for(places)(
  'R168 R178 after its release nothing is told, and it may be released twice (found by the %s)',
  async (place) => {
    await using world = await openWorld();
    const { store, client } = await setting(world, place);
    const tasks = client.collection(open);
    await tasks.ready();
    let told = 0;
    const release = tasks.subscribe(() => (told += 1));
    release();
    release();
    await store.put('tasks/b/title', 'B2').committed;
    const after = await world.store();
    expect(after.get('tasks/b/title')).toBe('B2');
    expect(told).toBe(0);
  },
);

test.for(places)(
  'R201 a window is widened, or begins where another ends; a cursor of another query is refused (found by the %s)',
  async (place) => {
    await using world = await openWorld();
    const { client } = await setting(world, place);
    const spec = { orderBy: [['rank', 'asc']], limit: 1 } as const;
    const page = client.collection(collection(Task, spec));
    await page.ready();
    const release = page.retain();
    expect([titles(page), page.state.get().hasMore]).toEqual([['C'], true]);
    const { endCursor } = page.state.get();
    await page.loadMore();
    expect([titles(page), page.state.get().hasMore]).toEqual([['C', 'B'], true]);
    await page.loadMore(5);
    expect([titles(page), page.state.get().hasMore]).toEqual([['C', 'B', 'A'], false]);
    const next = client.collection(collection(Task, { ...spec, after: endCursor ?? '' }));
    await next.ready();
    expect(titles(next)).toEqual(['B']);
    const other = client.collection(collection(Task, { after: endCursor ?? '' }));
    await until(other, () => other.state.get().status === 'stale');
    expect(other.state.get().error).toMatchObject({ code: 'invalid_cursor' });
    release();
  },
);

test.for(places)(
  'R185 R201 the end of a window is where its last row stands now, also where nothing else has changed (found by the %s)',
  async (place) => {
    await using world = await openWorld();
    const { client, store } = await setting(world, place);
    const spec = { orderBy: [['rank', 'asc']], limit: 2 } as const;
    const page = client.collection(collection(Task, spec));
    await page.ready();
    const release = page.retain();
    const task = { title: 'T', done: false };
    const tasks = { x: { ...task, rank: 1 }, y: { ...task, rank: 2 }, z: { ...task, rank: 9 } };
    await store.put('tasks', tasks).committed;
    const ids = (): readonly (string | undefined)[] =>
      page.keys().map((key) => key.split('/').at(-1));
    await until(page, () => ids().join() === 'x,y');
    await store.put('tasks/y/rank', 5).committed;
    await until(page, () => Object(page.get()[1]).rank === 5);
    const { endCursor } = page.state.get();
    const next = client.collection(collection(Task, { ...spec, after: endCursor ?? '' }));
    await next.ready();
    expect(next.keys()).toEqual(['rec/acme/app/tasks/z']);
    release();
  },
);

test.for(places)(
  'R204 equal specs share one set of rows, whoever made them; a name will do (found by the %s)',
  async (place) => {
    await using world = await openWorld();
    const { client } = await setting(world, place);
    const spec = { where: { done: false }, orderBy: [['rank', 'asc']] } as const;
    const [one, two] = [client.collection(open), client.collection('task', spec as never)];
    await one.ready();
    expect(one.key).toBe(two.key);
    expect(two.get()).toBe(one.get());
    expect(() => client.collection('no')).toThrow(
      expect.objectContaining({ code: 'unknown_record' }),
    );
  },
);

test.for(places)(
  'R199 a row counts a write no more when its answer alone ends it: nothing has changed, it is refused, or part of it is not seen here (found by the %s)',
  async (place) => {
    await using world = await openWorld();
    const { store, client } = await setting(world, place);
    await store.put('tasks/a/rank', 2).committed;
    const tasks = client.collection(open);
    const release = tasks.retain();
    await tasks.ready();
    const pending = (): readonly number[] => tasks.state.get().rows.map((row) => row.pending);
    const own = client.store('acme/app', { scope: ['tasks/a/**'] });
    await own.ready;
    const writes = [
      () => own.put('tasks/a/rank', 2).committed,
      () => own.put('tasks/a/rank', 2, { ifMatch: 1_000_000 }).committed.catch(() => undefined),
      () =>
        own.transact(
          (tx) => {
            tx.put('tasks/a/rank', 3);
            tx.put('elsewhere/x', 1);
          },
          { blind: true },
        ).committed,
    ];
    for (const write of writes) {
      const written = write();
      await until(tasks, () => pending().join() === '0,1');
      await written;
      await Promise.resolve();
      expect([own.status.get().pending, pending()]).toEqual([0, [0, 0]]);
    }
    release();
  },
);

test('a collection is waited for no longer once the token is refused, like a record', async () => {
  await using world = await openWorld();
  const client = world.client({ records: records([Task]), token: 'wrong' });
  const refused = { code: 'unauthorized' };
  await expect(client.record(Task, { id: 'a' }).ready()).rejects.toMatchObject(refused);
  await expect(client.collection(open).ready()).rejects.toMatchObject(refused); // now that it is over
  const early = world.client({ records: records([Task]), token: 'wrong' }).collection(open);
  await expect(early.ready()).rejects.toMatchObject(refused); // before anything is known
});
