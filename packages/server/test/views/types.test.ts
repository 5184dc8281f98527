import type { CommandsOf, EventsOf, ModuleOf, ParamsOf, SnapshotOf } from '@holdfast/protocol';
import type { AsyncState, RemoteNode, UploadState } from '@holdfast/protocol';
import { expectTypeOf, expect, it } from 'vitest';
import { z } from 'zod';
import { app as plainApp, holdfast, stream, upload, view as plainView } from '../../src/index.ts';

type User = { id: string; rooms: string[] };
type Stores = { 'acme/boards': { cards: { [id: string]: { title: string } } } };
const { view, loader, app } = holdfast<{ principal: User; stores: Stores }>();

const loadProfile = (id: string, _signal: AbortSignal): Promise<{ name: string; at: Date }> =>
  Promise.resolve({ name: id, at: new Date(0) });

const card = view({
  name: 'Card',
  params: z.object({ title: z.string() }),
  mount: () => ({ open: false }),
  render: (s, _h, ctx) => ({ title: ctx.params.title, open: s.open }),
  commands: {
    toggle: {
      run: (ctx) =>
        ctx.update((s) => {
          s.open = !s.open;
        }),
    },
  },
});
const board = view({
  name: 'App.Board',
  params: z.object({ room: z.string(), page: z.number().default(1) }),
  authorize: (ctx) => ctx.principal.rooms.includes(ctx.params.room),
  streams: { log: stream<{ id: string; text: string }>({ limit: 200 }) },
  events: { toast: z.object({ msg: z.string() }) },
  uploads: { avatar: upload({ accept: ['.png'] }) },
  async: { profile: loader((ctx, userId: string) => loadProfile(userId, ctx.signal)) },
  mount: async (ctx) => {
    ctx.async.start('profile', ctx.principal.id);
    return { filter: 'all' };
  },
  render: (s, h, ctx) => ({
    filter: s.filter,
    page: ctx.params.page,
    cards: Object.entries(ctx.store('acme/boards').get('cards') ?? {}).map(([id, c]) =>
      h.child(card, id, { title: c.title }),
    ),
    log: h.stream('log'),
    profile: h.async('profile'),
    avatar: h.upload('avatar'),
  }),
  commands: {
    setFilter: {
      input: z.object({ to: z.string() }),
      run: (ctx, p) =>
        ctx.update((s) => {
          s.filter = p.to;
        }),
    },
    addCard: {
      input: z.object({ title: z.string().max(200) }),
      reply: z.object({ id: z.string() }),
      timeout: 5_000,
      run: async (ctx, p) => {
        const id = p.title;
        await ctx.store('acme/boards').put(['cards', id], { title: p.title });
        ctx.send('toast', { msg: 'added' });
        return { id };
      },
    },
  },
});

type Branch = { title: string; branches: RemoteNode<{ snapshot: Branch }>[] };
const tree = view({
  name: 'Tree',
  params: z.object({ depth: z.number() }),
  mount: () => ({ open: false }),
  render: (s, h, { params: { depth } }): Branch => ({
    title: String(s.open),
    branches: depth > 0 ? [h.child(tree, 'a', { depth: depth - 1 })] : [],
  }),
});

const boards = app({ views: [board, tree] });
type Boards = typeof boards;

it('names, params, snapshots, commands and events are inferred from declarations (views.md §11.1, §14)', () => {
  expectTypeOf<ModuleOf<Boards>>().toEqualTypeOf<'App.Board' | 'Tree'>();
  expectTypeOf<ParamsOf<Boards, 'App.Board'>>().toEqualTypeOf<{
    room: string;
    page?: number | undefined;
  }>();
  type Snapshot = SnapshotOf<Boards, 'App.Board'>;
  expectTypeOf<Snapshot['filter']>().toEqualTypeOf<string>();
  expectTypeOf<Snapshot['page']>().toEqualTypeOf<number>();
  expectTypeOf<Snapshot['cards']>().toEqualTypeOf<
    readonly { readonly title: string; readonly open: boolean }[]
  >();
  expectTypeOf<Snapshot['log'][number]>().toEqualTypeOf<{
    readonly id: string;
    readonly text: string;
  }>();
  expectTypeOf<Snapshot['profile']>().toEqualTypeOf<
    AsyncState<{ readonly name: string; readonly at: string }>
  >();
  expectTypeOf<Snapshot['avatar']>().toEqualTypeOf<UploadState>();
  type Commands = CommandsOf<Boards, 'App.Board'>;
  expectTypeOf<Commands['addCard']>().toEqualTypeOf<{
    readonly payload: { title: string };
    readonly reply: { readonly id: string };
  }>();
  expectTypeOf<keyof Commands>().toEqualTypeOf<'setFilter' | 'addCard'>();
  expectTypeOf<EventsOf<Boards, 'App.Board'>>().toEqualTypeOf<{
    readonly toast: { readonly msg: string };
  }>();
});

it('what a store holds is known as deep as its shape is, by the segments of a path', () => {
  const reader = view({
    name: 'Reader',
    render: (_s, _h, ctx) => {
      const store = ctx.store('acme/boards');
      const id: string = 'a';
      const somewhere: string[] = ['cards', id];
      expectTypeOf(store.get('cards')).toEqualTypeOf<
        { [id: string]: { title: string } } | undefined
      >();
      expectTypeOf(store.get(['cards', id])).toEqualTypeOf<{ title: string } | undefined>();
      expectTypeOf(store.get(['cards', id, 'title'])).toEqualTypeOf<string | undefined>();
      expectTypeOf(store.get(['cards', id, 'text'])).toEqualTypeOf<unknown>();
      expectTypeOf(store.get(somewhere)).toEqualTypeOf<unknown>();
      expectTypeOf(store.get(`cards/${id}`)).toEqualTypeOf<unknown>();
      return {};
    },
  });
  expect(reader.name).toBe('Reader');
});

it('a view that contains itself needs no more than the type of what it renders (views.md §11.1)', () => {
  type Shown = SnapshotOf<Boards, 'Tree'>;
  expectTypeOf<Shown['branches'][number]['branches'][number]['title']>().toEqualTypeOf<string>();
});

it('a view without env knows the principal and no stores', () => {
  const clock = plainView({
    name: 'Clock',
    emits: { tick: z.object({ at: z.number() }) },
    mount(ctx) {
      expectTypeOf(ctx.principal.subject).toEqualTypeOf<string | null>();
      expectTypeOf(ctx.store('acme/any').get('x')).toEqualTypeOf<unknown>();
      ctx.emit('tick', { at: 1 });
      ctx.every(1000, (task) => task.update((s: { now: number }) => void (s.now += 1)));
      return { now: 0 };
    },
    render: ({ now }) => ({ now }),
  });
  const host = plainView({
    name: 'Host',
    mount: () => ({ at: 0 }),
    render: ({ at }, h) => ({ at, clock: h.child(clock, 'c', {}, { on: { tick: 'ticked' } }) }),
    messages: {
      ticked: { input: z.object({ at: z.number() }), run: (ctx, { at }) => ctx.update({ at }) },
    },
    commands: { reset: { run: (ctx) => ctx.update({ at: 0 }) } },
  });
  expectTypeOf<ModuleOf<ReturnType<typeof make>>>().toEqualTypeOf<'Host'>();
  const make = () => plainApp({ views: [host] });
  expect(make().views.map(({ name }) => name)).toEqual(['Host']);
});

function wrong(): void {
  view({
    name: 'A',
    scope: 'shared',
    // @ts-expect-error the principal of a shared view is known to commands only
    mount: (ctx) => ({ a: ctx.principal.id }),
    render: (s) => s,
  });
  view({
    name: 'A',
    scope: 'shared',
    // @ts-expect-error nor has a render of a shared view one
    render: (_s, _h, ctx) => ({ a: ctx.principal.id }),
    // @ts-expect-error nor has a message, which nobody sends
    messages: { told: { run: (ctx) => void ctx.principal.id } },
    // @ts-expect-error nor has its end
    unmount: (ctx) => void ctx.principal.id,
    commands: {
      later: {
        run: (ctx) => {
          // @ts-expect-error nor has a timer, whoever has set it
          ctx.after(1, (task) => void task.principal.id);
        },
      },
    },
  });
  view({
    name: 'A',
    scope: 'shared',
    mount: () => ({ a: '' }),
    render: (s) => s,
    commands: { fine: { run: (ctx) => ctx.update({ a: ctx.principal.id }) } },
  });
  view({
    name: 'A',
    render: () => ({}),
    // @ts-expect-error the reply is no such object
    commands: { a: { reply: z.object({ id: z.string() }), run: () => ({ id: 1 }) } },
  });
  // @ts-expect-error without a reply schema there is no reply
  view({ name: 'A', render: () => ({}), commands: { a: { run: () => ({ id: 1 }) } } });
  view({
    name: 'A',
    streams: { log: stream<{ id: string }>() },
    events: { toast: z.object({ msg: z.string() }) },
    uploads: { file: upload({ accept: 'any' }) },
    async: { load: loader((_ctx, n: number) => Promise.resolve(n)) },
    emits: { told: z.object({ n: z.number() }) },
    mount(ctx) {
      // @ts-expect-error no such stream
      ctx.stream('lag');
      // @ts-expect-error no such item
      ctx.stream('log').insert({ id: 1 });
      ctx.stream('log').insert({ id: '1' }, { at: 0, limit: null });
      // @ts-expect-error no such place
      ctx.stream('log').insert({ id: '1' }, { at: 'end' });
      // @ts-expect-error no such event
      ctx.send('tost', { msg: '' });
      // @ts-expect-error no such payload
      ctx.send('toast', { msg: 1 });
      // @ts-expect-error no such async value
      ctx.async.start('lood', 1);
      // @ts-expect-error no such argument
      ctx.async.start('load', 'x');
      // @ts-expect-error no such async value
      ctx.async.cancel('lood');
      // @ts-expect-error no such upload
      ctx.uploads.entries('fill');
      // @ts-expect-error no such upload
      ctx.uploads.cancel('fill', 'u_1');
      // @ts-expect-error no such upload
      void ctx.uploads.consume('fill', () => 1);
      // @ts-expect-error no such signal
      ctx.emit('tolled', { n: 1 });
      // @ts-expect-error no such store
      ctx.store('acme/bords');
      return { n: 1 };
    },
    render: (s, h) => ({
      // @ts-expect-error no such state
      m: s.m,
      // @ts-expect-error no such stream
      log: h.stream('lag'),
      // @ts-expect-error no such upload
      file: h.upload('fill'),
      // @ts-expect-error no such async value
      load: h.async('lood'),
      // @ts-expect-error no such props
      card: h.child(card, 'a', { titl: '' }),
      // @ts-expect-error props are missing
      other: h.child(card, 'a'),
    }),
    // @ts-expect-error no such state
    commands: { set: { run: (ctx) => ctx.update((s) => void (s.m = 1)) } },
  });
  // @ts-expect-error there is no such key in a view
  view({ name: 'A', render: () => ({}), redner: () => ({}) });
  type Bad = 'App.Bord';
  // @ts-expect-error no such module
  expectTypeOf<ParamsOf<Boards, Bad>>();
  // @ts-expect-error no such command
  expectTypeOf<CommandsOf<Boards, 'App.Board'>['toggle']>();
}

it('what is wrong does not compile (views.md §14)', () => {
  expect(wrong).toBeTypeOf('function');
});

it('what cannot be a view, an upload, a stream or an app is refused when it is declared', () => {
  expect(() => plainView({ name: 'a b', render: () => ({}) })).toThrow(TypeError);
  const reserved = { phx_x: { run: () => undefined } };
  expect(() => plainView({ name: 'A', render: () => ({}), commands: reserved })).toThrow(
    'reserved',
  );
  // @ts-expect-error there is no such key
  expect(() => plainView({ name: 'A', render: () => ({}), redner: 1 })).toThrow('redner');
  const schemaless = { go: { input: 7, run: () => undefined } };
  expect(() => plainView({ name: 'A', render: () => ({}), commands: schemaless })).toThrow(
    'Standard Schema',
  );
  expect(() => upload({ accept: ['png'] })).toThrow(TypeError);
  expect(() => upload({ accept: 'any', maxEntries: 0 })).toThrow(RangeError);
  expect(() => stream({ retain: true })).toThrow('limit');
  expect(() => stream({ limit: 1, trim: 'end' })).toThrow('retain');
  const streams = { log: stream<{ id: string }>() };
  expect(() => plainView({ name: 'A', scope: 'shared', streams, render: () => ({}) })).toThrow(
    'limit',
  );
  const plain = { name: 'A', render: () => ({}) };
  for (const limit of [{ maxRate: 0 }, { timeout: NaN }, { mountTimeout: -1 }, { linger: -1 }]) {
    expect(() => plainView({ ...plain, ...limit })).toThrow(RangeError);
  }
  const hasty = { add: { timeout: 0, run: () => undefined } };
  expect(() => plainView({ ...plain, commands: hasty })).toThrow('timeout of add');
  expect(() => plainView({ ...plain, linger: 0, timeout: Infinity })).not.toThrow();
  const items = loader.stream('nope', async () => []);
  expect(() => plainView({ ...plain, async: { items } })).toThrow('nope');
  expect(() => app({ views: [card, card] })).toThrow('Card');
});
