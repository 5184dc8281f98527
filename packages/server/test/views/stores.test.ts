import { app, holdfast, StorageError, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { principals } from '../conversation/principals.ts';
import { set, topic, world } from '../conversation/world.ts';
import { Root } from './root.ts';

type Stores = { 'demo/main': { cards: { [id: string]: { title: string } } } };
const { view: viewOf } = holdfast<{ stores: Stores }>();
let renders = 0;
let release = (): void => undefined;

const foreign = {
  _type: 'file',
  hash: `sha256:${'0'.repeat(64)}`,
  size: 1,
  content_type: 'text/plain',
  filename: 'a',
  uploaded_at: '2026-01-01T00:00:00.000Z',
};

const board = viewOf({
  name: 'Board',
  mount: () => ({ filter: 'all' }),
  render: ({ filter }, _h, ctx) => {
    renders += 1;
    const cards = ctx.store('demo/main').get('cards') ?? {};
    return { filter, cards: Object.values(cards).map(({ title }) => title) };
  },
  commands: {
    add: {
      input: z.object({ id: z.string(), title: z.string() }),
      run: async (ctx, { id, title }) => {
        await ctx.store('demo/main').put(['cards', id], { title });
      },
    },
    choose: {
      input: z.object({ filter: z.string() }),
      run: (ctx, { filter }) => ctx.update((state) => void (state.filter = filter)),
    },
    wait: { run: () => new Promise<void>((resolve) => (release = resolve)) },
    taken: {
      run: async (ctx) => {
        await ctx.store('demo/main').put('cards/a/title', 'x', { ifAbsent: true });
      },
    },
    lend: {
      run: async (ctx) => {
        await ctx.store('demo/main').put('other/file', foreign);
      },
    },
    stray: {
      run: async (ctx) => {
        const store = ctx.store('demo/main');
        await store.ready;
        store.get(Array.from({ length: 33 }, () => 'a'));
      },
    },
    both: {
      run: async (ctx) => {
        await ctx.store('demo/main').transact((tx) => {
          tx.put('cards/t1', { title: 'one' });
          tx.put('cards/t2', { title: 'two' });
        });
      },
    },
  },
});

const watcher = view({
  name: 'Watcher',
  mount: (ctx) => {
    ctx.watch(
      () => ctx.store('demo/main').get('count'),
      (task, value, previous) =>
        task.update((s: { seen: unknown[] }) => void s.seen.push([previous ?? null, value])),
    );
    return { seen: new Array<unknown>() };
  },
  render: ({ seen }) => ({ seen }),
});

const guarded = view({
  name: 'Guarded',
  render: (_s, _h, ctx) => ({
    secret: ctx.store('demo/main', { as: 'principal' }).get('secret') ?? null,
  }),
});

const nowhere = view({
  name: 'Nowhere',
  render: (_s, _h, ctx) => ({ x: ctx.store('demo/none').get('x') }),
});

const hasty = view({
  name: 'Writer',
  render: (_s, _h, ctx) => {
    const store = ctx.store('demo/main');
    void store.put('x', 1);
    return { x: store.get('x') };
  },
});

const early = view({
  name: 'Early',
  render: () => ({}),
  commands: {
    look: {
      reply: z.object({ x: z.unknown() }),
      run: async (ctx) => {
        const store = ctx.store('demo/later');
        await store.ready;
        return { x: store.get('x') ?? null };
      },
    },
  },
});

const views = app({ views: [board, watcher, guarded, nowhere, hasty, early] });

it('V29 a first render waits for the store it reads; then there is one envelope', async () => {
  const { connect } = await world({ app: views });
  const root = new Root(await connect(), 'Board', 'b');
  expect((await root.join({ module: 'Board', id: 'b' })).status).toBe('ok');
  expect(await root.envelope()).toMatchObject({
    version: 1,
    ops: [{ op: 'replace', path: '', value: { filter: 'all', cards: [] } }],
  });
});

it('a view shows nothing of a store once it is purged, and writes nothing to it', async () => {
  const { server, connect, joined, storeId } = await world({ app: views });
  const writer = await joined();
  await writer.ask(topic, 'write', set('cards/a', { title: 'mine' }, 'd1:s:1'));
  const root = new Root(await connect({ device: 'd2' }), 'Board', 'b');
  await root.join({ module: 'Board', id: 'b' });
  expect(await root.envelope()).toMatchObject({ ops: [{ value: { cards: ['mine'] } }] });
  await server.stores.purge(storeId);
  expect(await root.envelope()).toMatchObject({ ops: [{ op: 'remove', path: '/cards/0' }] });
  expect(await root.command('add', { id: 'b', title: 'back' })).toMatchObject({
    status: 'error',
    response: { reason: 'unauthorized' },
  });
});

it('a view that reads a store goes on showing what the store held when it was archived, and writes nothing to it; another one is not mounted', async () => {
  const { server, connect, joined, storeId } = await world({ app: views });
  const writer = await joined();
  await writer.ask(topic, 'write', set('cards/a', { title: 'mine' }, 'd1:s:1'));
  const root = new Root(await connect({ device: 'd2' }), 'Board', 'b');
  await root.join({ module: 'Board', id: 'b' });
  expect(await root.envelope()).toMatchObject({ ops: [{ value: { cards: ['mine'] } }] });
  await server.stores.archive(storeId);
  expect(await root.command('add', { id: 'b', title: 'late' })).toMatchObject({
    status: 'error',
    response: { reason: 'store_archived' },
  });
  // What is rendered from now on has read the store once more.
  expect(await root.command('choose', { filter: 'none' })).toMatchObject({ status: 'ok' });
  const chosen = [{ op: 'replace', path: '/filter', value: 'none' }];
  expect(await root.envelope()).toMatchObject({ ops: chosen });
  const late = new Root(await connect({ device: 'd3' }), 'Board', 'c');
  expect(await late.join({ module: 'Board', id: 'c' })).toMatchObject({
    status: 'error',
    response: { reason: 'internal error' },
  });
});

it('a view renders again when what it read changes, and only then (views.md §11.2)', async () => {
  const { connect, joined } = await world({ app: views });
  const root = new Root(await connect(), 'Board', 'b');
  await root.join({ module: 'Board', id: 'b' });
  await root.envelope();
  const writer = await joined({ device: 'd2' });
  const rendered = renders;
  const write = (path: string, value: unknown): Promise<unknown> =>
    writer.ask(topic, 'write', { op: 'set', path, value, client_op_id: path });
  await write('other/a', 1);
  await write('cardsafar', 1);
  expect(renders).toBe(rendered);
  await write('cards/a', { title: 'A' });
  expect(await root.envelope()).toMatchObject({ version: 2, ops: [{ value: 'A' }] });
  await write('cards', { b: { title: 'B' } });
  expect(await root.envelope()).toMatchObject({ version: 3 });
  expect(renders).toBe(rendered + 2);
});

it('a write that a command awaits is part of its own cycle, and names only files that the store holds (views.md §7.2)', async () => {
  const { connect } = await world({ app: views });
  const root = new Root(await connect(), 'Board', 'b');
  await root.join({ module: 'Board', id: 'b', capver: 4 });
  await root.envelope();
  expect(await root.command('add', { id: 'a', title: 'A' })).toMatchObject({ version: 2 });
  expect(await root.envelope()).toMatchObject({ base_version: 1, version: 2 });
  expect(await root.command('both')).toMatchObject({ status: 'ok', version: 3 });
  await root.envelope();
  expect(await root.command('taken')).toMatchObject({
    status: 'error',
    response: { reason: 'exists' },
  });
  expect(await root.command('lend')).toMatchObject({ response: { reason: 'unknown_file' } });
  // Deeper than anything is: whoever asks for it may not cost more for that.
  expect(await root.command('stray')).toMatchObject({ status: 'error' });
});

it('V29 while a command takes its time, what render reads is shown all the same', async () => {
  const { connect, joined } = await world({ app: views });
  const root = new Root(await connect(), 'Board', 'b');
  await root.join({ module: 'Board', id: 'b' });
  await root.envelope();
  const slow = root.push('command', { name: 'wait' });
  const writer = await joined({ device: 'd2' });
  const payload = { op: 'set', path: 'cards/a', value: { title: 'A' }, client_op_id: 'w1' };
  await writer.ask(topic, 'write', payload);
  expect(await root.envelope()).toMatchObject({ version: 2, ops: [{ value: 'A' }] });
  release();
  expect(await root.next()).toMatchObject([root.joinRef, slow, root.topic, 'phx_reply', {}]);
});

it('a watch runs its callback when the value is another (views.md §11.2)', async () => {
  const { connect, joined } = await world({ app: views });
  const root = new Root(await connect(), 'Watcher', 'w');
  await root.join({ module: 'Watcher', id: 'w' });
  await root.envelope();
  const writer = await joined({ device: 'd2' });
  await writer.ask(topic, 'write', { op: 'set', path: 'count', value: 5, client_op_id: 'w1' });
  expect(await root.envelope()).toMatchObject({ ops: [{ value: [null, 5] }] });
});

it('a store as the principal is what the principal may read (views.md §11.2)', async () => {
  const authenticate = principals({
    reader: { pathRules: [{ pattern: 'open/**', allow: ['read'] }] },
    stranger: { orgs: ['other'] },
  });
  const { connect } = await world({ app: views, authenticate });
  const answers = [];
  for (const token of ['dev', 'reader', 'stranger']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const root = new Root(await connect({ token }), 'Guarded', token);
    // oxlint-disable-next-line no-await-in-loop -- the same
    answers.push((await root.join({ module: 'Guarded', id: token })).status);
  }
  expect(answers).toEqual(['ok', 'error', 'error']);
});

it('a render that writes, or reads a store that there is not, fails', async () => {
  const { connect } = await world({ app: views });
  const peer = await connect();
  for (const module of ['Nowhere', 'Writer']) {
    const root = new Root(peer, module, 'x');
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await root.join({ module, id: 'x' })).toMatchObject({
      status: 'error',
      response: { reason: 'internal error' },
    });
  }
});

it('a store that there was not can be read by the same view once it has been made', async () => {
  const { connect, url } = await world({ app: views });
  const root = new Root(await connect(), 'Early', 'x');
  await root.join({ module: 'Early', id: 'x' });
  await root.envelope();
  expect(await root.command('look')).toMatchObject({ status: 'error' });
  const headers = { authorization: 'Bearer dev', 'content-type': 'application/json' };
  const body = JSON.stringify({ name: 'demo/later' });
  expect((await fetch(`${url}/api/stores`, { method: 'POST', headers, body })).status).toBe(201);
  expect(await root.command('look')).toMatchObject({ status: 'ok', response: { x: null } });
});

it('a mount amid a graceful close is not told to the log as a mistake of the application', async () => {
  const storage = memory();
  const openStore = storage.open.bind(storage);
  let isOpening = false;
  const going = new AbortController();
  storage.open = async (id) => {
    isOpening = true;
    await new Promise((resolve) => going.signal.addEventListener('abort', resolve));
    return openStore(id);
  };
  const failures: string[] = [];
  const desk = viewOf({
    name: 'Desk',
    mount: async (ctx) => {
      await ctx.store('demo/main').ready.catch((error: unknown) => {
        failures.push(String(error));
        throw error;
      });
      return {};
    },
    render: () => ({}),
  });
  const told: string[] = [];
  const log = { info: () => undefined, error: (_: object, what: string) => told.push(what) };
  const { server, connect } = await world({ app: app({ views: [desk] }), storage, log });
  const root = new Root(await connect(), 'Desk', 'd');
  root.join({ module: 'Desk', id: 'd' }).catch(() => undefined);
  await expect.poll(() => isOpening).toBe(true);
  const closing = server.close();
  await expect.poll(() => failures).toEqual([expect.stringContaining('unavailable')]);
  going.abort();
  await closing;
  expect(told).toEqual([]);
});

it.each(['mount', 'render'])(
  'a %s that meets a disk in trouble is unavailable for a while, and says in the log why (views.md §4.1)',
  async (where) => {
    const storage = memory();
    const openStore = storage.open.bind(storage);
    let isTroubled = true;
    storage.open = async (id) => {
      if (isTroubled) throw new StorageError('io', 'the disk is in trouble');
      return openStore(id);
    };
    const desk = viewOf({
      name: 'Desk',
      mount: async (ctx) => {
        if (where === 'mount') await ctx.store('demo/main').ready;
        return {};
      },
      render: (_state, _h, ctx) => ({ cards: ctx.store('demo/main').get('cards') ?? null }),
    });
    const faults: string[] = [];
    const log = { info: () => undefined, error: (_: object, what: string) => faults.push(what) };
    const { connect } = await world({ app: app({ views: [desk] }), storage, log });
    const root = new Root(await connect(), 'Desk', 'd');
    const join = { module: 'Desk', id: 'd' };
    expect(await root.join(join)).toEqual({
      status: 'error',
      response: { reason: 'unavailable', retry_after_ms: 1000 },
    });
    expect(faults.at(-1)).toContain('mount of Desk:d');
    isTroubled = false;
    // The registry of stores remembers an error for a second.
    await expect.poll(async () => (await root.join(join)).status).toBe('ok');
  },
);
