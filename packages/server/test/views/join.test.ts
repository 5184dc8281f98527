import { type Principal, view, app, RejectedError, type ServerOptions } from '@holdfast/server';
import { expect, it } from 'vitest';
import { z } from 'zod';
import type { Peer } from '../conversation/peer.ts';
import { everything, world } from '../conversation/world.ts';
import { Root } from './root.ts';

const mounts: string[] = [];
const hangs = (value: unknown): boolean => value === 'hung';
const child = view({
  name: 'Child',
  mount: ({ id }) => void mounts.push(`child ${id}`),
  render: () => ({ a: 1 }),
});
const board = view({
  name: 'App.Board',
  params: z.object({ room: z.string(), page: z.number().default(1) }),
  authorize: ({ params }) => params.room !== 'secret',
  mount: ({ params, id }) => {
    mounts.push(id);
    if (params.room === 'broken') throw new Error('the password is hunter2');
    if (params.room === 'closed') throw new RejectedError('unauthorized');
    if (params.room === 'hung') return new Promise<{ count: number }>(() => undefined);
    return { count: 0 };
  },
  render: ({ count }, h, { params }) => ({ count, page: params.page, child: h.child(child, 'c') }),
  commands: { add: { run: (ctx) => ctx.update((s) => void (s.count += 1)) } },
});
const clock = view({
  name: 'Clock',
  mount: () => ({ at: 0 }),
  render: (state) => state,
  commands: { tick: { run: (ctx) => ctx.update((s) => void (s.at += 1)) } },
});
const boards = app({ views: [board, clock] });

async function musubi(options: Partial<ServerOptions> = {}): Promise<Peer> {
  const { connect } = await world({ app: boards, ...options });
  return connect({ mount: '/socket/websocket', device: null, capver: null });
}

const denied = (reason: string): object => ({ status: 'error', response: { reason } });

const good = { module: 'App.Board', id: 'main', params: { room: 'r1' } };

it('V1, V8, V18 a client of Musubi is told root_id alone, then gets one envelope of all eight keys with the whole tree', async () => {
  const peer = await musubi();
  const root = new Root(peer, 'App.Board', 'main');
  expect(await root.join(good)).toEqual({
    status: 'ok',
    response: { root_id: 'App.Board:main' },
  });
  expect(await root.envelope()).toEqual({
    type: 'patch',
    root_id: 'App.Board:main',
    base_version: 0,
    version: 1,
    ops: [
      {
        op: 'replace',
        path: '',
        value: {
          __musubi_store_id__: [],
          count: 0,
          page: 1,
          child: { __musubi_store_id__: ['c'], a: 1 },
        },
      },
    ],
    stream_ops: [],
    upload_ops: [],
    events: [],
  });
  expect(await root.command('add')).toEqual({ status: 'ok', response: {} });
  expect(await root.envelope()).toMatchObject({ base_version: 1, version: 2 });
  expect(await root.command('nope')).toEqual(denied('unknown command'));
  expect(await root.ask('nope', {})).toEqual(denied('unknown event'));
  expect(await root.ask('allow_upload', {})).toEqual(denied('missing required field'));
});

it('V2, V3 what cannot be mounted is refused by the first check that fails, and nothing runs', async () => {
  const peer = await musubi();
  mounts.length = 0;
  const refusals = [
    [{ ...good, module: 'Child' }, { reason: 'unknown root' }],
    [{ ...good, module: '__proto__' }, { reason: 'unknown root' }],
    [{ ...good, module: '' }, { reason: 'missing required field' }],
    [{ ...good, module: 7 }, { reason: 'missing required field' }],
    [{ module: 'App.Board', params: {} }, { reason: 'missing root id' }],
    [{ ...good, id: '' }, { reason: 'missing root id' }],
    [{ ...good, id: 'x'.repeat(513) }, { reason: 'missing root id' }],
    [{ ...good, params: [] }, { reason: 'params must be a map' }],
    [{ ...good, params: { room: 'secret' } }, { reason: 'unauthorized' }],
  ] as const;
  for (const [payload, response] of refusals) {
    const { module, id }: { module: unknown; id?: string } = payload;
    const root = new Root(peer, String(module), id ?? 'main');
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await root.join(payload)).toEqual({ status: 'error', response });
  }
  const other = new Root(peer, 'App.Board', 'other');
  expect(await other.join(good)).toEqual({
    status: 'error',
    response: { reason: 'unauthorized' },
  });
  const typed = new Root(peer, 'App.Board', 'main');
  expect(await typed.join({ ...good, params: { room: 1 } })).toMatchObject({
    status: 'error',
    response: { reason: 'invalid_params', issues: [{ path: ['room'] }] },
  });
  expect(mounts).toEqual([]);
  await peer.ask('phoenix', 'heartbeat', {});
  expect(peer.heard.filter(([, , , event]) => event === 'patch')).toEqual([]);
});

it.each([0, 4])(
  'V4 two modules of one id are two roots, each with versions of its own, for a client of capver %i',
  async (capver) => {
    const { connect } = await world({ app: boards });
    const peer = await connect();
    const [one, two] = [new Root(peer, 'App.Board', 'main'), new Root(peer, 'Clock', 'main')];
    await one.join({ ...good, capver });
    await one.envelope();
    await two.join({ module: 'Clock', id: 'main', capver });
    expect(await two.envelope()).toMatchObject({ root_id: 'Clock:main', version: 1 });
    await one.command('add');
    expect(await one.envelope()).toMatchObject({ root_id: 'App.Board:main', version: 2 });
    await one.command('add');
    expect(await one.envelope()).toMatchObject({ version: 3 });
    expect(await two.command('add')).toMatchObject({ response: { reason: 'unknown command' } });
    await two.command('tick');
    expect(await two.envelope()).toMatchObject({ version: 2, ops: [{ path: '/at', value: 1 }] });
    await one.command('add');
    // Nothing of one came to the other: what comes next is its own.
    expect(await one.envelope()).toMatchObject({ version: 4, ops: [{ path: '/count', value: 3 }] });
  },
);

it('V9 a mount that throws or hangs is an internal error with an opaque id, and says nothing else', async () => {
  const errors: unknown[] = [];
  const peer = await musubi({
    viewLimits: { mount_ms: 50 },
    log: { info: () => undefined, error: (details) => errors.push(details) },
  });
  for (const room of ['broken', 'hung']) {
    const root = new Root(peer, 'App.Board', room);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { status, response } = await root.join({ ...good, id: room, params: { room } });
    expect([status, response['reason']]).toEqual(['error', 'internal error']);
    expect(Object.keys(response).toSorted()).toEqual(['id', 'reason']);
    expect(JSON.stringify(response)).not.toContain('hunter2');
  }
  expect(errors.length).toBeGreaterThan(0);
  const root = new Root(peer, 'App.Board', 'closed');
  expect(await root.join({ ...good, id: 'closed', params: { room: 'closed' } })).toEqual({
    status: 'error',
    response: { reason: 'unauthorized' },
  });
});

it('who hangs where authorize asks hears of its abort, and the join is an internal error', async () => {
  const aborted: boolean[] = [];
  const guarded = view({
    name: 'Guarded',
    authorize: ({ signal }) =>
      new Promise<boolean>(() => {
        aborted.push(signal.aborted);
        signal.addEventListener('abort', () => aborted.push(signal.aborted));
      }),
    mount: () => ({}),
    render: () => ({}),
  });
  const { connect } = await world({ app: app({ views: [guarded] }), viewLimits: { mount_ms: 50 } });
  const root = new Root(await connect(), 'Guarded', 'main');
  const { response } = await root.join({ module: 'Guarded', id: 'main' });
  expect([response['reason'], aborted]).toEqual(['internal error', [false, true]]);
});

it('onJoin is asked before anything of a join is looked at (views.md §4.1)', async () => {
  const asked: [Principal, unknown][] = [];
  const peer = await musubi({
    onJoin: (principal, payload) => {
      asked.push([principal, payload]);
      return false;
    },
  });
  const root = new Root(peer, 'App.Board', 'main');
  expect(await root.join({ module: 7 })).toEqual({
    status: 'error',
    response: { reason: 'unauthorized' },
  });
  expect(asked).toEqual([[everything, { module: 7 }]]);
});

it('V9 onJoin and a schema that hang are an internal error with an opaque id, at a join and for other params', async () => {
  const never = new Promise<never>(() => undefined);
  const slow = view({
    name: 'Slow',
    params: {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value: unknown) =>
          hangs(Reflect.get(Object(value), 'at')) ? never : Promise.resolve({ value }),
      },
    },
    onParams: () => undefined,
    render: () => ({}),
  });
  const faults: string[] = [];
  const { connect } = await world({
    app: app({ views: [slow] }),
    viewLimits: { mount_ms: 50 },
    onJoin: (_principal, payload) => (hangs(Reflect.get(Object(payload), 'id')) ? never : true),
    log: { info: () => undefined, error: (_details, what) => faults.push(what) },
  });
  const peer = await connect();
  const failed = {
    status: 'error',
    response: { reason: 'internal error', id: expect.any(String) as string },
  };
  const join = { module: 'Slow', capver: 4 };
  expect(await new Root(peer, 'Slow', 'hung').join({ ...join, id: 'hung' })).toEqual(failed);
  const root = new Root(peer, 'Slow', 'a');
  expect(await root.join({ ...join, id: 'a', params: { at: 'hung' } })).toEqual(failed);
  expect((await root.join({ ...join, id: 'a', params: { at: 'home' } })).status).toBe('ok');
  expect(await root.ask('params', { params: { at: 'hung' } })).toMatchObject(failed);
  expect((await root.ask('params', { params: { at: 'work' } })).status).toBe('ok');
  expect(faults.map((what) => what.replace(/ failed .*/, ''))).toEqual([
    'onJoin',
    'params of Slow',
    'params of Slow',
  ]);
});

it('a connection has as many roots as it may, and one more is over capacity (views.md §15)', async () => {
  const peer = await musubi({ viewLimits: { roots: 2 } });
  const roots = ['a', 'b', 'c'].map((id) => new Root(peer, 'Clock', id));
  const [a, b, c] = roots;
  expect((await a?.join({ module: 'Clock', id: 'a' }))?.status).toBe('ok');
  expect((await b?.join({ module: 'Clock', id: 'b' }))?.status).toBe('ok');
  expect(await c?.join({ module: 'Clock', id: 'c' })).toEqual({
    status: 'error',
    response: { reason: 'over_capacity' },
  });
  await a?.ask('phx_leave', {});
  expect((await c?.join({ module: 'Clock', id: 'c' }))?.status).toBe('ok');
});

it('an unknown event is refused, and the channel lives on (views.md §2)', async () => {
  const peer = await musubi();
  const root = new Root(peer, 'App.Board', 'main');
  await root.join(good);
  await root.envelope();
  for (const event of ['constructor', 'phx_reply', 'write', 'chunk']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect(await root.ask(event, {})).toEqual({
      status: 'error',
      response: { reason: 'unknown event' },
    });
  }
  expect((await root.command('add')).status).toBe('ok');
});

it('V8 our client is told the version beside each reply, and what it can resume by', async () => {
  const { connect } = await world({ app: boards });
  const peer = await connect();
  const root = new Root(peer, 'App.Board', 'main');
  const joined = await root.join({ ...good, capver: 4, resume: { instance: null, version: 0 } });
  expect(joined.response).toEqual({
    root_id: 'App.Board:main',
    capver: 4,
    version: 1,
    instance: expect.stringMatching(/^[^.]+\..{20,}$/),
    resumed: false,
    resend: false,
  });
  await root.envelope();
  expect(await root.command('add')).toEqual({ status: 'ok', response: {}, version: 2 });
});
