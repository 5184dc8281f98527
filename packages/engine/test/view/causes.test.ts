import type { ViewContext, ViewDefinition } from '@holdfast/engine/view';
import { expect, test } from 'vitest';
import { Rig } from './instance-rig.ts';
import { object } from './schemas.ts';
import type { TestHandle } from './test-stores.ts';

const at = (ctx: ViewContext): TestHandle => ctx.store('boards') as TestHandle;

type State = { a: number; b: number; bad: boolean };

/** Cannot be shown once `bad` is set. */
function brittle(more: Partial<ViewDefinition>): ViewDefinition {
  return {
    name: 'root',
    events: { spoilt: object({}) },
    mount: () => ({ a: 0, b: 0, bad: false }),
    render: (state) => {
      const { bad, a, b } = state as State;
      if (bad) throw new Error('spoilt');
      return { a, b };
    },
    ...more,
  };
}

const spoil = (ctx: ViewContext): void => {
  ctx.send('spoilt', {});
  ctx.update((s: State) => void (s.bad = true));
};
const count =
  (name: 'a' | 'b') =>
  (ctx: ViewContext): void =>
    ctx.update((s: State) => void s[name]++);

test.each([0, 1, 2, 5, 8])(
  'of nine background tasks of one turn the one that spoils the render, at %s, is taken back, and no other',
  async (bad) => {
    const rig = new Rig(
      brittle({
        mount: (ctx) => {
          for (let n = 0; n < 9; n++) ctx.after(10, n === bad ? spoil : count('a'));
          return { a: 0, b: 0, bad: false };
        },
      }),
    );
    const client = await rig.open();
    await rig.advance(100);
    expect(client.tree).toMatchObject({ a: 8 });
    expect(client.events).toEqual([]);
    expect(rig.of('fault').map(({ where }) => where)).toEqual(['render']);
  },
);

test('a command does not answer for a background task that spoilt the render before it', async () => {
  const rig = new Rig(
    brittle({
      messages: { spoil: { run: spoil }, count: { run: count('a') } },
      commands: { count: { run: count('b') } },
    }),
  );
  const client = await rig.open();
  for (const message of ['count', 'spoil', 'count']) {
    rig.step({ type: 'tell', path: [], message, payload: {} });
  }
  const counted = client.send('count');
  await rig.settle();
  expect(await counted).toMatchObject({ status: 'ok', response: {} });
  expect(client.tree).toMatchObject({ a: 2, b: 1 });
  expect(rig.of('fault')).toHaveLength(1);
});

test('a render that fails by what it has read is done again when anything of that changes', async () => {
  const rig = new Rig({
    name: 'root',
    render: (_, h, ctx) => {
      const which = at(ctx).get('which');
      if (which === undefined) return { shown: null };
      if (at(ctx).get('detail') === undefined) throw new Error('not there yet');
      return { shown: h.child(leaf, 'leaf') };
    },
  });
  const leaf: ViewDefinition = {
    name: 'leaf',
    render: (_, __, ctx) => {
      const text = at(ctx).get('text');
      if (text === undefined) throw new Error('not there yet');
      return { text };
    },
  };
  const client = await rig.open();
  rig.stores.put('boards', 'which', 'x');
  await rig.advance(100);
  expect(client.tree).toMatchObject({ shown: null });
  rig.stores.put('boards', 'detail', 'y');
  await rig.advance(100);
  expect(client.tree).toMatchObject({ shown: null });
  rig.stores.put('boards', 'text', 'z');
  await rig.advance(100);
  expect(client.tree).toMatchObject({ shown: { text: 'z' } });
  expect(rig.of('fault')).toHaveLength(2);
  expect(rig.stores.followers).toBe(3);
});

test('a watch that fails by what it has read reads again when anything of that changes', async () => {
  const rig = new Rig({
    name: 'root',
    mount: (ctx) => {
      ctx.watch(
        () => {
          if (at(ctx).get('which') === undefined) return null;
          if (at(ctx).get('detail') === undefined) throw new Error('not there yet');
          return at(ctx).get('detail');
        },
        (task, value) => task.update({ heard: value }),
      );
      return { heard: null };
    },
    render: (state) => ({ ...(state as object) }),
  });
  const client = await rig.open();
  rig.stores.put('boards', 'which', 'x');
  await rig.advance(100);
  expect(rig.of('fault')).toHaveLength(1);
  rig.stores.put('boards', 'detail', 'y');
  await rig.advance(100);
  expect(client.tree).toMatchObject({ heard: 'y' });
});

const child: ViewDefinition = {
  name: 'child',
  render: (_, __, ctx) => ({ ...(ctx.params as object) }),
};

test('a watch in a mount waits for a store that is not open yet, and the children come once', async () => {
  const rig = new Rig({
    name: 'root',
    mount: (ctx) => {
      ctx.watch(() => at(ctx).get('x'));
      return {};
    },
    render: (_, h) => ({ list: ['a', 'b'].map((id) => h.child(child, id, { id })) }),
  });
  rig.stores.close('boards');
  rig.step({ type: 'start' });
  await rig.settle();
  rig.stores.reopen('boards');
  const client = await rig.join();
  expect(rig.of('failed')).toEqual([]);
  expect(client.tree).toMatchObject({ list: [{ id: 'a' }, { id: 'b' }] });
});

test('a node that renders twice within one cycle has the children of the last render, and nothing follows for the others', async () => {
  const reading: ViewDefinition = {
    ...child,
    render: (_, __, ctx) => ({ ...(ctx.params as object), x: at(ctx).get('x') ?? null }),
  };
  const inner: ViewDefinition = {
    name: 'inner',
    mount: () => ({ ids: ['old', 'kept'] }),
    render: (state, h, ctx) => ({
      list: (state as { ids: string[] }).ids.map((id) => h.child(reading, id, ctx.params)),
    }),
    onProps: (ctx, next) => {
      const { n } = next as { n: number };
      if (n !== 1) return;
      ctx.update((s: { ids: string[] }) => void s.ids.splice(0, 9, 'old', 'kept', 'late'));
    },
    messages: {
      swap: { run: (ctx) => ctx.update({ ids: ['kept', 'gone', 'late'] }) },
    },
  };
  const middle: ViewDefinition = {
    name: 'middle',
    render: (_, h, ctx) => ({ inner: h.child(inner, 'inner', ctx.params) }),
    onProps: async () => undefined,
  };
  const rig = new Rig({
    name: 'root',
    mount: () => ({ n: 0 }),
    render: (state, h) => ({ middle: h.child(middle, 'middle', state) }),
    commands: {
      go: {
        run: (ctx) => {
          ctx.update({ n: 1 });
          ctx.tell(['middle', 'inner'], 'swap');
        },
      },
    },
  });
  const client = await rig.open();
  expect(await client.dispatch('go')).toEqual({});
  expect(client.tree).toMatchObject({
    middle: { inner: { list: [{ n: 1 }, { n: 1 }, { n: 1 }] } },
  });
  expect(rig.instance.describe().nodes).toBe(6);
  expect(rig.stores.followers).toBe(3);
  expect(client.heard).toHaveLength(2);
});

test('a message that a command sends and that does not pass is the server’s failure, not a payload of the client’s', async () => {
  const rig = new Rig({
    name: 'root',
    render: () => ({}),
    messages: { count: { input: object({ by: 'number' }), run: () => undefined } },
    commands: { go: { run: (ctx) => void ctx.tell([], 'count', { by: 'secret' }) } },
  });
  const client = await rig.open();
  expect(await client.dispatch('go')).toEqual({
    error: { reason: 'internal_error', id: expect.stringMatching(/^e_/) as unknown },
  });
  expect(rig.of('fault')).toMatchObject([{ where: 'command go' }]);
});

test('what a task cancels goes on where the task comes to nothing, and misses nothing (views.md §7.2)', async () => {
  const gates: (() => void)[] = [];
  const ends: (() => void)[] = [];
  const rig = new Rig({
    name: 'root',
    events: { spoilt: object({}) },
    mount: (ctx) => {
      ends.push(
        ctx.every(100, count('a')),
        ctx.after(150, count('b')),
        ctx.watch(() => at(ctx).get('x'), count('b')),
      );
      return { a: 0, b: 0, bad: false };
    },
    render: (state) => {
      const { bad, ...shown } = state as State;
      if (bad) throw new Error('spoilt');
      return shown;
    },
    commands: {
      cancel: {
        run: async (ctx, how) => {
          for (const end of ends) end();
          await new Promise<void>((resolve) => {
            gates.push(resolve);
          });
          if (how === 'fails') throw new Error('no');
          if (how === 'spoils') spoil(ctx);
        },
      },
    },
  });
  const client = await rig.open();
  for (const [how, shown] of [
    ['fails', { a: 1, b: 2 }],
    ['spoils', { a: 2, b: 3 }],
    ['is cut off', { a: 3, b: 4 }],
    ['goes well', { a: 3, b: 4 }],
  ] as const) {
    void client.send('cancel', how);
    // oxlint-disable no-await-in-loop -- one after the other
    await rig.advance(how === 'is cut off' ? 0 : 160);
    rig.stores.put('boards', 'x', how);
    await rig.settle();
    if (how === 'is cut off') await rig.advance(30_000);
    gates.pop()?.();
    await rig.settle();
    await rig.advance(20);
    expect([how, client.tree]).toMatchObject([how, shown]);
    // oxlint-enable no-await-in-loop
  }
  await rig.advance(1000);
  rig.stores.put('boards', 'x', 'last');
  await rig.settle();
  expect(client.tree).toMatchObject({ a: 3, b: 4 });
});

test('what a background task cancels that spoils the render goes on, though its time came before that was known', async () => {
  const ends: (() => void)[] = [];
  const rig = new Rig(
    brittle({
      mount: (ctx) => {
        ctx.after(100, (task) => {
          for (const end of ends) end();
          spoil(task);
        });
        ends.push(ctx.after(100, count('a')), ctx.every(100, count('b')));
        return { a: 0, b: 0, bad: false };
      },
    }),
  );
  const client = await rig.open();
  await rig.advance(120);
  expect(client.tree).toMatchObject({ a: 1, b: 0 });
  await rig.advance(100);
  expect(client.tree).toMatchObject({ a: 1, b: 1 });
});

test('a timer that cancels itself goes on where the task in which it did so spoils the render', async () => {
  const rig = new Rig(
    brittle({
      mount: (ctx) => {
        const end = ctx.every(100, (task) => {
          count('a')(task);
          if (rig.now > 100) return;
          end();
          spoil(task);
        });
        return { a: 0, b: 0, bad: false };
      },
    }),
  );
  const client = await rig.open();
  await rig.advance(320);
  expect(client.tree).toMatchObject({ a: 2 });
});
