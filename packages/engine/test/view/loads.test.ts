import type { StreamDefinition, ViewContext, ViewDefinition } from '@holdfast/engine/view';
import { RejectedError } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { Gate, Rig, type ViewClient } from './instance-rig.ts';

type Loading = {
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  signal: AbortSignal;
};

/** A view that loads what a test resolves. */
function loading(loads: Loading[], more: Partial<ViewDefinition> = {}): ViewDefinition {
  const load = (ctx: ViewContext): Promise<unknown> =>
    new Promise((resolve, reject) => {
      loads.push({ resolve, reject, signal: ctx.signal });
    });
  return {
    name: 'loading',
    streams: { items: {} },
    async: { profile: { stream: null, load }, list: { stream: 'items', load } },
    render: (_, h) => ({ profile: h.async('profile'), list: h.async('list') }),
    commands: {
      load: { run: (ctx, options) => ctx.async.start('profile', null, options as object) },
      list: { run: (ctx, options) => ctx.async.start('list', null, options as object) },
      cancel: { run: (ctx) => ctx.async.cancel('profile') },
      fail: {
        run: (ctx) => {
          ctx.async.start('profile');
          throw new Error('no');
        },
      },
    },
    ...more,
  };
}

const profile = (client: ViewClient): unknown => (client.tree as { profile?: unknown }).profile;

test('V44 a start loads first and is ok later; a re-start keeps the result; only the newest run lands', async () => {
  const loads: Loading[] = [];
  const client = await new Rig(loading(loads)).open();
  expect(profile(client)).toEqual({
    __musubi_async__: true,
    status: 'loading',
    result: null,
    reason: null,
  });
  await client.dispatch('load');
  expect(client.heard).toHaveLength(1);
  loads[0]?.resolve({ name: 'ada' });
  await client.dispatch('load');
  expect(profile(client)).toMatchObject({ status: 'loading', result: { name: 'ada' } });
  await client.dispatch('load');
  expect(loads.map(({ signal }) => signal.aborted)).toEqual([false, false, false]);
  loads[2]?.resolve('newest');
  loads[1]?.resolve('older');
  await client.dispatch('cancel');
  expect(profile(client)).toMatchObject({ status: 'ok', result: 'newest', reason: null });
  await client.dispatch('load', { reset: true });
  expect(profile(client)).toMatchObject({ status: 'loading', result: null });
  expect(loads[3]?.signal.aborted).toBe(false);
  await client.dispatch('load', { abortPrevious: true });
  expect([3, 4].map((run) => loads[run]?.signal.aborted)).toEqual([true, false]);
});

test('V45 a failure tells nothing unless the loader said no; a timeout and a cancel say so', async () => {
  const loads: Loading[] = [];
  const rig = new Rig(loading(loads));
  const client = await rig.open();
  await client.dispatch('load');
  loads[0]?.reject(new Error('a secret'));
  await rig.advance(100);
  expect(profile(client)).toEqual({
    __musubi_async__: true,
    status: 'failed',
    result: null,
    reason: { kind: 'exit', value: { code: 'internal_error', id: expect.stringMatching(/^e_/) } },
  });
  await client.dispatch('load');
  loads[1]?.reject(new RejectedError('not_found', { what: 'ada' }));
  await rig.advance(100);
  expect(profile(client)).toMatchObject({
    reason: { kind: 'error', value: { code: 'not_found', data: { what: 'ada' } } },
  });
  await client.dispatch('load', { timeout: 500 });
  await rig.advance(500);
  expect(profile(client)).toMatchObject({ reason: { kind: 'exit', value: 'timeout' } });
  expect(loads[2]?.signal.aborted).toBe(true);
  await client.dispatch('load');
  await client.dispatch('cancel');
  expect(profile(client)).toMatchObject({
    status: 'failed',
    reason: { kind: 'exit', value: 'cancelled' },
  });
  expect(loads[3]?.signal.aborted).toBe(true);
  loads[3]?.resolve('late');
  await rig.advance(100);
  expect(profile(client)).toMatchObject({ status: 'failed' });
  await client.dispatch('load', { timeout: 500 });
  loads[4]?.resolve('in time');
  await rig.advance(1000);
  expect(profile(client)).toMatchObject({ status: 'ok', result: 'in time' });
  const outcomes = rig.of('loaded').map(({ outcome }) => outcome);
  expect(outcomes).toEqual(['failed', 'failed', 'timeout', 'cancelled', 'ok']);
});

test('V46 the items of a stream loader and its status come in one envelope; a late result changes nothing', async () => {
  const loads: Loading[] = [];
  const rig = new Rig(loading(loads));
  const client = await rig.open();
  await client.dispatch('list');
  loads[0]?.resolve([{ id: 1 }, { id: 2 }]);
  await rig.settle();
  expect(client.heard).toHaveLength(2);
  expect(client.last?.tail.content.stream_ops).toHaveLength(2);
  expect(client.tree).toMatchObject({
    list: { status: 'ok', result: { __musubi_stream__: 'items' } },
  });
  await client.dispatch('load');
  client.leave();
  await rig.settle();
  expect(loads[1]?.signal.aborted).toBe(true);
  loads[1]?.resolve(1);
  await rig.settle();
  expect(rig.of('fault')).toEqual([]);
});

test('V46 a result that comes when its node has ended changes nothing, not even of the node that has its id by now', async () => {
  const loads: Loading[] = [];
  const rig = new Rig({
    name: 'root',
    mount: () => ({ has: true }),
    render: (state, h) => ({
      c: (state as { has: boolean }).has ? h.child(loading(loads), 'c') : null,
    }),
    commands: {
      toggle: { run: (ctx) => ctx.update((s: { has: boolean }) => void (s.has = !s.has)) },
    },
  });
  const client = await rig.open();
  await client.dispatch('load', {}, { storeId: ['c'] });
  await client.dispatch('list', {}, { storeId: ['c'] });
  await client.dispatch('toggle');
  expect(loads.map(({ signal }) => signal.aborted)).toEqual([true, true]);
  await client.dispatch('toggle');
  const before = client.heard.length;
  loads[0]?.resolve('late');
  loads[1]?.resolve([{ id: 1 }]);
  await rig.advance(100);
  expect(client.heard).toHaveLength(before);
  expect(client.tree).toMatchObject({ c: { profile: { status: 'loading', result: null } } });
  expect([client.items('items', ['c']), rig.of('fault')]).toEqual([[], []]);
});

/** A view whose command does what a test says, and is done when its gate is opened. */
function held(loads: Loading[], gate: Gate, more: Partial<StreamDefinition> = {}): ViewDefinition {
  return loading(loads, {
    streams: { items: { retain: true, limit: 3, ...more } },
    mount: (ctx) => {
      ctx.stream('items').reset([{ id: 1 }, { id: 2 }, { id: 3 }]);
      return {};
    },
    commands: {
      load: { run: (ctx, options) => ctx.async.start('profile', null, options as object) },
      list: { run: (ctx, options) => ctx.async.start('list', null, options as object) },
      slow: {
        run: async (ctx, act) => {
          (act as (ctx: ViewContext) => void)(ctx);
          await gate.opened;
        },
      },
    },
  });
}

/** What a client has of a list, and what is held of it, once a load has landed there while a command changed it. */
async function landed(
  change: (ctx: ViewContext) => void,
  {
    items = [4],
    options,
    window,
  }: {
    readonly items?: readonly number[];
    readonly options?: { readonly reset?: boolean };
    readonly window?: { readonly trim: 'start' | 'end'; readonly limit: number };
  } = {},
): Promise<readonly unknown[]> {
  const [loads, gate]: [Loading[], Gate] = [[], new Gate()];
  const rig = new Rig(held(loads, gate, window));
  const client = await rig.open();
  await client.dispatch('list', options);
  const slow = client.send('slow', change);
  loads[0]?.resolve(items.map((id) => ({ id })));
  await rig.advance(100);
  gate.open();
  await slow;
  let kept: unknown;
  await client.dispatch('slow', (ctx: ViewContext) => (kept = ctx.stream('items').items()));
  return [client.items('items'), kept];
}

test.each([
  {
    what: 'pushes it on',
    options: {},
    items: [4],
    shown: [{ id: 2, text: 'new' }, { id: 3 }, { id: 4 }],
  },
  { what: 'empties it', options: { reset: true }, items: [], shown: [] },
])(
  'V38 V46 what a command updates in a list while a load $what is held as clients have it',
  async ({ options, items, shown }) => {
    const both = await landed((ctx) => ctx.stream('items').update({ id: 2, text: 'new' }), {
      options,
      items,
    });
    expect(both).toEqual([shown, shown]);
  },
);

test.each([
  { what: 're-start', act: 'start', status: 'loading' },
  { what: 'cancel', act: 'cancel', status: 'ok' },
] as const)(
  'V44 a $what keeps the result that has come while its command ran',
  async ({ act, status }) => {
    const [loads, gate]: [Loading[], Gate] = [[], new Gate()];
    const rig = new Rig(held(loads, gate));
    const client = await rig.open();
    await client.dispatch('load');
    const slow = client.send('slow', (ctx: ViewContext) => ctx.async[act]('profile'));
    loads[0]?.resolve('first');
    await rig.advance(100);
    expect(profile(client)).toMatchObject({ status: 'ok', result: 'first' });
    gate.open();
    await slow;
    expect(profile(client)).toMatchObject({ status, result: 'first', reason: null });
  },
);

test('V38 V46 all that a command puts into a list while a load arrives is held as clients have it', async () => {
  const both = await landed((ctx) => {
    ctx.stream('items').insert({ id: 5 });
    ctx.stream('items').insert({ id: 6 });
  });
  expect(both).toEqual([0, 1].map(() => [{ id: 4 }, { id: 5 }, { id: 6 }]));
});

test.each([
  { trim: 'start', limit: 3, at: -1, shown: [3, 4, 5] },
  { trim: 'start', limit: 4, at: -1, shown: [2, 3, 4, 5] },
  { trim: 'end', limit: 4, at: 0, shown: [5, 1, 2, 3] },
] as const)(
  'V41 what a command puts at $at into a list of $limit while a load arrives is cut at the $trim by what is there then',
  async ({ trim, limit, at, shown }) => {
    const insert = (ctx: ViewContext): void => ctx.stream('items').insert({ id: 5 }, { at });
    const items = shown.map((id) => ({ id }));
    expect(await landed(insert, { window: { trim, limit } })).toEqual([items, items]);
  },
);

test('V45 a load that fails leaves the result that was there', async () => {
  const loads: Loading[] = [];
  const client = await new Rig(loading(loads)).open();
  await client.dispatch('load');
  loads[0]?.resolve('first');
  await client.dispatch('load');
  loads[1]?.reject(new RejectedError('full'));
  await client.dispatch('fail');
  expect(profile(client)).toMatchObject({ status: 'failed', result: 'first' });
});

test('V24 a load that a failed command has started never runs', async () => {
  const loads: Loading[] = [];
  const client = await new Rig(loading(loads)).open();
  await client.dispatch('fail');
  expect(loads).toEqual([]);
});

test('what a loader does besides loading is a task of its own', async () => {
  const rig = new Rig({
    name: 'loading',
    async: { profile: { stream: null, load: (ctx) => ctx.update({ seen: true }) } },
    mount: (ctx) => {
      ctx.async.start('profile');
      return { seen: false };
    },
    render: (state, h) => ({ ...(state as object), profile: h.async('profile') }),
  });
  const client = await rig.open();
  await rig.advance(100);
  expect(client.tree).toMatchObject({ seen: true, profile: { status: 'ok', result: null } });
});
