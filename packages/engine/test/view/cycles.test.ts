import type { ViewContext, ViewDefinition } from '@holdfast/engine/view';
import { isObject, RejectedError } from '@holdfast/protocol';
import { beforeEach, expect, test } from 'vitest';
import { Rig } from './instance-rig.ts';
import type { TestHandle } from './test-stores.ts';

/** What ran, by name. */
const ran: string[] = [];
beforeEach(() => {
  ran.length = 0;
});

const at = (ctx: ViewContext, name = 'boards'): TestHandle => ctx.store(name) as TestHandle;

test('V36 a timer or watcher that throws in a child is logged, rolled back, and the instance lives', async () => {
  const bomb: ViewDefinition = {
    name: 'bomb',
    mount: (ctx) => {
      ctx.after(100, (task) => {
        task.update({ n: 5 });
        throw new Error('timer');
      });
      ctx.watch(
        () => at(ctx).get('x'),
        () => {
          throw new Error('watcher');
        },
      );
      ctx.every(1000, (task) => {
        task.update((s: { n: number }) => void s.n++);
        if (rig.now === 2000) throw new Error('timer');
      });
      return { n: 0 };
    },
    render: (state) => ({ ...(state as object) }),
  };
  const rig = new Rig({ name: 'root', render: (_, h) => ({ bomb: h.child(bomb, 'b') }) });
  const client = await rig.open();
  await rig.advance(100);
  rig.stores.put('boards', 'x', 1);
  await rig.settle();
  expect(rig.of('fault').map(({ where }) => where)).toEqual(['timer', 'watch']);
  expect(client.heard).toHaveLength(1);
  await rig.advance(4000);
  expect(client.tree).toMatchObject({ bomb: { n: 3 } });
});

test.each([-1, NaN, 'soon'])('a timer that were to ring after %s ms is none', async (ms) => {
  const rig = new Rig({
    name: 'root',
    mount: (ctx) => void ctx.every(ms as number, () => undefined),
    render: () => ({}),
  });
  await rig.open();
  expect(rig.of('fault').map(({ error }) => error)).toEqual([expect.any(RangeError)]);
  expect(rig.of('failed')).toHaveLength(1);
});

const reader: ViewDefinition = {
  name: 'reader',
  mount: () => ({ n: 0 }),
  render: (state, _, ctx) => {
    ran.push('render');
    return { ...(state as object), title: at(ctx).get('title') ?? null };
  },
  commands: {
    slow: {
      run: async (ctx) => {
        ctx.update({ n: 1 });
        await new Promise<void>((resolve) => {
          ctx.after(0, () => undefined);
          gates.push(resolve);
        });
      },
    },
    put: { run: (ctx) => at(ctx).put('title', 'by command') },
  },
};
const gates: (() => void)[] = [];

test('V29 while a command runs, a change of what render reads is pushed, over the committed state', async () => {
  const rig = new Rig(reader);
  const client = await rig.open();
  const slow = client.send('slow');
  await rig.settle();
  rig.stores.put('boards', 'title', 'new');
  await rig.settle();
  expect(client.tree).toMatchObject({ title: 'new', n: 0 });
  gates.pop()?.();
  await rig.settle();
  expect(await slow).toMatchObject({ status: 'ok', version: 3 });
  expect(client.tree).toMatchObject({ title: 'new', n: 1 });
});

test('V29 a first render that reads a store not yet open gives one envelope, once it is open', async () => {
  const rig = new Rig(reader);
  rig.stores.close('boards');
  rig.step({ type: 'start' });
  await rig.settle();
  expect(rig.of('mounted')).toEqual([]);
  rig.stores.put('boards', 'title', 'late');
  rig.stores.reopen('boards');
  const client = await rig.join();
  expect(client.heard).toHaveLength(1);
  expect(client.tree).toMatchObject({ title: 'late' });
});

test('a store write of a handler is part of the cycle of its command', async () => {
  const rig = new Rig(reader);
  const client = await rig.open();
  await client.dispatch('put');
  expect(client.heard).toHaveLength(2);
  expect(rig.of('reply').at(-1)?.version).toBe(2);
  expect(client.tree).toMatchObject({ title: 'by command' });
});

test('a view renders when what it has read changes, and only then; when it ends, nothing is followed', async () => {
  const rig = new Rig(reader);
  const client = await rig.open();
  ran.length = 0;
  rig.stores.put('boards', 'other', 1);
  await rig.settle();
  expect(ran).toEqual([]);
  rig.stores.put('boards', 'title', 'z');
  await rig.settle();
  expect(ran).toEqual(['render']);
  expect(rig.stores.followers).toBe(1);
  client.leave();
  await rig.settle();
  expect(rig.stores.followers).toBe(0);
  expect(rig.of('ended')).toHaveLength(1);
});

test('a render that fails by what it has read alone keeps the last tree, and hinders no command and no other node', async () => {
  const plain: ViewDefinition = {
    name: 'plain',
    render: (_, __, ctx) => ({ text: at(ctx).get('text') ?? null }),
  };
  const fragile: ViewDefinition = {
    name: 'fragile',
    render: (_, __, ctx) => {
      const text = at(ctx).get('text');
      if (text === 'bad') throw new Error('cannot show it');
      return { text: text ?? null };
    },
  };
  const rig = new Rig({
    name: 'root',
    mount: () => ({ n: 0 }),
    render: (state, h) => ({
      ...(state as object),
      f: h.child(fragile, 'f'),
      p: h.child(plain, 'p'),
    }),
    commands: { count: { run: (ctx) => ctx.update((s: { n: number }) => void s.n++) } },
  });
  const client = await rig.open();
  rig.stores.put('boards', 'text', 'bad');
  expect(await client.dispatch('count')).toEqual({});
  expect(client.tree).toMatchObject({ n: 1, f: { text: null } });
  await rig.advance(100);
  expect(client.tree).toMatchObject({ f: { text: null }, p: { text: 'bad' } });
  expect(rig.of('fault')).toHaveLength(1);
  rig.stores.put('boards', 'text', 'good');
  await rig.settle();
  expect(client.tree).toMatchObject({ n: 1, f: { text: 'good' } });
});

test('of several background tasks the one that spoils the render is taken back, those before it stay', async () => {
  const rig = new Rig({
    name: 'root',
    mount: (ctx) => {
      ctx.after(10, (task) => task.update((s: { a: number }) => void (s.a = 1)));
      ctx.after(10, (task) => task.update((s: { bad: boolean }) => void (s.bad = true)));
      return { a: 0, bad: false };
    },
    render: (state) => {
      const { bad, a } = state as { bad: boolean; a: number };
      if (bad) throw new Error('spoilt');
      return { a };
    },
  });
  const client = await rig.open();
  await rig.advance(100);
  expect(client.tree).toMatchObject({ a: 1 });
  expect(rig.of('fault')).toHaveLength(1);
});

test('an async mount of a child holds the cycle; one that takes too long fails what caused it', async () => {
  const slow: ViewDefinition = {
    name: 'slow',
    mount: () =>
      new Promise((resolve) => {
        gates.push(() => resolve({ loaded: true }));
      }),
    render: (state) => ({ ...(state as object) }),
  };
  const rig = new Rig({
    name: 'root',
    mountTimeout: 1000,
    mount: () => ({ ids: [] as string[] }),
    render: (state, h) => ({
      list: (state as { ids: string[] }).ids.map((id) => h.child(slow, id)),
    }),
    commands: {
      add: { run: (ctx, id) => ctx.update((s: { ids: unknown[] }) => void s.ids.push(id)) },
    },
  });
  const client = await rig.open();
  const first = client.send('add', 'a');
  await rig.settle();
  expect(rig.of('reply')).toEqual([]);
  gates.pop()?.();
  await rig.settle();
  expect(await first).toMatchObject({ status: 'ok' });
  expect(client.tree).toMatchObject({ list: [{ loaded: true }] });
  const second = client.send('add', 'b');
  await rig.advance(1000);
  expect(await second).toMatchObject({ response: { reason: 'internal_error' } });
  expect(client.tree).toMatchObject({ list: [{ loaded: true }] });
});

test('V9 a mount that throws or hangs fails with an opaque id, in time, and without the text of the error', async () => {
  const throws = new Rig({
    name: 'root',
    mount: () => {
      throw new Error('a secret');
    },
    render: () => ({}),
  });
  throws.step({ type: 'start' });
  await throws.settle();
  expect(throws.of('failed')).toMatchObject([{ response: { reason: 'internal error' } }]);
  expect(JSON.stringify(throws.of('failed'))).not.toContain('secret');
  const refuses = new Rig({
    name: 'root',
    mount: () => {
      throw new RejectedError('full', { of: 'a secret' });
    },
    render: () => ({}),
  });
  refuses.step({ type: 'start' });
  await refuses.settle();
  const { response } = refuses.of('failed')[0] ?? {};
  expect(response).toEqual({ reason: 'internal error', id: expect.any(String) as string });
  const hangs = new Rig({
    name: 'root',
    mount: () => new Promise(() => undefined),
    render: () => ({}),
  });
  hangs.step({ type: 'start' });
  await hangs.advance(7999);
  expect(hangs.of('failed')).toEqual([]);
  await hangs.advance(1);
  expect(hangs.of('failed')).toHaveLength(1);
  expect(hangs.of('ended')).toHaveLength(1);
});

test('a watch runs its callback as a task with both values, or has its node render', async () => {
  const rig = new Rig({
    name: 'root',
    mount: (ctx) => {
      ctx.watch(
        () => at(ctx).get('x'),
        (task, value, previous) => task.update({ log: [previous ?? null, value] }),
      );
      return { log: [] };
    },
    render: (state) => ({ ...(state as object) }),
  });
  const client = await rig.open();
  rig.stores.put('boards', 'x', 1);
  await rig.settle();
  expect(client.tree).toMatchObject({ log: [null, 1] });
  await rig.advance(1000);
  rig.stores.put('boards', 'x', 2);
  await rig.settle();
  expect(client.tree).toMatchObject({ log: [1, 2] });
});

function growing(make: () => object): ViewDefinition {
  return {
    name: 'root',
    mount: () => ({ big: false }),
    render: (state) => (isObject(state) && state['big'] === true ? make() : {}),
    commands: { grow: { run: (ctx) => ctx.update({ big: true }) } },
  };
}

test('a tree that is deeper or larger than it may be fails its render', async () => {
  const deep = (levels: number): object => (levels === 0 ? {} : { in: deep(levels - 1) });
  const limits = { tree_depth: 8, tree_bytes: 1000 };
  for (const [make, isFine] of [
    [() => deep(7), true],
    [() => deep(8), false],
    [() => ({ text: 'é'.repeat(450) }), true],
    [() => ({ text: 'é'.repeat(500) }), false],
  ] as const) {
    const rig = new Rig(growing(make), { limits });
    // oxlint-disable-next-line no-await-in-loop -- one rig after the other
    const client = await rig.open();
    // oxlint-disable-next-line no-await-in-loop -- as above
    const reply = await client.dispatch('grow');
    expect(isObject(reply) && 'error' in reply).toBe(!isFine);
  }
});

test('what a loader gives counts as part of the tree: where that would be too large or too deep, it does not land', async () => {
  const deep = (levels: number): object => (levels === 0 ? {} : { in: deep(levels - 1) });
  const limits = { tree_depth: 8, tree_bytes: 1000 };
  for (const [given, isFine] of [
    [{ text: 'a'.repeat(700) }, true],
    [{ text: 'a'.repeat(1000) }, false],
    [deep(4), true],
    [deep(6), false],
  ] as const) {
    const child: ViewDefinition = {
      name: 'child',
      async: { data: { stream: null, load: () => given } },
      mount: (ctx) => ctx.async.start('data'),
      render: (_, h) => ({ box: h.async('data') }),
    };
    const rig = new Rig(
      { name: 'root', render: (_, h) => ({ c: h.child(child, 'c') }) },
      { limits },
    );
    // oxlint-disable-next-line no-await-in-loop -- one rig after the other
    const client = await rig.open();
    // oxlint-disable-next-line no-await-in-loop -- as above
    await rig.advance(100);
    expect(client.tree).toMatchObject({ c: { box: { status: isFine ? 'ok' : 'loading' } } });
    expect(rig.of('fault')).toHaveLength(isFine ? 0 : 1);
  }
});

test('an update outside of any task is queued as one', async () => {
  let kept: ViewContext | null = null;
  const rig = new Rig({
    name: 'root',
    mount: (ctx) => {
      kept = ctx;
      return { n: 0 };
    },
    render: (state) => ({ ...(state as object) }),
  });
  const client = await rig.open();
  const ctx = kept as ViewContext | null;
  ctx?.update((s: { n: number }) => void s.n++);
  ctx?.update((s: { n: number }) => void s.n++);
  await rig.settle();
  expect(client.tree).toMatchObject({ n: 2 });
  expect(client.heard).toHaveLength(2);
  client.leave();
  await rig.settle();
  expect(() => ctx?.update({ n: 9 })).toThrow('closed');
});

test('a child that mounts slowly and watches a store not yet open renders when both are there, not before', async () => {
  const child: ViewDefinition = {
    name: 'child',
    mount: async (ctx) => {
      ctx.watch(() => at(ctx).get('x'));
      await new Promise<void>((resolve) => {
        gates.push(resolve);
      });
      return { list: [1] };
    },
    render: (state) => ({ first: (state as { list: number[] }).list[0] }),
  };
  const rig = new Rig({ name: 'root', render: (_, h) => ({ c: h.child(child, 'c') }) });
  rig.stores.close('boards');
  rig.step({ type: 'start' });
  await rig.settle();
  rig.stores.reopen('boards');
  await rig.settle();
  expect(rig.of('failed')).toEqual([]);
  gates.pop()?.();
  const client = await rig.join();
  expect(client.tree).toMatchObject({ c: { first: 1 } });
});
