import type { ViewContext, ViewDefinition } from '@holdfast/engine/view';
import { expect, test } from 'vitest';
import { Rig } from './instance-rig.ts';
import type { TestHandle } from './test-stores.ts';

const at = (ctx: ViewContext, name = 'boards'): TestHandle => ctx.store(name) as TestHandle;
const said = (ctx: ViewContext): object => ({ said: at(ctx, 'b').get('y') ?? null });
const gates: (() => void)[] = [];

test('what a background render did to a state that a running command has changed is not lost', async () => {
  const child: ViewDefinition = {
    name: 'child',
    mount: () => ({ count: 0, titles: 0 }),
    onProps: (ctx) => ctx.update((s: { titles: number }) => void s.titles++),
    render: (state, _, ctx) => ({ ...(state as object), ...(ctx.params as object) }),
    commands: {
      slow: {
        run: async (ctx) => {
          ctx.update((s: { count: number }) => void s.count++);
          await new Promise<void>((resolve) => {
            gates.push(resolve);
          });
          ctx.update((s: { count: number }) => void s.count++);
        },
      },
    },
  };
  const rig = new Rig({
    name: 'root',
    render: (_, h, ctx) => ({ c: h.child(child, 'c', { title: at(ctx).get('title') ?? null }) }),
  });
  const client = await rig.open();
  const slow = client.send('slow', {}, { storeId: ['c'] });
  await rig.settle();
  rig.stores.put('boards', 'title', 'new');
  await rig.settle();
  expect(client.tree).toMatchObject({ c: { title: 'new', titles: 1, count: 0 } });
  gates.pop()?.();
  await rig.settle();
  expect(await slow).toMatchObject({ status: 'ok' });
  expect(client.tree).toMatchObject({ c: { title: 'new', titles: 1, count: 2 } });
});

test('what a child says in its mount reaches its parent', async () => {
  const child: ViewDefinition = {
    name: 'child',
    emits: {
      hello: { '~standard': { version: 1, vendor: 't', validate: (value) => ({ value }) } },
    },
    mount: (ctx) => ctx.emit('hello', { id: ctx.id }),
    render: () => ({}),
  };
  const rig = new Rig({
    name: 'root',
    mount: () => ({ greeted: [] as string[] }),
    render: (state, h) => ({
      ...(state as object),
      list: ['a', 'b'].map((id) => h.child(child, id, {}, { on: { hello: 'greet' } })),
    }),
    messages: {
      greet: {
        run: (ctx, input) =>
          ctx.update(
            (s: { greeted: unknown[] }) => void s.greeted.push((input as { id: string }).id),
          ),
      },
    },
  });
  const client = await rig.open();
  await rig.advance(100);
  expect(client.tree).toMatchObject({ greeted: ['a', 'b'] });
});

test('a command waits for a render that is held, and is then made true', async () => {
  const rig = new Rig({
    name: 'root',
    mount: () => ({ n: 0, open: '' }),
    render: (state, _, ctx) => ({
      ...(state as object),
      said: at(ctx, 'a').get('x') === 'more' ? (at(ctx, 'b').get('y') ?? null) : null,
    }),
    commands: { count: { run: (ctx) => ctx.update((s: { n: number }) => void s.n++) } },
  });
  const client = await rig.open();
  rig.stores.close('b');
  rig.stores.put('a', 'x', 'more');
  await rig.settle();
  const counted = client.send('count');
  await rig.settle();
  expect(rig.of('reply')).toEqual([]);
  rig.stores.put('b', 'y', 'there');
  rig.stores.reopen('b');
  await rig.settle();
  expect(await counted).toMatchObject({ status: 'ok', version: 3 });
  expect(client.tree).toMatchObject({ n: 1, said: 'there' });
  expect(client.heard).toHaveLength(3);
});

test('a store that does not open in time fails the render that reads it; the last tree stays', async () => {
  const rig = new Rig({
    name: 'root',
    mountTimeout: 500,
    render: (_, __, ctx) => ({
      said: at(ctx, 'a').get('x') === 'more' ? (at(ctx, 'b').get('y') ?? null) : 'first',
    }),
    commands: { nothing: { run: () => undefined } },
  });
  const client = await rig.open();
  rig.stores.close('b');
  rig.stores.put('a', 'x', 'more');
  await rig.advance(500);
  expect(rig.of('fault').map(({ where }) => where)).toEqual(['render']);
  expect(client.tree).toMatchObject({ said: 'first' });
  expect(await client.dispatch('nothing')).toEqual({});
  rig.stores.put('a', 'x', 'less');
  rig.stores.reopen('b');
  await rig.settle();
  expect(client.tree).toMatchObject({ said: 'first' });
});

test.each([true, false])(
  'a store that opens too late is read once it is open, by whoever (a child: %s) has waited for it',
  async (isByChild) => {
    const child: ViewDefinition = { name: 'child', render: (_, __, ctx) => said(ctx) };
    const rig = new Rig({
      name: 'root',
      mountTimeout: 500,
      render: (_, h, ctx) => {
        if (at(ctx, 'a').get('x') !== 'more') return {};
        return { part: isByChild ? h.child(child, 'c') : said(ctx) };
      },
    });
    const client = await rig.open();
    rig.stores.close('b');
    rig.stores.put('a', 'x', 'more');
    await rig.advance(1000);
    expect(rig.of('fault').map(({ where }) => where)).toEqual(['render']);
    rig.stores.put('b', 'y', 'there');
    await rig.settle();
    expect(client.heard).toHaveLength(1);
    rig.stores.reopen('b');
    await rig.settle();
    expect(client.tree).toMatchObject({ part: { said: 'there' } });
    expect(rig.of('fault')).toHaveLength(1);
  },
);

test.each([true, false])(
  'who is lost and comes again (%s) while its return waits for a render is let in once, or not at all',
  async (isBack) => {
    const rig = new Rig({
      name: 'root',
      render: (_, __, ctx) => ({
        said: at(ctx, 'a').get('x') === 'more' ? (at(ctx, 'b').get('y') ?? null) : 'first',
      }),
    });
    const client = await rig.open();
    client.leave(true);
    rig.stores.close('b');
    rig.stores.put('a', 'x', 'more');
    await rig.join({ id: 1, resume: 1 });
    client.leave(true);
    if (isBack) await rig.join({ id: 1, resume: 1 });
    rig.stores.put('b', 'y', 'there');
    rig.stores.reopen('b');
    await rig.settle();
    expect(rig.of('attached')).toHaveLength(isBack ? 2 : 1);
    expect(client.heard).toHaveLength(isBack ? 2 : 1);
    await rig.advance(30_000);
    expect(rig.of('ended')).toHaveLength(isBack ? 0 : 1);
  },
);
