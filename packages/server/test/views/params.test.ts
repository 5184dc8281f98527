import { app, view } from '@holdfast/server';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { principals } from '../conversation/principals.ts';
import { world, type World } from '../conversation/world.ts';
import { Root } from './root.ts';

let closed = '';
const asked: string[] = [];
const room = view({
  name: 'Room',
  params: z.object({ room: z.string() }),
  authorize: ({ params }) => {
    asked.push(params.room);
    return params.room !== closed;
  },
  mount: () => ({ n: 0 }),
  render: ({ n }, _h, { params }) => ({ n, room: params.room }),
  onParams: async (ctx, next) => {
    if (next.room === 'broken') throw new Error('cannot be shown');
    await Promise.resolve();
    ctx.update((state) => void (state.n += 1));
  },
  commands: { look: { reply: z.object({ room: z.string() }), run: (ctx) => ctx.params } },
});
const rooms = { app: app({ views: [room] }), authenticate: principals({}) };

async function at(
  { connect }: World,
  where: string,
  resume: object = { instance: null, version: 0 },
): Promise<{ root: Root; peer: Awaited<ReturnType<World['connect']>>; joined: object }> {
  const peer = await connect();
  const root = new Root(peer, 'Room', 'a');
  const payload = { module: 'Room', id: 'a', capver: 4, params: { room: where }, resume };
  const { response } = await root.join(payload);
  return { root, peer, joined: response };
}

it('V60 V81 who changed its params comes back to its instance with those, and not with the ones before', async () => {
  closed = '';
  const open = await world(rooms);
  const { root, peer, joined } = await at(open, 'one');
  const { instance } = joined as { instance: string };
  await root.envelope();
  expect((await root.ask('params', { params: { room: 'two' } })).status).toBe('ok');
  expect(await root.envelope()).toMatchObject({ version: 2 });
  expect((await root.ask('params', { params: { room: 'broken' } })).status).toBe('error');
  peer.cut();
  const back = await at(open, 'two', { instance, version: 2 });
  expect(back.joined).toMatchObject({ instance, resumed: true, version: 2 });
  back.peer.cut();
  const other = await at(open, 'one', { instance, version: 2 });
  expect(other.joined).toMatchObject({ resumed: false, version: 1 });
});

it('params that a join would be refused are refused, and recheck goes by those that there are (views.md §4.6, §11.7)', async () => {
  closed = 'secret';
  const open = await world(rooms);
  const { root } = await at(open, 'one');
  await root.envelope();
  root.push('params', { params: { room: 'secret' } });
  const look = await root.command('look');
  expect(look.response).toEqual({ room: 'one' });
  expect((await root.ask('params', { params: { room: 'secret' } })).response).toEqual({
    reason: 'unauthorized',
  });
  expect((await root.ask('params', { params: { room: 'two' } })).status).toBe('ok');
  await root.envelope();
  asked.length = 0;
  closed = 'one';
  await open.server.recheck(room);
  expect(asked).toEqual(['two']);
  closed = 'two';
  await open.server.recheck(room);
  expect((await root.next())[3]).toBe('phx_error');
});

it('every reply to a capver 4 client names the version of the instance (views.md §4.2)', async () => {
  closed = '';
  const { root } = await at(await world(rooms), 'one');
  await root.envelope();
  expect(await root.ask('nonsense', {})).toEqual({
    status: 'error',
    response: { reason: 'unknown event' },
    version: 1,
  });
  expect(await root.ask('cancel_upload', {})).toMatchObject({ status: 'error', version: 1 });
});

it('V28 what a server has forgotten of a client it does not say to have (views.md §4.5, §7.3)', async () => {
  closed = '';
  const open = await world({ ...rooms, viewLimits: { dedupe_ms: 1, dedupe_count: 2 } });
  const { root, peer, joined } = await at(open, 'one');
  const { instance } = joined as { instance: string };
  await root.envelope();
  await root.command('look', {}, { client_op_id: 'a' });
  await root.command('look', {}, { client_op_id: 'b' });
  peer.cut();
  const back = await at(open, 'one', { instance, version: 1 });
  expect(back.joined).toMatchObject({ resumed: true, resend: true });
  for (let n = 0; n < 50; n += 1) {
    // oxlint-disable-next-line no-await-in-loop -- longer than a millisecond
    await back.root.command('look', {}, { client_op_id: `c${n}` });
  }
  back.peer.cut();
  const again = await at(open, 'one', { instance, version: 1 });
  expect(again.joined).toMatchObject({ resumed: true, resend: false });
});

const nested = (levels: number): unknown =>
  JSON.parse(`{"deep":${'['.repeat(levels)}${']'.repeat(levels)}}`);

it('params that are nested without measure are refused like all that cannot be, though a schema takes them, and the view goes on', async () => {
  const shelf = view({
    name: 'Shelf',
    params: z.object({ deep: z.any() }),
    render: () => ({}),
    onParams: () => undefined,
  });
  const { connect, server } = await world({ app: app({ views: [shelf] }) });
  const root = new Root(await connect(), 'Shelf', 'a');
  const refused = { status: 'error', response: { reason: 'invalid_params' } };
  for (const levels of [101, 3000]) {
    const join = { module: 'Shelf', id: 'a', capver: 4, params: nested(levels) };
    expect(await root.join(join)).toMatchObject(refused);
  }
  await root.join({ module: 'Shelf', id: 'a', capver: 4, params: nested(100) });
  await root.envelope();
  for (const levels of [101, 3000]) {
    expect(await root.ask('params', { params: nested(levels) })).toMatchObject(refused);
  }
  expect(await root.ask('params', { params: nested(99) })).toMatchObject({ status: 'ok' });
  expect(server.describe().views).toHaveLength(1);
});

it.each([[undefined], [7], [7n], [{ text: 'wrong' }], [Symbol('wrong')]])(
  'params whose schema says %s of them, which is no text, are refused as any others',
  async (message) => {
    const validate = () => ({ issues: [{ message, path: ['room'] }] });
    const schema = { '~standard': { version: 1, vendor: 'own', validate } } as never;
    const odd = view({ name: 'Room', params: schema, mount: () => ({}), render: () => ({}) });
    const { joined } = await at(await world({ ...rooms, app: app({ views: [odd] }) }), 'one');
    const issues = [{ path: ['room'], message: 'invalid' }];
    expect(joined).toEqual({ reason: 'invalid_params', issues });
  },
);
