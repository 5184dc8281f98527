import type { ViewDefinition } from '@holdfast/engine/view';
import { setOwn } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { Rig } from './instance-rig.ts';
import { object } from './schemas.ts';

const become: ViewDefinition['commands'] = { become: { run: (ctx, to) => ctx.update(to) } };

/** Counts by itself, so that one that began anew is told from one that stayed. */
const counter: ViewDefinition = {
  name: 'counter',
  mount: () => ({ count: 0 }),
  render: (state, _, ctx) => ({ ...(state as object), ...(ctx.params as object) }),
  commands: { add: { run: (ctx) => ctx.update((s: { count: number }) => void s.count++) } },
};

test('a child that goes from one list to another of the same way is the same: no index is part of an id', async () => {
  const rig = new Rig({
    name: 'grid',
    mount: () => [['a', 'b'], []],
    render: (rows, h) => ({
      rows: (rows as string[][]).map((ids) => ({ cells: ids.map((id) => h.child(counter, id)) })),
    }),
    commands: become,
  });
  const client = await rig.open();
  const storeId = ['rows', 'cells', 'a'];
  expect(await client.dispatch('add', {}, { storeId })).toEqual({});
  await client.dispatch('become', [['b'], ['a']]);
  expect(client.tree).toMatchObject({
    rows: [{ cells: [{ count: 0 }] }, { cells: [{ __musubi_store_id__: storeId, count: 1 }] }],
  });
});

test('V32 with a child that vanishes everything below it ends', async () => {
  const signals: AbortSignal[] = [];
  const leaf: ViewDefinition = {
    name: 'leaf',
    mount: (ctx) => void signals.push(ctx.signal),
    render: () => ({}),
  };
  const branch: ViewDefinition = {
    name: 'branch',
    render: (_, h) => ({ leaf: h.child(leaf, 'l') }),
  };
  const rig = new Rig({
    name: 'root',
    mount: () => ({ has: true }),
    render: (s, h) => ({ b: (s as { has: boolean }).has ? h.child(branch, 'b') : null }),
    commands: become,
  });
  const client = await rig.open();
  await client.dispatch('become', { has: false });
  expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  expect(await client.dispatch('any', {}, { storeId: ['b', 'l'] })).toEqual({
    error: { reason: 'unknown store' },
  });
});

test('V31 a child whose id another owner’s child has fails its render, and the last tree stays', async () => {
  const owner: ViewDefinition = {
    name: 'owner',
    render: (_, h) => ({ x: h.child(counter, 'y') }),
  };
  const rig = new Rig({
    name: 'root',
    mount: () => ({ has: false }),
    render: (s, h) => ({
      p: h.child(owner, 'o'),
      o: (s as { has: boolean }).has ? { x: h.child(counter, 'y') } : null,
    }),
    commands: become,
  });
  const client = await rig.open();
  expect(await client.dispatch('become', { has: true })).toMatchObject({
    error: { reason: 'internal_error' },
  });
  expect(client.heard).toHaveLength(1);
  await client.dispatch('add', {}, { storeId: ['o', 'y'] });
  expect(client.tree).toMatchObject({ p: { x: { count: 1 } }, o: null });
});

test('V30 a prop that comes is a change of props, and so is one that goes', async () => {
  const rig = new Rig({
    name: 'root',
    mount: () => ({ a: 1 }),
    render: (state, h) => ({ c: h.child(counter, 'c', state) }),
    commands: become,
  });
  const client = await rig.open();
  await client.dispatch('become', { a: 1, b: 2 });
  expect(client.tree).toMatchObject({ c: { a: 1, b: 2 } });
  await client.dispatch('become', { a: 1 });
  expect(client.tree).toEqual({
    __musubi_store_id__: [],
    c: { __musubi_store_id__: ['c'], a: 1, count: 0 },
  });
});

test('a mount that gives nothing leaves a state to write to', async () => {
  const rig = new Rig({
    name: 'root',
    mount: () => undefined,
    render: (state) => ({ names: Object.keys(state as object) }),
    commands: {
      name: { run: (ctx) => ctx.update((s: { [name: string]: number }) => void (s['a'] = 1)) },
    },
  });
  const client = await rig.open();
  await client.dispatch('name');
  expect(client.tree).toMatchObject({ names: ['a'] });
});

test('a child whose place has an odd name changes there (views.md §6.4)', async () => {
  const rig = new Rig({
    name: 'root',
    render: (_, h) => {
      const odd = {};
      setOwn(odd, '__proto__', h.child(counter, 'c'));
      return odd;
    },
  });
  const client = await rig.open();
  await client.dispatch('add', {}, { storeId: ['c'] });
  expect(Object.entries(client.tree ?? {})).toContainEqual([
    '__proto__',
    { __musubi_store_id__: ['c'], count: 1 },
  ]);
});

test('of what a child and then its owner put into streams, the owner’s goes first (views.md §8.1)', async () => {
  const inner: ViewDefinition = {
    name: 'inner',
    streams: { log: {} },
    emits: { said: object({}) },
    render: (_, h) => ({ log: h.stream('log') }),
    commands: {
      say: {
        run: (ctx) => {
          ctx.stream('log').insert({ id: 1 });
          ctx.emit('said');
        },
      },
    },
  };
  const rig = new Rig({
    name: 'outer',
    streams: { log: {} },
    render: (_, h) => ({
      log: h.stream('log'),
      c: h.child(inner, 'c', {}, { on: { said: 'hear' } }),
    }),
    messages: { hear: { run: (ctx) => ctx.stream('log').insert({ id: 1 }) } },
  });
  const client = await rig.open();
  await client.dispatch('say', {}, { storeId: ['c'] });
  expect(client.last?.tail.content.stream_ops).toMatchObject([
    { store_id: [] },
    { store_id: ['c'] },
  ]);
});

test('V33 what a nested node tells goes to a node below it, by the way from there', async () => {
  const told: ViewDefinition = { ...counter, messages: counter.commands ?? {} };
  const hand: ViewDefinition = {
    name: 'hand',
    mount: () => ({ isThere: null }),
    render: (state, h) => ({
      ...(state as object),
      top: h.child(told, 'top'),
    }),
    commands: { tell: { run: (ctx) => ctx.update({ isThere: ctx.tell(['top'], 'add') }) } },
  };
  const rig = new Rig({
    name: 'root',
    render: (_, h) => ({ hands: ['a', 'b'].map((id) => h.child(hand, id)) }),
  });
  const client = await rig.open();
  await client.dispatch('tell', {}, { storeId: ['hands', 'b'] });
  expect(client.heard).toHaveLength(2);
  const [a, b] = [{ top: { count: 0 } }, { isThere: true, top: { count: 1 } }];
  expect(client.tree).toMatchObject({ hands: [a, b] });
});
