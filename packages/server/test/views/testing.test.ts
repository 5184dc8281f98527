import { RejectedError, stream, upload, view } from '@holdfast/server';
import { TestClock, testView } from '@holdfast/server/testing';
import { expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';

const room = view({
  name: 'Room',
  params: z.object({ title: z.string() }),
  authorize: ({ params }) => params.title !== 'secret',
  streams: { log: stream<{ id: string }>() },
  events: { rang: z.object({ at: z.number() }) },
  mount: (ctx) => {
    ctx.every(1000, (task) => task.update((s: { ticks: number }) => void (s.ticks += 1)));
    return { ticks: 0, doubled: 0 };
  },
  render: (s, h, ctx) => ({
    ...s,
    title: ctx.params.title,
    people: ctx.store('acme/app').get('people') ?? null,
    log: h.stream('log'),
  }),
  commands: {
    double: {
      reply: z.object({ doubled: z.number() }),
      run: (ctx) => {
        ctx.update((s) => void (s.doubled = 2 * s.ticks));
        ctx.stream('log').insert({ id: String(ctx.state.doubled) });
        ctx.send('rang', { at: ctx.state.ticks });
        return { doubled: ctx.state.doubled };
      },
    },
    fail: {
      run: () => {
        throw new RejectedError('too_late', { by: 3 });
      },
    },
  },
  messages: { reset: { run: (ctx) => ctx.update((s) => void (s.ticks = 0)) } },
});

it('testView mounts a view in memory, in virtual time: tree, snapshot, commands, messages, events (views.md §16)', async () => {
  const stores = { 'acme/app': { people: { ada: 1 } } };
  const tested = await testView(room, { params: { title: 'T' }, stores });
  expect(tested.snapshot()).toEqual({
    ticks: 0,
    doubled: 0,
    title: 'T',
    people: { ada: 1 },
    log: [],
  });
  expect(tested.tree()).toMatchObject({ __musubi_store_id__: [], ticks: 0 });
  await tested.advance(3500);
  expect(tested.snapshot().ticks).toBe(3);
  expect(await tested.dispatch('double')).toEqual({ doubled: 6 });
  expect(tested.snapshot().log).toEqual([{ id: '6' }]);
  expect(tested.events()).toEqual([{ store_id: [], name: 'rang', payload: { at: 3 } }]);
  await expect(tested.dispatch('fail')).rejects.toMatchObject({ code: 'too_late' });
  await expect(tested.dispatch('nope')).rejects.toMatchObject({ code: 'unknown command' });
  expect(await tested.tell('reset')).toBe(true);
  await tested.store('acme/app').put('people/bob', 2);
  await tested.advance(20);
  expect(tested.snapshot()).toMatchObject({ ticks: 0, people: { ada: 1, bob: 2 } });
  expect(tested.envelopes().map(({ version }) => version)).toEqual(
    tested.envelopes().map((_envelope, i) => i + 1),
  );
  expect(tested.faults).toEqual([]);
  await tested.end();
  expect(await tested.tell('reset')).toBe(false);
});

it('testView refuses whom a server would refuse, and takes a clock that others use, too', async () => {
  const refused = testView(room, { params: { title: 'secret' } });
  await expect(refused).rejects.toMatchObject({ code: 'unauthorized' });
  await expect(testView(room)).rejects.toMatchObject({ code: 'invalid_params' });
  const clock = new TestClock();
  await clock.advance(500);
  const stores = { 'acme/app': {} };
  const tested = await testView(room, { params: { title: 'T' }, stores, clock });
  await clock.advance(1000);
  expect(tested.snapshot().ticks).toBe(1);
  await tested.end();
});

it('testView takes params as a server does, after they went over the wire', async () => {
  const day = view({
    name: 'Day',
    params: z.object({ at: z.union([z.date(), z.string()]), hidden: z.any().optional() }),
    render: (_s, _h, { params }) => ({ at: typeof params.at, members: Object.keys(params) }),
  });
  const tested = await testView(day, { params: { at: new Date(0), hidden: undefined } });
  expect(tested.snapshot()).toEqual({ at: 'string', members: ['at'] });
  await tested.end();
});

it('who is named no principal may do everything with the stores of a tested view, also in their own name', async () => {
  const notes = view({
    name: 'Notes',
    render: (_s, _h, ctx) => ({ note: ctx.store('acme/app', { as: 'principal' }).get('note') }),
    commands: {
      write: { run: (ctx) => void ctx.store('acme/app', { as: 'principal' }).put('note', 2) },
    },
  });
  const tested = await testView(notes, { stores: { 'acme/app': { note: 1 } } });
  expect(tested.snapshot()).toEqual({ note: 1 });
  await tested.dispatch('write');
  await tested.advance(20);
  expect(tested.snapshot()).toEqual({ note: 2 });
  await tested.end();
});

it('a command that a tested view had not answered when it ended is told so, and so is each later one', async () => {
  const slow = view({
    name: 'Slow',
    render: () => ({}),
    commands: { wait: { run: () => new Promise<void>(() => undefined) } },
  });
  const tested = await testView(slow);
  const waiting = expect(tested.dispatch('wait')).rejects.toMatchObject({ code: 'closed' });
  await tested.end();
  await waiting;
  await expect(tested.dispatch('wait')).rejects.toMatchObject({ code: 'closed' });
});

it('testView shows uploads as clients see them (views.md §10.2)', async () => {
  const desk = view({
    name: 'Desk',
    uploads: { note: upload({ accept: ['.txt'], maxEntries: 2 }) },
    render: (_s, h) => ({ note: h.upload('note') }),
  });
  const tested = await testView(desk, {});
  expect(tested.snapshot().note).toMatchObject({
    status: 'idle',
    config: { accept: ['.txt'], maxEntries: 2 },
  });
  await tested.end();
});

it('testView gives what application code threw as the cause of the error that clients are told no more of', async () => {
  const fragile = view({
    name: 'Fragile',
    params: z.object({ isBroken: z.boolean() }),
    mount: ({ params }) => {
      if (params.isBroken) throw new TypeError('no mount');
      return {};
    },
    render: () => ({}),
    commands: {
      fail: {
        run: () => {
          throw new TypeError('no luck');
        },
      },
      refuse: {
        run: () => {
          throw new RejectedError('too_late');
        },
      },
    },
  });
  const broken = testView(fragile, { params: { isBroken: true } });
  await expect(broken).rejects.toMatchObject({
    code: 'internal error',
    cause: { message: 'no mount' },
  });
  const tested = await testView(fragile, { params: { isBroken: false } });
  await expect(tested.dispatch('fail')).rejects.toMatchObject({
    code: 'internal_error',
    cause: { message: 'no luck' },
  });
  const refused: unknown = await tested.dispatch('refuse').catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'too_late' });
  expect(refused).not.toHaveProperty('cause');
  await tested.end();
});

it('a no that cannot be told to clients says why to those who look for it', async () => {
  const shy = view({
    name: 'Shy',
    params: z.object({ isThere: z.boolean() }),
    mount: ({ params }) => {
      if (!params.isThere) throw new RejectedError('no_such_room');
      return {};
    },
    render: () => ({}),
    commands: {
      spelt: {
        run: () => {
          throw new RejectedError('Not Found');
        },
      },
    },
  });
  await expect(testView(shy, { params: { isThere: false } })).rejects.toMatchObject({
    code: 'internal error',
    cause: { message: expect.stringContaining('by "unauthorized" alone') as string },
  });
  const tested = await testView(shy, { params: { isThere: true } });
  await expect(tested.dispatch('spelt')).rejects.toMatchObject({
    code: 'internal_error',
    cause: {
      message: expect.stringMatching(/"Not Found".*small letters/) as string,
      cause: { code: 'Not Found' },
    },
  });
  await tested.end();
});

it('what a context and `h` can do works by its name alone, as where they are taken apart', async () => {
  const leaf = view({
    name: 'Leaf',
    emits: { grown: z.object({ by: z.number() }) },
    mount: () => ({ cut: 0 }),
    render: ({ cut }) => ({ cut }),
    commands: { grow: { run: ({ emit }) => emit('grown', { by: 2 }) } },
    messages: { prune: { run: ({ update }) => update((state) => void (state.cut += 1)) } },
  });
  const tree = view({
    name: 'Tree',
    streams: { log: stream<{ id: string }>() },
    events: { rang: z.object({}) },
    mount: ({ every, after, watch, store }) => {
      every(1000, ({ update }) =>
        update((state: { height: number }) => ({ height: state.height + 1 })),
      );
      after(1500, ({ send }) => send('rang', {}));
      watch(
        () => store('acme/app').get('rain'),
        ({ stream: into }) => into('log').insert({ id: 'rain' }),
      );
      return { height: 0 };
    },
    render: ({ height }, { child, stream: listed }, { store }) => ({
      height,
      rain: store('acme/app').get('rain') ?? 0,
      leaf: child(leaf, 'one', {}, { on: { grown: 'grow' } }),
      log: listed('log'),
    }),
    commands: { cut: { run: ({ tell }) => void tell(['one'], 'prune') } },
    messages: {
      grow: {
        input: z.object({ by: z.number() }),
        run: ({ update }, { by }) => update((state) => ({ height: state.height + by })),
      },
    },
  });
  const tested = await testView(tree, { stores: { 'acme/app': {} } });
  await tested.advance(1500);
  await tested.dispatch('cut');
  await tested.dispatch('grow', {}, { storeId: ['one'] });
  await tested.store('acme/app').put('rain', 3);
  await tested.advance(100);
  expect(tested.snapshot()).toEqual({
    height: 3,
    rain: 3,
    leaf: { cut: 1 },
    log: [{ id: 'rain' }],
  });
  expect(tested.events()).toMatchObject([{ name: 'rang' }]);
  expect(tested.faults).toEqual([]);
});

it('testView has its own time where the test runner fakes all timers', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const tested = await testView(room, { params: { title: 'T' }, stores: { 'acme/app': {} } });
  await tested.advance(2000);
  expect(await tested.dispatch('double')).toEqual({ doubled: 4 });
  await tested.store('acme/app').put('people/bob', 2);
  await tested.advance(20);
  expect(tested.snapshot()).toMatchObject({ ticks: 2, people: { bob: 2 } });
  await tested.end();
});
