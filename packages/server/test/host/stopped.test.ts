import type { LoggedOp } from '@holdfast/engine/authority';
import { InProcessTransport } from '@holdfast/engine/record';
import { deferred } from '@holdfast/engine/registry';
import { asPath, passthrough, record, source } from '@holdfast/protocol';
import type { Storage } from '@holdfast/server/storage';
import { memory } from '@holdfast/server/storage/memory';
import { app, view } from '@holdfast/server';
import { TestClock } from '@holdfast/server/testing';
import { expect, onTestFinished, test } from 'vitest';

import { systemClock } from '../../src/host/clock.ts';
import { SlowDisk } from '../conversation/slow-disk.ts';
import { put } from '../conversation/talk.ts';
import { set, topic, world } from '../conversation/world.ts';
import { Root } from '../views/root.ts';

const shown = view({
  name: 'Shown',
  mount: () => ({}),
  render: (_s, _h, ctx) => ({ a: ctx.store('demo/main').get('a') }),
  commands: {
    write: {
      run: async (ctx) => {
        await ctx.store('demo/main').put('a', 3);
      },
    },
  },
});

const Item = record({
  name: 'item',
  store: 'demo/main',
  path: 'items/:id',
  version: '1.0',
  schema: passthrough<{ n: number }>(),
});

const Runs = source({
  name: 'runs',
  params: passthrough<object>(),
  schema: passthrough<number>(),
  version: '1.0',
});

const fail = (): never => {
  throw new Error('the stream has ended');
};

/** A storage that once says that others have written, and then shows a log with a gap: what no authority can follow. */
function lyingOnce(disk: Storage): { storage: Storage; lie: () => void } {
  let lies = 0;
  const lost: LoggedOp = {
    seq: 9,
    op: 'set',
    path: asPath('lost'),
    value: 1,
    arg: null,
    deviceId: 'd9',
    clientOpId: 'lost',
    tx: null,
    at: 0,
    principal: null,
    removed: [],
  };
  const storage: Storage = {
    stores: disk.stores,
    tokens: disk.tokens,
    devices: disk.devices,
    files: disk.files,
    webhooks: disk.webhooks,
    audit: disk.audit,
    keys: disk.keys,
    open: (store) => disk.open(store),
    load: (store) => disk.load(store),
    append: async (store, expected, batch) => {
      if (lies === 0) return disk.append(store, expected, batch);
      return { status: 'behind', head: 9 };
    },
    read: async (store, after, limit) => {
      if (lies === 0) return disk.read(store, after, limit);
      lies -= 1;
      return [lost];
    },
    answers: (store, asked) => disk.answers(store, asked),
    markers: (store, after, limit) => disk.markers(store, after, limit),
    compact: (store, through, limit) => disk.compact(store, through, limit),
    size: () => disk.size(),
    now: () => disk.now(),
    close: () => disk.close(),
  };
  return { storage, lie: () => (lies = 1) };
}

test('an invariant that breaks stops its store alone: channels close, the operator hears why, and a rejoin finds what is stored', async () => {
  const { storage, lie } = lyingOnce(memory());
  const heard: string[] = [];
  const log = { info: () => undefined, error: (_: object, what: string) => heard.push(what) };
  const { server, connect, joined } = await world({ storage, log });
  await server.stores.create('demo/other');
  const [peer, neighbour] = [await joined(), await connect({ device: 'd2' })];
  await neighbour.join('store:demo/other');
  expect(await put(peer, 'a', 1)).toBe(1);
  lie();
  peer.push(topic, 'write', set('b', 2, 'in vain'));
  const closed = await peer.until(([, , , event]) => event === 'phx_close');
  expect(closed).toEqual([peer.joinRef, peer.joinRef, topic, 'phx_close', {}]);
  expect(heard).toEqual([expect.stringContaining('store demo/main stopped at {"head":1')]);
  const { response } = await peer.join(topic, { last_store_seq: 1 });
  expect(response['store_seq']).toBe(1);
  expect((await peer.ask(topic, 'write', set('b', 2, 'in vain'))).response).toEqual({
    store_seq: 2,
  });
  const other = await neighbour.ask('store:demo/other', 'write', set('a', 1, 'x'));
  expect(other.response).toEqual({ store_seq: 1 });
});

test('a join under way while its store stops is refused, not left on a store that answers nothing', async () => {
  const disk = new SlowDisk(memory());
  const { storage, lie } = lyingOnce(disk.storage);
  const { connect, joined } = await world({ storage });
  const [peer, other] = [await joined(), await connect({ device: 'd2', capver: '3' })];
  disk.hold();
  const joining = other.join(topic);
  await disk.reached();
  lie();
  peer.push(topic, 'write', set('b', 2, 'in vain'));
  await peer.until(([, , , event]) => event === 'phx_close');
  disk.release();
  expect(await joining).toMatchObject({ status: 'error', response: { reason: 'unavailable' } });
  expect((await other.join(topic)).status).toBe('ok');
});

/** A clock that keeps the next that is to run at the end of a turn until it is released. */
function keepingClock() {
  let isNext = false;
  let kept: (() => void) | null = null;
  return {
    ...systemClock,
    setImmediate: (run: () => void) => {
      if (isNext) kept = run;
      else systemClock.setImmediate(run);
      isNext = false;
    },
    keepNext: () => void (isNext = true),
    get hasKept() {
      return kept !== null;
    },
    release: () => kept?.(),
  };
}

test('who has a store go back as it stops, before its channels are closed, may have it go back once it is open again', async () => {
  const { storage, lie } = lyingOnce(memory());
  const clock = keepingClock();
  const log = { info: () => undefined, error: () => clock.keepNext() };
  const { server, connect, joined } = await world({ storage, log, clock, rates: {} });
  await server.stores.create('demo/other');
  const [peer, neighbour] = [await joined(), await connect({ device: 'd2' })];
  await put(peer, 'a', 0);
  await put(peer, 'many', Object.fromEntries(Array.from({ length: 1001 }, (_, at) => [at, at])));
  lie();
  peer.push(topic, 'write', set('b', 2, 'in vain'));
  await expect.poll(() => clock.hasKept).toBe(true);
  peer.push(topic, 'rollback', { path: 'many', to_seq: 2 });
  // By then it has been looked for.
  await neighbour.join('store:demo/other');
  clock.release();
  await peer.until(([, , , event]) => event === 'phx_close');
  await peer.join(topic, { last_store_seq: 2 });
  const { response } = await peer.ask(topic, 'rollback', { path: 'many', to_seq: 2 });
  expect(response).toMatchObject({ noop: true });
});

test('a view goes on with a store whose host has stopped: with what is stored, and with what is written later', async () => {
  const { storage, lie } = lyingOnce(memory());
  const log = { info: () => undefined, error: () => undefined };
  const { joined, connect } = await world({ storage, log, app: app({ views: [shown] }) });
  const peer = await joined();
  await put(peer, 'a', 1);
  const root = new Root(await connect({ device: 'd2' }), 'Shown', 's');
  await root.join({ module: 'Shown', id: 's' });
  const value = async (): Promise<unknown> => (await root.envelope()).ops[0];
  expect(await value()).toMatchObject({ value: { a: 1 } });
  lie();
  peer.push(topic, 'write', set('b', 2, 'in vain'));
  await peer.until(([, , , event]) => event === 'phx_close');
  await peer.join(topic, { last_store_seq: 1 });
  await put(peer, 'a', 2);
  expect(await value()).toMatchObject({ path: '/a', value: 2 });
  expect(await root.command('write')).toMatchObject({ status: 'ok' });
  expect(await value()).toMatchObject({ path: '/a', value: 3 });
});

test('a view goes on with a store that could not be opened at once after its host had stopped', async () => {
  const { storage, lie } = lyingOnce(memory());
  const clock = new TestClock();
  const told: string[] = [];
  const log = { info: () => undefined, error: (_: object, what: string) => told.push(what) };
  const { joined, connect } = await world({ storage, log, clock, app: app({ views: [shown] }) });
  const peer = await joined();
  await put(peer, 'a', 1);
  const root = new Root(await connect({ device: 'd2' }), 'Shown', 's');
  await root.join({ module: 'Shown', id: 's' });
  expect((await root.envelope()).ops).toMatchObject([{ value: { a: 1 } }]);
  const load = storage.load.bind(storage);
  storage.load = () => fail();
  lie();
  peer.push(topic, 'write', set('b', 2, 'in vain'));
  await expect.poll(() => told).toContain('a store was not reopened');
  storage.load = load;
  await clock.advance(2000);
  await peer.join(topic, { last_store_seq: 1 });
  await put(peer, 'a', 2);
  expect((await root.envelope()).ops).toMatchObject([{ path: '/a', value: 2 }]);
  expect(await root.command('write')).toMatchObject({ status: 'ok' });
});

test('streams of a store whose host has stopped end, and who comes back, sources and publishing go on', async () => {
  const { storage, lie } = lyingOnce(memory());
  const log = { info: () => undefined, error: () => undefined };
  const { server, url, joined } = await world({ storage, log });
  const items = server.record(Item);
  let runs = 0;
  server.source(Runs, { policy: { on: [Item.key({ id: '1' })] }, run: () => (runs += 1) });
  const transport = new InProcessTransport();
  const published: unknown[] = [];
  transport.subscribe(Item.key({ id: '1' }), (message) => published.push(message));
  server.publish(Item, transport);
  const abort = new AbortController();
  const { signal } = abort;
  onTestFinished(() => abort.abort());
  const { GET } = server.syncHandler({ authorize: 'public' });
  const stream = async (key: string): Promise<Response> => {
    const request = new Request(`http://x/api/records?key=${encodeURIComponent(key)}`, { signal });
    return GET(request, { principal: { subject: 'eve' }, now: 0 });
  };
  const watch = (): Promise<Response> =>
    fetch(`${url}/api/stores/demo/main/watch`, {
      headers: { authorization: 'Bearer dev' },
      signal,
    });
  await items.write({ id: '1' }, { set: { n: 1 } });
  const peer = await joined();
  const ended = [await stream(Item.key({ id: '1' })), await watch()];
  await stream(Runs.key({}));
  expect(runs).toBe(1);
  lie();
  peer.push(topic, 'write', set('b', 2, 'in vain'));
  for (const each of ended) expect(await each.text()).toContain('event: ready');
  await expect.poll(() => runs).toBe(2);
  const back = [await stream(Item.key({ id: '1' })), await watch()].map(({ body }) =>
    body?.pipeThrough(new TextDecoderStream()).getReader(),
  );
  published.length = 0;
  await items.write({ id: '1' }, { set: { n: 2 } });
  for (const reader of back) {
    let text = '';
    while (!text.includes('"n":2')) text += (await reader?.read())?.value ?? fail();
  }
  await expect.poll(() => runs).toBe(3);
  expect(published).toMatchObject([{ value: { n: 2 } }]);
});

/** A record that is published, on a storage that can be made to lie. */
async function publishing() {
  const { storage, lie } = lyingOnce(memory());
  const clock = new TestClock();
  const log = { info: () => undefined, error: () => undefined };
  const faults: unknown[] = [];
  const onError = (fault: unknown): unknown => faults.push(fault);
  const { server, joined } = await world({ storage, log, clock, onError });
  const items = server.record(Item);
  const transport = new InProcessTransport();
  const published: unknown[] = [];
  transport.subscribe(Item.key({ id: '1' }), (message) => published.push(message));
  server.publish(Item, transport);
  const write = async (n: number): Promise<unknown> => items.write({ id: '1' }, { set: { n } });
  return { storage, lie, clock, faults, joined, published, write };
}

test('what was committed before a store could be published again is published then, once and in order', async () => {
  const { storage, lie, clock, faults, joined, published, write } = await publishing();
  await write(1);
  const peer = await joined();
  const { stores } = storage;
  const find = stores.find.bind(stores);
  stores.find = () => Promise.reject(new Error('not now'));
  lie();
  peer.push(topic, 'write', set('b', 2, 'in vain'));
  await expect.poll(() => faults).toMatchObject([{ phase: 'outbound', record: 'item' }]);
  stores.find = find;
  await write(2);
  await write(3);
  expect(published).toMatchObject([{ value: { n: 1 } }]);
  await clock.advance(1000);
  expect(published).toMatchObject([1, 2, 3].map((n) => ({ value: { n } })));
  await write(4);
  expect(published.slice(3)).toMatchObject([{ value: { n: 4 }, prev: 4 }]);
  expect(faults).toHaveLength(1);
});

/** A record that is published, of which some was committed that has to be read from the log. */
async function behind() {
  const { storage, lie, clock, faults, joined, published, write } = await publishing();
  await write(1);
  const peer = await joined();
  const { stores } = storage;
  const find = stores.find.bind(stores);
  const lose = async (): Promise<void> => {
    await peer.join(topic);
    stores.find = () => Promise.reject(new Error('not now'));
    lie();
    peer.push(topic, 'write', set('b', 2, 'in vain'));
    await peer.until(([, , , event]) => event === 'phx_close');
    stores.find = find;
  };
  await lose();
  for (const n of [2, 3, 4]) {
    // oxlint-disable-next-line no-await-in-loop -- one commit after the other
    await write(n);
  }
  // Its ops are in no memory now.
  await lose();
  return { storage, clock, faults, published, write, lose };
}

test('a store that is lost again while its log is read is published without a gap', async () => {
  const { storage, clock, published, write, lose } = await behind();
  const read = storage.read.bind(storage);
  const [reached, go] = [deferred<void>(), deferred<void>()];
  storage.read = async (...asked) => {
    storage.read = read;
    reached.resolve();
    await go.promise;
    return (await read(...asked)).slice(0, 1);
  };
  await clock.advance(1000);
  await reached.promise;
  await write(5);
  await lose();
  go.resolve();
  await clock.advance(5000);
  await write(6);
  await expect.poll(() => published.at(-1)).toMatchObject({ value: { n: 6 } });
  expect(published).toMatchObject([1, 2, 3, 4, 5, 6].map((n) => ({ value: { n } })));
});

test('given a record of which more was missed than is read from the log at once, when it is published, then others have their turns amid that, and amid what is committed meanwhile', async () => {
  const { storage, clock, published, write } = await behind();
  const read = storage.read.bind(storage);
  const numbers = Array.from({ length: 1104 }, (_, at) => at + 1);
  let meanwhile: Promise<unknown> | null = null;
  storage.read = async (...asked) => {
    await (meanwhile ??= Promise.all(numbers.slice(4).map(write)));
    return (await read(...asked)).slice(0, 1);
  };
  const seen = new Set<number>();
  const look = (): void => {
    seen.add(published.length);
    if (published.length < 1104) setImmediate(look);
  };
  look();
  await clock.advance(1000);
  await expect.poll(() => published.length).toBe(1104);
  expect(seen).toEqual(new Set([1, 2, 3, 4, 1004, 1104]));
  expect(published).toMatchObject(numbers.map((n) => ({ value: { n } })));
});

test('what the log does not have any more is not published, which is told', async () => {
  const { storage, clock, faults, published, write } = await behind();
  const read = storage.read.bind(storage);
  storage.read = async (...asked) => {
    storage.read = read;
    return (await read(...asked)).slice(1);
  };
  await clock.advance(5000);
  await write(5);
  await expect.poll(() => published.at(-1)).toMatchObject({ value: { n: 5 }, prev: 5 });
  expect(published).toMatchObject([1, 5].map((n) => ({ value: { n } })));
  expect(faults.at(-1)).toMatchObject({ error: { code: 'beyond_retention' } });
});

test('a server closes though one of its stores has stopped', async () => {
  const { storage, lie } = lyingOnce(memory());
  const { server, joined } = await world({ storage });
  const peer = await joined();
  lie();
  peer.push(topic, 'write', set('b', 2, 'in vain'));
  await peer.until(([, , , event]) => event === 'phx_close');
  await server.close();
  expect(await peer.closed()).toBe(1001);
});
