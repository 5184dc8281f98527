import { app, type ServerOptions, stream, upload, view } from '@holdfast/server';
import type { Envelope } from '@holdfast/protocol/views';
import { expect, it } from 'vitest';
import { z } from 'zod';
import type { Payload, Peer } from '../conversation/peer.ts';
import { set, topic, type World, world } from '../conversation/world.ts';
import { Root } from './root.ts';

// What the machine promises, said over real sockets.

const hardBytes = 16 * 1024 * 1024;

let renders = 0;
const room = view({
  name: 'Room',
  scope: 'shared',
  streams: { log: stream<{ id: string }>({ limit: 5 }) },
  events: { toast: z.object({ msg: z.string() }) },
  mount: () => ({ n: 0 }),
  render: ({ n }, h, ctx) => {
    renders += 1;
    return { n, title: ctx.store('demo/main').get('title'), log: h.stream('log') };
  },
  commands: {
    add: { run: (ctx) => ctx.update((s) => void (s.n += 1)) },
    whisper: { run: (ctx) => ctx.send('toast', { msg: 'psst' }, { to: 'caller' }) },
    echo: {
      input: z.object({ text: z.string() }),
      reply: z.object({ text: z.string() }),
      run: (_ctx, input) => input,
    },
  },
});

const desk = view({
  name: 'Desk',
  uploads: {
    note: upload({ accept: ['.txt'], maxEntries: 3, maxFileSize: 100 }),
    far: upload({ accept: 'any', external: () => ({ uploader: 's3', meta: {} }) }),
  },
  render: (_s, h) => ({ note: h.upload('note'), far: h.upload('far') }),
});

const views = app({ views: [room, desk] });

type Told = Parameters<NonNullable<ServerOptions['telemetry']>>[0];

async function open(more: Partial<ServerOptions> = {}): Promise<World & { readonly told: Told[] }> {
  const told: Told[] = [];
  const opened = await world({ app: views, telemetry: (event) => told.push(event), ...more });
  return { ...opened, told };
}

async function joined(peer: Peer, module: string, capver = 4): Promise<Root> {
  const root = new Root(peer, module, 'x');
  await root.join({ module, id: 'x', capver });
  await root.envelope();
  return root;
}

const wish = (ref: string, name: string, size = 7): object => ({
  client_ref: ref,
  name,
  size,
  type: '',
});

function versionsOf(envelopes: readonly Envelope[]): unknown {
  return envelopes.map(({ base_version: base, version }) => [base, version]);
}

function refsIn(response: Payload): string[] {
  const entries = Object.values(response['entries'] ?? {}) as { readonly entry_ref: string }[];
  return entries.map(({ entry_ref: ref }) => ref);
}

it('V47 of a good file and a bad one the reply tells of both, and one add follows it', async () => {
  const { connect } = await open();
  const root = await joined(await connect(), 'Desk');
  const entries = [wish('0', 'a.txt'), wish('1', 'b.exe')];
  const asked = root.push('allow_upload', { store_id: [], name: 'note', entries });
  const [, ref, , event, payload] = await root.next();
  expect([ref, event, payload['status']]).toEqual([asked, 'phx_reply', 'ok']);
  const response = payload['response'] as Payload;
  expect(Object.keys(response['entries'] as object)).toEqual(['0']);
  expect(response['errors']).toMatchObject([{ client_ref: '1', error: { code: 'not_accepted' } }]);
  const { ops, upload_ops: uploadOps } = await root.envelope();
  expect([ops, uploadOps]).toMatchObject([[], [{ op: 'add', ref: refsIn(response)[0] }]]);
  expect(uploadOps).toHaveLength(1);
});

it('V49 a client that tells of the progress of a channel entry is refused, and nothing changes', async () => {
  const { connect } = await open();
  const root = await joined(await connect(), 'Desk');
  const { response } = await root.ask('allow_upload', {
    name: 'note',
    entries: [wish('0', 'a.txt')],
  });
  await root.envelope();
  for (const ref of [refsIn(response)[0], 'u_nobody']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const forged = await root.ask('upload_progress', { name: 'note', ref, progress: 100 });
    expect(forged).toEqual({
      status: 'error',
      response: { reason: 'internal error' },
      version: 2,
    });
  }
  expect(await root.ask('upload_progress', { name: 'nope', ref: 'x', progress: 1 })).toMatchObject({
    response: { reason: 'unknown upload' },
  });
});

it('V56 of a progress that runs from 1 to 99 the first and the last are told, no more than one in 100 ms', async () => {
  const { connect } = await open();
  const root = await joined(await connect(), 'Desk');
  const entries = [wish('0', 'a')];
  const { response } = await root.ask('allow_upload', { name: 'far', entries });
  const [ref] = refsIn(response);
  await root.envelope();
  const start = performance.now();
  for (let progress = 1; progress <= 99; progress += 1) {
    root.push('upload_progress', { name: 'far', ref, progress });
  }
  const told: [number, number][] = [];
  while (told.at(-1)?.[0] !== 99) {
    // oxlint-disable-next-line no-await-in-loop -- until the last is there
    const [, , , event, payload] = await root.next();
    if (event !== 'patch') continue;
    for (const op of (payload as Envelope).upload_ops) {
      if (op.op === 'progress') told.push([op.progress, performance.now() - start]);
    }
  }
  expect(told[0]?.[0]).toBe(1);
  // All are said within a few milliseconds: what comes between is told when the window ends, or not at all.
  expect(told.length).toBeLessThanOrEqual(2 + Math.floor((told.at(-1)?.[1] ?? 0) / 100));
});

it('V65 for hundreds of sockets one change is rendered, diffed and encoded once', async () => {
  const sockets = 300;
  const { connect, told } = await open();
  const roots = await Promise.all(
    Array.from({ length: sockets }, async (_, at) =>
      joined(await connect({ device: `d${at}` }), 'Room'),
    ),
  );
  told.length = 0;
  renders = 0;
  await roots[0]?.command('add');
  const envelopes = await Promise.all(roots.map((root) => root.envelope()));
  expect(renders).toBe(1);
  expect(new Set(envelopes.map((each) => JSON.stringify(each))).size).toBe(1);
  const of = (name: string): Told[] => told.filter((event) => event.name === name);
  expect([of('render'), of('diff')]).toMatchObject([[{ nodes: 1 }], [{ ops: 1 }]]);
  expect(of('envelope')).toMatchObject([{ subscribers: sockets, ops: 1 }]);
});

it('V65 who counts joins otherwise gets the same change under a ref of their own, be it small or large', async () => {
  const { connect, joined: writerOf } = await open();
  const roots = await Promise.all(
    Array.from({ length: 24 }, async (_, at) => {
      const peer = await connect({ device: `d${at}` });
      for (let n = 0; n < at % 12; n += 1) peer.ref();
      return joined(peer, 'Room');
    }),
  );
  expect(new Set(roots.map((root) => root.joinRef)).size).toBe(12);
  const told = async (): Promise<readonly string[]> => {
    const envelopes = await Promise.all(roots.map((root) => root.envelope()));
    return [...new Set(envelopes.map(({ ops }) => JSON.stringify(ops)))];
  };
  await roots[0]?.command('add');
  expect(await told()).toEqual(['[{"op":"replace","path":"/n","value":1}]']);
  const title = 'x'.repeat(20_000);
  const writer = await writerOf({ device: 'w' });
  await writer.reply(writer.push(topic, 'write', set('title', title, 's')));
  const [large = '', ...others] = await told();
  expect([large.includes(`"${title}"`), others]).toEqual([true, []]);
});

it('V66, V67 private envelopes move a Musubi client alone; the shared ones fit both, before and after', async () => {
  const { connect } = await open();
  const ours = await joined(await connect(), 'Room');
  for (let n = 0; n < 6; n += 1) {
    // oxlint-disable-next-line no-await-in-loop -- up to version 7
    await ours.command('add');
    // oxlint-disable-next-line no-await-in-loop -- the same
    await ours.envelope();
  }
  const theirs = new Root(await connect({ device: 'd2' }), 'Room', 'x');
  await theirs.join({ module: 'Room', id: 'x', capver: 0 });
  const steps = [await theirs.envelope()];
  const own = [];
  await ours.command('add');
  steps.push(await theirs.envelope());
  own.push(await ours.envelope());
  expect(steps[1]?.ops).toEqual(own[0]?.ops);
  for (const root of [theirs, ours]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await root.command('whisper');
    // oxlint-disable-next-line no-await-in-loop -- the same
    (root === ours ? own : steps).push(await root.envelope());
  }
  await ours.command('add');
  steps.push(await theirs.envelope());
  own.push(await ours.envelope());
  expect(versionsOf(steps)).toEqual([
    [0, 1],
    [1, 2],
    [2, 3],
    [3, 4],
  ]);
  expect(versionsOf(own)).toEqual([
    [7, 8],
    [8, 8],
    [8, 9],
  ]);
});

it('V69 a thousand changes of a store at once are one cycle; thousands in a second at most 61, the last among them', async () => {
  const { connect, joined: writerOf } = await open();
  const root = await joined(await connect(), 'Room');
  const writer = await writerOf({ device: 'd2' });
  const ops = Array.from({ length: 1000 }, (_, n) => ({
    op: 'set',
    path: 'title',
    value: `first ${n}`,
  }));
  writer.push(topic, 'transact', { client_op_id: 't', ops });
  expect((await root.envelope()).ops).toMatchObject([{ path: '/title', value: 'first 999' }]);
  const start = performance.now();
  const count = 3000;
  for (let n = 1; n <= count; n += 1) {
    const ref = writer.push(topic, 'write', set('title', `second ${n}`, `s${n}`));
    // oxlint-disable-next-line no-await-in-loop -- some at a time
    if (n % 5 === 0) await writer.reply(ref);
  }
  const heard: number[] = [];
  for (;;) {
    // oxlint-disable-next-line no-await-in-loop -- until the last is there
    const { ops: changes } = await root.envelope();
    heard.push(performance.now() - start);
    const [op] = changes;
    if (op !== undefined && 'value' in op && op.value === `second ${count}`) break;
  }
  expect(heard.length).toBeLessThanOrEqual(1 + Math.ceil(((heard.at(-1) ?? 0) / 1000) * 60));
});

it('V70 who reads nothing and goes on asking is closed with 1013 beyond 16 MiB, and nobody else notices', async () => {
  const { connect, server } = await open();
  const [slow, quick] = [await connect({ device: 'd2' }), await connect()];
  const [late, live] = [await joined(slow, 'Room'), await joined(quick, 'Room')];
  slow.pause();
  const text = 'x'.repeat(200_000);
  for (let n = 0; n < 150; n += 1) {
    late.push('command', { name: 'echo', payload: { text } });
  }
  await live.command('add');
  expect(await live.envelope()).toMatchObject({ ops: [{ path: '/n' }] });
  await expect.poll(() => server.describe().unsentBytes).toBeGreaterThan(hardBytes);
  slow.resume();
  expect(await slow.closed()).toBe(1013);
  await live.command('add');
  expect(await live.envelope()).toMatchObject({ ops: [{ path: '/n' }] });
});
