import { deferred } from '@holdfast/engine/registry';
import { app, StorageError, view, type ViewStore } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { TestClock } from '@holdfast/server/testing';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { VirtualClock } from '../conversation/clock.ts';
import { topic, world } from '../conversation/world.ts';
import { Root } from './root.ts';

type Stores = { store(name: string): { get(path: string): unknown } };
type Shown = { shown: unknown };

const read = (ctx: Stores): unknown =>
  ctx.store('demo/main').get('isMore') === true
    ? (ctx.store('demo/other').get('x') ?? null)
    : 'first';

const views = {
  render: view({ name: 'Late', render: (_s, _h, ctx) => ({ shown: read(ctx) }) }),
  watch: view({
    name: 'Late',
    mount: (ctx) => {
      ctx.watch(
        () => read(ctx),
        (task, value) => task.update((s: Shown) => void (s.shown = value)),
      );
      return { shown: 'first' };
    },
    render: ({ shown }) => ({ shown }),
  }),
};

const ofOne = {
  render: view({
    name: 'One',
    render: (_s, _h, ctx) => ({ shown: ctx.store('demo/main').get('x') ?? null }),
  }),
  watch: view({
    name: 'One',
    mount: (ctx) => {
      ctx.watch(
        () => ctx.store('demo/main').get('x') ?? null,
        (task, value) => task.update((s: Shown) => void (s.shown = value)),
      );
      return { shown: null };
    },
    render: ({ shown }) => ({ shown }),
  }),
};

it.each(['render', 'watch'] as const)(
  'given a store that a %s reads later on and that cannot be opened just then, when the disk is well again, then it is read, though nothing changes',
  async (where) => {
    const storage = memory();
    const openStore = storage.open.bind(storage);
    let troubled: string | undefined;
    storage.open = async (id) => {
      if (id === troubled) throw new StorageError('io', 'the disk is in trouble');
      return openStore(id);
    };
    const clock = new TestClock();
    const told: string[] = [];
    const log = { info: () => undefined, error: (_: object, what: string) => told.push(what) };
    const parts = { app: app({ views: [views[where]] }), storage, clock, log };
    const { server, connect, joined } = await world(parts);
    troubled = (await server.stores.create('demo/other'))?.id;
    const root = new Root(await connect(), 'Late', 'l');
    await root.join({ module: 'Late', id: 'l' });
    expect(await root.envelope()).toMatchObject({ ops: [{ value: { shown: 'first' } }] });
    const writer = await joined({ device: 'd2' });
    const isMore = { op: 'set', path: 'isMore', value: true, client_op_id: 'w1' };
    await writer.ask(topic, 'write', isMore);
    const passing = async <T>(of: () => T): Promise<T> => {
      await clock.advance(100);
      return of();
    };
    await expect.poll(() => passing(() => told.join())).toContain(`${where} of Late`);
    troubled = undefined;
    let envelope: unknown;
    root.envelope().then(
      (next) => (envelope = next),
      () => undefined,
    );
    await expect
      .poll(() => passing(() => envelope))
      .toMatchObject({ ops: [{ path: '/shown', value: null }] });
  },
);

it.each(['render', 'watch'] as const)(
  'given a store that a %s has read and that is purged, when there is another one of its name, then that is read',
  async (where) => {
    const clock = new TestClock();
    const { server, connect, joined, storeId } = await world({
      app: app({ views: [ofOne[where]] }),
      clock,
    });
    const root = new Root(await connect(), 'One', 'o');
    const joining = root.join({ module: 'One', id: 'o' });
    const shows = async (value: string | null): Promise<void> => {
      const envelope = root.envelope();
      let isThere = false;
      void envelope.then(() => (isThere = true));
      await expect.poll(() => clock.advance(100).then(() => isThere)).toBe(true);
      expect(JSON.stringify(await envelope)).toContain(JSON.stringify(value));
    };
    await shows(null);
    await joining;
    const put = { op: 'set', path: 'x', value: 'first', client_op_id: 'w1' };
    const writes = async (value: string): Promise<void> => {
      const writer = await joined({ device: value });
      await writer.ask(topic, 'write', { ...put, value });
    };
    await writes('first');
    await shows('first');
    await server.stores.purge(storeId);
    await shows(null);
    await clock.advance(5000);
    await server.stores.create('demo/main');
    await writes('next');
    await shows('next');
    await writes('last');
    await shows('last');
  },
);

/** A view that holds a handle of the store from its mount on: its command writes by that, and tells what it then reads. */
function holder() {
  let held: ViewStore | undefined;
  return view({
    name: 'Holder',
    mount: (ctx) => {
      held = ctx.store('demo/main');
      return {};
    },
    render: () => ({}),
    commands: {
      add: {
        reply: z.object({ x: z.unknown() }),
        run: async () => {
          await held?.put('x', 'written');
          return { x: held?.get('x') };
        },
      },
    },
  });
}

it('given a handle of a store that a view has held since before the store was purged, when there is another one of its name, then the handle reads and writes that', async () => {
  const clock = new TestClock();
  const { server, connect, storeId } = await world({ app: app({ views: [holder()] }), clock });
  const root = new Root(await connect(), 'Holder', 'h');
  await root.join({ module: 'Holder', id: 'h' });
  await root.envelope();
  await server.stores.purge(storeId);
  const refused = { status: 'error', response: { reason: 'unauthorized' } };
  expect(await root.command('add')).toMatchObject(refused);
  await server.stores.create('demo/main');
  const added = (): Promise<unknown> => clock.advance(1000).then(() => root.command('add'));
  await expect.poll(added).toMatchObject({ status: 'ok', response: { x: 'written' } });
});

it('given a handle of a store that could not be opened, when the disk is well again, then the handle reads and writes it', async () => {
  const clock = new VirtualClock();
  const storage = memory();
  const openStore = storage.open.bind(storage);
  let isTroubled = true;
  storage.open = async (id) => {
    if (isTroubled) throw new StorageError('io', 'the disk is in trouble');
    return openStore(id);
  };
  const { connect } = await world({ app: app({ views: [holder()] }), storage, clock });
  const root = new Root(await connect(), 'Holder', 'h');
  await root.join({ module: 'Holder', id: 'h' });
  await root.envelope();
  expect(await root.command('add')).toMatchObject({ status: 'error' });
  isTroubled = false;
  // So long it is not tried again.
  await clock.pass(1000);
  expect(await root.command('add')).toMatchObject({ status: 'ok', response: { x: 'written' } });
});

it('given a command of a shared view that opens a store as somebody who has left, then the store is let go of while the view goes on', async () => {
  const clock = new VirtualClock();
  const [begun, going, opened] = [deferred<void>(), deferred<void>(), deferred<void>()];
  const desk = view({
    name: 'Desk',
    scope: 'shared',
    linger: 60 * 60_000,
    render: () => ({}),
    commands: {
      late: {
        run: async (ctx) => {
          begun.resolve();
          await going.promise;
          await ctx.store('demo/main', { as: 'principal' }).put('x', 1);
          opened.resolve();
        },
      },
    },
  });
  const { connect, server } = await world({ app: app({ views: [desk] }), clock });
  const root = new Root(await connect(), 'Desk', 'd');
  await root.join({ module: 'Desk', id: 'd' });
  root.push('command', { name: 'late', payload: {} });
  await begun.promise;
  await root.ask('phx_leave', {});
  going.resolve();
  await opened.promise;
  expect(server.describe().stores).toHaveLength(1);
  await clock.pass(16 * 60_000);
  expect(server.describe()).toMatchObject({ stores: [], views: [{ id: 'd' }] });
});
