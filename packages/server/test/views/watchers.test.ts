import { record } from '@holdfast/protocol';
import { app, view, type ViewStore } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { VirtualClock } from '../conversation/clock.ts';
import { everything, topic, world } from '../conversation/world.ts';
import { person, write } from '../records/site.ts';
import { Root } from './root.ts';

const store = 'demo/main';
const asCaller = { as: 'principal' } as const;

/** Which views have rendered, or looked, since it was asked last. */
const noted: string[] = [];

/** A view that shows what it reads of the store, and notes that it was rendered. */
function showing(name: string, read: (store: ViewStore) => unknown, options?: typeof asCaller) {
  return view({
    name,
    render: (_s, _h, ctx) => {
      noted.push(name);
      return { shown: JSON.stringify(read(ctx.store(store, options)) ?? null) };
    },
  });
}

const kinds = [
  showing('leaf', (s) => s.get('cards/a/title')),
  showing('map', (s) => s.get('cards/a')),
  showing('above', (s) => s.get('cards')),
  showing('absent', (s) => s.get('nothing/here')),
  showing('pattern', (s) => s.entries('cards/*/title').map(({ value }) => value)),
  showing('condition', (s) => (s.get('isOn') === true ? s.get('cards/a/title') : 'off')),
];

const cell = view({
  name: 'cell',
  params: z.object({ id: z.string() }),
  render: (_s, _h, ctx) => {
    noted.push(`cell ${ctx.params.id}`);
    return { value: ctx.store(store).get(['cells', ctx.params.id]) ?? null };
  },
});

const table = view({
  name: 'table',
  scope: 'shared',
  render: (_s, h, ctx) => {
    noted.push('table');
    const ids = ctx.store(store).get('ids') ?? {};
    return { cells: Object.keys(ids).map((id) => h.child(cell, id, { id })) };
  },
});

const watcher = view({
  name: 'watcher',
  mount: (ctx) => {
    const isLarge = (): unknown => [Number(ctx.store(store).get('cells/a')) > 5];
    ctx.watch(isLarge);
    ctx.watch(isLarge, () => void noted.push('heard'));
    return {};
  },
  render: () => {
    noted.push('watcher');
    return {};
  },
});

const Member = record({
  name: 'member',
  store,
  path: 'people/:id',
  version: '1.0',
  schema: z.object({ name: z.string(), email: z.string().optional() }),
  visibility: {
    name: () => true,
    '*': ({ principal, params }) => principal.subject === params.id,
  },
});

const people = [
  showing('leaf-of-one', (s) => s.get('people/ada/name'), asCaller),
  showing('one', (s) => s.get('people/ada'), asCaller),
  showing('all', (s) => s.get('people'), asCaller),
  showing('each', (s) => s.entries('people/**').map(({ value }) => value), asCaller),
];

/** The views mounted, each so often; what came of each act is everything that was noted until nothing more is due. */
async function watching(names: readonly string[], token = 'dev') {
  const clock = new VirtualClock();
  const made = await world({
    clock,
    storage: memory({ now: clock.wall }),
    app: app({ views: [...kinds, table, watcher, ...people] }),
    authenticate: async (knock) => (knock.token === 'dev' ? everything : person(knock.token)),
  });
  const members = made.server.record(Member, {});
  const writer = await made.joined({ device: 'd2' });
  const noticed = async (act: Promise<unknown>): Promise<readonly string[]> => {
    noted.length = 0;
    await act;
    // An answer has its turns: what is due at once is done by then.
    await writer.ask(topic, 'status', {});
    await clock.pass(1000);
    await writer.ask(topic, 'status', {});
    return noted.toSorted();
  };
  const set = (path: string, value: unknown): Promise<readonly string[]> =>
    noticed(write(writer, { op: 'set', path, value }));
  const gone = (path: string): Promise<readonly string[]> =>
    noticed(write(writer, { op: 'delete', path }));
  const mount = async (): Promise<void> => {
    for (const name of names) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const root = new Root(await made.connect({ token }), name, 'r');
      // oxlint-disable-next-line no-await-in-loop -- the same
      await root.join({ module: name, id: 'r' });
      // oxlint-disable-next-line no-await-in-loop -- the same
      await root.envelope();
    }
  };
  return { members, mount, noticed, set, gone };
}

it('a view is rendered when a leaf, a map, a pattern or what is absent became another, and only then (views.md §11.2)', async () => {
  const { mount, set, gone } = await watching(kinds.map(({ name }) => name));
  await set('cards', { a: { title: 'A', text: 'x' }, b: { title: 'B', text: 'y' } });
  await mount();
  const unseen = [await set('other', 1), await set('cardsafar', 1), await set('nothing', 1)];
  expect(unseen).toEqual([[], [], []]);
  // A pattern shows revisions too.
  expect(await set('cards/a', { title: 'A', text: 'x' })).toEqual(['pattern']);
  expect(await set('cards/a/text', 'z')).toEqual(['above', 'map']);
  expect(await set('cards/b/title', 'C')).toEqual(['above', 'pattern']);
  expect(await set('cards/a/title', 'D')).toEqual(['above', 'leaf', 'map', 'pattern']);
  expect(await set('nothing/here/below', 1)).toEqual(['absent']);
  expect(await set('nothing/there', 1)).toEqual([]);
  expect(await gone('nothing')).toEqual(['absent']);
  expect(await gone('cards')).toEqual(['above', 'leaf', 'map', 'pattern']);
});

it('what a render did not read this time is not waited for (views.md §11.2)', async () => {
  const { mount, set } = await watching(['condition']);
  await mount();
  expect(await set('cards/a/title', 'A')).toEqual([]);
  expect(await set('isOn', true)).toEqual(['condition']);
  expect(await set('cards/a/title', 'B')).toEqual(['condition']);
  expect(await set('isOn', false)).toEqual(['condition']);
  expect(await set('cards/a/title', 'C')).toEqual([]);
});

it('each child is rendered for what it read itself, and a shared view once, however many look at it (views.md §11.7)', async () => {
  const { mount, set, gone } = await watching(['table', 'table', 'table']);
  await set('ids', { a: 1, b: 1 });
  await mount();
  expect(await set('cells/a', 1)).toEqual(['cell a']);
  expect(await set('cells/a', 1)).toEqual([]);
  expect(await set('ids/b', 2)).toEqual(['table']);
  expect(await set('ids/c', 1)).toEqual(['cell c', 'table']);
  expect(await gone('ids/c')).toEqual(['table']);
  expect(await set('cells/c', 1)).toEqual([]);
});

it('a watch acts when another value came of what it read, and not for each that went into it (views.md §11.2)', async () => {
  const { mount, set } = await watching(['watcher']);
  await mount();
  expect(await set('cells/a', 1)).toEqual([]);
  expect(await set('cells/a', 6)).toEqual(['heard', 'watcher']);
  expect(await set('cells/a', 7)).toEqual([]);
  expect(await set('cells/a', 5)).toEqual(['heard', 'watcher']);
});

it('a view that reads as the principal is not rendered for what records hide from it (views.md §11.2, records.md §17)', async () => {
  const { members, mount, noticed } = await watching(
    people.map(({ name }) => name),
    'eve',
  );
  await members.write({ id: 'ada' }, { set: { name: 'Ada', email: 'a@x' } });
  await mount();
  const patched = (patch: object): Promise<readonly string[]> =>
    noticed(members.write({ id: 'ada' }, { patch }));
  expect(await patched({ email: 'b@x' })).toEqual([]);
  expect(await patched({ name: 'Ava' })).toEqual(['all', 'each', 'leaf-of-one', 'one']);
  const bob = members.write({ id: 'bob' }, { set: { name: 'Bob', email: 'c@x' } });
  expect(await noticed(bob)).toEqual(['all', 'each']);
});
