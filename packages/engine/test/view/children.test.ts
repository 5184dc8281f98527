import type { ActionDefinition, RenderSlots, ViewDefinition } from '@holdfast/engine/view';
import { beforeEach, expect, test } from 'vitest';
import { Rig } from './instance-rig.ts';
import { object } from './schemas.ts';

/** What ran, by name. */
const ran: string[] = [];
/** Of the last mount of each card. */
const signalOf = new Map<string, AbortSignal>();
beforeEach(() => {
  ran.length = 0;
});

const card: ViewDefinition = {
  name: 'card',
  mount: (ctx) => {
    ran.push(`mount ${ctx.id}`);
    signalOf.set(ctx.id, ctx.signal);
    return { open: false, title: (ctx.params as { title: string }).title };
  },
  render: (state, _, ctx) => {
    ran.push(`render ${ctx.id}`);
    return { ...(state as object), given: (ctx.params as { title: string }).title };
  },
  onProps: (ctx, next, prev) => {
    ran.push(`props ${ctx.id} ${JSON.stringify([prev, next])}`);
  },
  unmount: (ctx) => void ran.push(`unmount ${ctx.id}`),
  emits: { moved: object({ to: 'number' }) },
  commands: {
    toggle: { run: (ctx) => ctx.update((s: { open: boolean }) => void (s.open = !s.open)) },
    retitle: { run: (ctx) => ctx.update((s: { title: string }) => void (s.title = 'own')) },
    move: {
      run: (ctx, input) => {
        const { to = 7, fail = false } = input as { to?: number; fail?: boolean };
        ctx.update((s: { open: boolean }) => void (s.open = true));
        ctx.emit('moved', { to });
        if (fail) throw new Error('no');
      },
    },
  },
  messages: { open: { run: (ctx) => ctx.update((s: { open: boolean }) => void (s.open = true)) } },
};

type Board = { ids: string[]; title: string; moved: number; noise: number };

const board: ViewDefinition = {
  name: 'board',
  mount: () => ({ ids: ['a', 'b'], title: 'x', moved: 0, noise: 0 }),
  render: (state, h) => {
    const { ids, title, moved } = state as Board;
    ran.push('render board');
    return {
      moved,
      box: { cards: ids.map((id) => h.child(card, id, { title }, { on: { moved: 'noteMove' } })) },
    };
  },
  commands: {
    set: { run: (ctx, change) => ctx.update((s: Board) => void Object.assign(s, change)) },
    tellB: { run: (ctx) => void ran.push(String(ctx.tell(['box', 'cards', 'b'], 'open'))) },
    tellNobody: { run: (ctx) => void ran.push(String(ctx.tell(['x'], 'open'))) },
    both: {
      run: (ctx) => {
        ctx.update((s: Board) => void (s.moved = 1));
        ctx.tell(['box', 'cards', 'a'], 'open');
      },
    },
  },
  messages: {
    noteMove: {
      run: (ctx, input) => {
        const { to } = input as { to: number };
        ctx.update((s: Board) => void (s.moved = to));
        if (to < 0) throw new Error('no');
      },
    },
  },
};

const idOf = (id: string): string[] => ['box', 'cards', id];

async function opened(): Promise<{ rig: Rig; client: Awaited<ReturnType<Rig['open']>> }> {
  const rig = new Rig(board);
  const client = await rig.open();
  ran.length = 0;
  return { rig, client };
}

test('a child is named by the way to what holds it, and by its own id', async () => {
  const { client } = await opened();
  expect(client.tree).toMatchObject({
    __musubi_store_id__: [],
    box: { cards: [{ __musubi_store_id__: idOf('a') }, { __musubi_store_id__: idOf('b') }] },
  });
});

test('V12 a command that changes root and child gives one envelope with both, after the reply', async () => {
  const { rig, client } = await opened();
  const order: string[] = [];
  rig.onEffect = ({ type }) => void order.push(type);
  await client.dispatch('both');
  expect(order.filter((type) => type === 'reply' || type === 'send')).toEqual(['reply', 'send']);
  expect(client.heard).toHaveLength(2);
  expect(client.last?.tail.content.ops).toEqual([
    { op: 'replace', path: '/moved', value: 1 },
    { op: 'replace', path: '/box/cards/0/open', value: true },
  ]);
});

test('V30 with equal props a clean child neither hears of them nor renders, though it changed its copy', async () => {
  const { client } = await opened();
  await client.dispatch('retitle', {}, { storeId: idOf('a') });
  ran.length = 0;
  await client.dispatch('set', { moved: 3 });
  expect(ran).toEqual(['render board']);
  await client.dispatch('set', { title: 'y' });
  expect(ran.filter((name) => name.startsWith('props'))).toHaveLength(2);
  expect(client.tree).toMatchObject({ box: { cards: [{ title: 'own', given: 'y' }, {}] } });
});

test('V35 of a dirty leaf only the leaf renders, and its owners get its new form', async () => {
  const { client } = await opened();
  await client.dispatch('toggle', {}, { storeId: idOf('b') });
  expect(ran).toEqual(['render b']);
  expect(client.last?.tail.content.ops).toEqual([
    { op: 'replace', path: '/box/cards/1/open', value: true },
  ]);
});

test('V35 of a leaf three levels down that changed, only the leaf renders, and nobody on the way to it', async () => {
  const nested = (level: number): ViewDefinition => ({
    name: `level${level}`,
    mount: () => ({ n: 0 }),
    render: (state, h) => {
      ran.push(`render ${level}`);
      const below = level < 3 ? { below: h.child(nestedViews[level + 1] ?? card, 'x') } : {};
      return { ...(state as object), ...below };
    },
    commands: { add: { run: (ctx) => ctx.update((s: { n: number }) => void s.n++) } },
  });
  const nestedViews = [0, 1, 2, 3].map(nested);
  const client = await new Rig(nestedViews[0] ?? card).open();
  expect(ran.splice(0)).toEqual(['render 0', 'render 1', 'render 2', 'render 3']);
  await client.dispatch('add', {}, { storeId: ['x', 'x', 'x'] });
  expect(ran).toEqual(['render 3']);
  expect(client.last?.tail.content.ops).toEqual([
    { op: 'replace', path: '/below/below/below/n', value: 1 },
  ]);
});

test('V34 an update to a deep-equal state renders nothing; null on a new key is a change', async () => {
  const { client } = await opened();
  await client.dispatch('set', { ids: ['a', 'b'] });
  expect(ran).toEqual([]);
  await client.dispatch('set', { noise: null });
  await client.dispatch('set', { fresh: null });
  expect(ran).toEqual(['render board', 'render board']);
  expect(client.heard).toHaveLength(1);
});

test('a state is frozen in development, however it came (views.md §11.3)', async () => {
  const seen: boolean[] = [];
  const note = (ctx: { state: unknown }): void => {
    const state = ctx.state as { list: object[] };
    seen.push(Object.isFrozen(state) && Object.isFrozen(state.list[0]));
  };
  const view: ViewDefinition = {
    name: 'root',
    mount: () => ({ list: [{ n: 1 }] }),
    render: (state) => ({ ...(state as object) }),
    commands: {
      look: { run: note },
      set: { run: (ctx) => ctx.update({ list: [{ n: 2 }] }) },
    },
  };
  const client = await new Rig(view, { dev: true }).open();
  await client.dispatch('look');
  await client.dispatch('set');
  await client.dispatch('look');
  expect(seen).toEqual([true, true]);
});

test('V32 a child that vanishes ends, and mounts anew when it returns; reordered ones stay', async () => {
  const { rig, client } = await opened();
  await client.dispatch('toggle', {}, { storeId: idOf('a') });
  ran.length = 0;
  await client.dispatch('set', { ids: ['b', 'a'] });
  expect(ran).toEqual(['render board']);
  const [ofA, ofB] = [signalOf.get('a'), signalOf.get('b')];
  await client.dispatch('set', { ids: ['b'] });
  expect(ran).toContain('unmount a');
  expect([ofA?.aborted, ofB?.aborted]).toEqual([true, false]);
  await client.dispatch('set', { ids: ['a', 'b'] });
  expect(ran.filter((name) => name === 'mount a')).toHaveLength(1);
  expect(client.tree).toMatchObject({ box: { cards: [{ open: false }, { open: false }] } });
  expect(rig.instance.describe().nodes).toBe(3);
});

test('V32 another view under the same id is another node, and the signal of the old one is aborted', async () => {
  const signals: AbortSignal[] = [];
  const kind = (name: string): ViewDefinition => ({
    name,
    mount: (ctx) => {
      signals.push(ctx.signal);
      return { name };
    },
    render: (state) => ({ ...(state as object) }),
  });
  const kinds = { one: kind('one'), two: kind('two') };
  const rig = new Rig({
    name: 'root',
    mount: () => ({ now: 'one' as 'one' | 'two' }),
    render: (state, h) => ({ slot: h.child(kinds[(state as { now: 'one' | 'two' }).now], 's') }),
    commands: { swap: { run: (ctx) => ctx.update({ now: 'two' }) } },
  });
  const client = await rig.open();
  await client.dispatch('swap');
  expect(client.tree).toMatchObject({ slot: { __musubi_store_id__: ['s'], name: 'two' } });
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
});

const holder = (name: string, text: string): ViewDefinition => ({
  name,
  streams: { log: { retain: true, limit: 9 }, [name]: {} },
  uploads: { file: { accept: 'any' } },
  mount: (ctx) => {
    if (name === 'one') ctx.stream('log').insert({ id: text });
    ctx.stream(name).insert({ id: text });
  },
  render: (_, h) => ({ log: h.stream('log'), own: h.stream(name), file: h.upload('file') }),
});

test('V32 what the streams and uploads of a node held is gone where another view takes its id', async () => {
  const kinds = { one: holder('one', 'a'), two: holder('two', 'b') };
  const rig = new Rig({
    name: 'root',
    mount: () => ({ now: 'one' as 'one' | 'two' }),
    render: (state, h) => ({ slot: h.child(kinds[(state as { now: 'one' | 'two' }).now], 's') }),
    commands: { swap: { run: (ctx) => ctx.update({ now: 'two' }) } },
  });
  const client = await rig.open();
  expect(client.items('log', ['s'])).toEqual([{ id: 'a' }]);
  await client.dispatch('swap');
  expect(client.items('log', ['s'])).toEqual([]);
  expect(client.items('two', ['s'])).toEqual([{ id: 'b' }]);
  expect(client.last?.tail.content.upload_ops.map(({ op }) => op)).toEqual(['reset', 'config']);
});

const listener = (name: string): ViewDefinition => ({
  name,
  streams: { log: { retain: true, limit: 9 } },
  render: (_, h) => ({ log: h.stream('log') }),
  messages: { log: { run: (ctx, id) => ctx.stream('log').insert({ id }) } },
});

test('V32 what is still said to a node in the task by which another view takes its id is not said to that one', async () => {
  const kinds = { one: listener('one'), two: listener('two') };
  const rig = new Rig({
    name: 'root',
    mount: () => ({ now: 'one' as 'one' | 'two' }),
    render: (state, h) => ({ slot: h.child(kinds[(state as { now: 'one' | 'two' }).now], 's') }),
    commands: {
      swap: {
        run: (ctx) => {
          ctx.tell(['s'], 'log', 'last');
          ctx.update({ now: 'two' });
        },
      },
    },
  });
  const client = await rig.open();
  await client.dispatch('swap');
  expect(client.items('log', ['s'])).toEqual([]);
});

test('V33 tell runs a message of a nested node in one envelope, and says false where there is none', async () => {
  const { client } = await opened();
  await client.dispatch('tellB');
  expect(client.heard).toHaveLength(2);
  expect(client.tree).toMatchObject({ box: { cards: [{ open: false }, { open: true }] } });
  await client.dispatch('tellNobody');
  expect(client.heard).toHaveLength(2);
  expect(ran.filter((name) => name === 'true' || name === 'false')).toEqual(['true', 'false']);
});

test('a message from outside the tree runs as a task', async () => {
  const { rig, client } = await opened();
  rig.step({ type: 'tell', path: idOf('a'), message: 'open', payload: {} });
  rig.step({ type: 'tell', path: idOf('z'), message: 'open', payload: {} });
  await rig.settle();
  expect(client.tree).toMatchObject({ box: { cards: [{ open: true }, { open: false }] } });
});

test('V37 what a child emits runs in the same transaction, and a failure undoes both', async () => {
  const { client } = await opened();
  await client.dispatch('move', {}, { storeId: idOf('a') });
  expect(client.tree).toMatchObject({ moved: 7, box: { cards: [{ open: true }, {}] } });
  expect(client.heard).toHaveLength(2);
  const before = client.tree;
  for (const failing of [{ fail: true }, { to: -1 }]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const answer = await client.dispatch('move', failing, { storeId: idOf('b') });
    expect(answer).toMatchObject({ error: { reason: 'internal_error' } });
  }
  expect(client.heard).toHaveLength(2);
  expect(client.tree).toBe(before);
});

const failing: { [name: string]: (h: RenderSlots) => object } = {
  'duplicate ids': (h) => ({ list: [h.child(card, 'x', { title: '' }), h.child(card, 'x', {})] }),
  'an empty id': (h) => ({ a: h.child(card, '', {}) }),
  'an id that is no string': (h) => ({ a: h.child(card, 5 as unknown as string, {}) }),
  'a function in props': (h) => ({ a: h.child(card, 'x', { call: [() => 1] }) }),
  'a slot in two places': (h) => {
    const slot = h.child(card, 'x', { title: '' });
    return { a: { slot }, b: { slot } };
  },
  'a stream in two places': (h) => ({ a: h.stream('log'), b: h.stream('log') }),
  'an upload in two places': (h) => ({ a: h.upload('file'), b: [h.upload('file')] }),
  'an undeclared stream': (h) => ({ a: h.stream('other') }),
  'an undeclared upload': (h) => ({ a: h.upload('constructor') }),
  'an undeclared async value': (h) => ({ a: h.async('other') }),
  'a reserved field': () => ({ __musubi_store_id__: ['x'] }),
  'a reserved field somewhere': () => ({ list: [{ deep: { __musubi_own: null } }] }),
  'a class instance': () => ({ a: new Map() }),
  'no object': () => 'text' as unknown as object,
};

test.each(Object.keys(failing))(
  'V31 a render with %s fails, is rolled back, and the last tree stays',
  async (name) => {
    const rig = new Rig({
      name: 'root',
      streams: { log: {} },
      uploads: { file: { accept: 'any' } },
      mount: () => ({ bad: false, count: 0 }),
      render: (state, h) => {
        const { bad, count } = state as { bad: boolean; count: number };
        return bad ? (failing[name]?.(h) ?? {}) : { count };
      },
      commands: {
        spoil: { run: (ctx) => ctx.update({ bad: true, count: 9 }) },
        count: { run: (ctx) => ctx.update((s: { count: number }) => void s.count++) },
      },
    });
    const client = await rig.open();
    expect(await client.dispatch('spoil')).toMatchObject({ error: { reason: 'internal_error' } });
    expect(client.heard).toHaveLength(1);
    expect(await client.dispatch('count')).toEqual({});
    expect(client.tree).toMatchObject({ count: 1 });
  },
);

test('h works during its render only', async () => {
  let kept: RenderSlots | null = null;
  const rig = new Rig({
    name: 'root',
    streams: { log: {} },
    render: (_, h) => {
      kept = h;
      return {};
    },
    commands: { late: { run: () => void kept?.stream('log') } },
  });
  const client = await rig.open();
  expect(await client.dispatch('late')).toMatchObject({ error: { reason: 'internal_error' } });
});

const say = (said: string): ActionDefinition => ({
  run: (ctx) => ctx.update((s: { said: string }) => void (s.said = said)),
});

test('V37 a signal goes to the message that its parent named last, though no prop has changed', async () => {
  const button: ViewDefinition = {
    name: 'button',
    emits: { pressed: object({}) },
    onProps: () => void ran.push('onProps'),
    render: () => ({}),
    commands: { press: { run: (ctx) => ctx.emit('pressed') } },
  };
  const rig = new Rig({
    name: 'root',
    mount: () => ({ to: 'one', said: '' }),
    render: (state, h) => {
      const { to, said } = state as { to: string; said: string };
      return { said, b: h.child(button, 'b', {}, { on: { pressed: to } }) };
    },
    messages: { one: say('one'), two: say('two') },
    commands: {
      turn: { run: (ctx) => ctx.update((s: { to: string }) => void (s.to = 'two')) },
    },
  });
  const client = await rig.open();
  await client.dispatch('press', {}, { storeId: ['b'] });
  expect(client.tree).toMatchObject({ said: 'one' });
  await client.dispatch('turn');
  await client.dispatch('press', {}, { storeId: ['b'] });
  expect(client.tree).toMatchObject({ said: 'two' });
  expect(ran).toEqual([]);
});
