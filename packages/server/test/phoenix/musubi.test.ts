import { app, loader, stream, upload, view } from '@holdfast/server';
import { Socket } from 'phoenix';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { everything, world } from '../conversation/world.ts';
import { dropSocket } from './client.ts';
import { MusubiRoot } from './musubi.ts';

const card = view({
  name: 'Card',
  params: z.object({ title: z.string() }),
  mount: () => ({ open: false }),
  render: ({ open }, _h, { params }) => ({ title: params.title, open }),
  commands: { toggle: { run: (ctx) => ctx.update((s) => void (s.open = !s.open)) } },
});

let banned: string | null = null;
const consumed: string[] = [];

/** The same view in either scope. */
function roomOf<const Scope extends 'connection' | 'shared'>(scope: Scope) {
  return view({
    name: `Room.${scope}`,
    scope,
    params: z.object({ topic: z.string() }),
    authorize: ({ principal }) => principal.subject !== banned,
    streams: { log: stream<{ id: string }>({ limit: 3 }) },
    uploads: {
      files: upload({ accept: ['.txt'], maxEntries: 3, maxFileSize: 100, chunkSize: 4 }),
      photos: upload({
        accept: 'any',
        maxEntries: 2,
        external: (_ctx, { name }) => ({ uploader: 's3', meta: { url: `https://s3/${name}` } }),
        verify: (_ctx, { name }) => name === 'good.png',
      }),
    },
    events: { toast: z.object({ msg: z.string() }) },
    async: { profile: loader((_ctx: object, name: string) => Promise.resolve({ name })) },
    mount: () => ({ n: 0, cards: ['a', 'b'] }),
    render: ({ n, cards }, h, { params }) => ({
      topic: params.topic,
      n,
      'a/b~c': n > 0 ? n : null,
      cards: cards.map((id) => h.child(card, id, { title: `card ${id}` })),
      log: h.stream('log'),
      profile: h.async('profile'),
      files: h.upload('files'),
      photos: h.upload('photos'),
    }),
    commands: {
      add: {
        reply: z.object({ n: z.number() }),
        run: (ctx) => {
          ctx.update((s) => void (s.n += 1));
          ctx.stream('log').insert({ id: String(ctx.state.n) });
          return { n: ctx.state.n };
        },
      },
      shuffle: { run: (ctx) => ctx.update((s) => void (s.cards = s.cards.toReversed())) },
      load: { run: (ctx) => ctx.async.start('profile', 'ada') },
      shout: { run: (ctx) => ctx.send('toast', { msg: 'all' }) },
      whisper: { run: (ctx) => ctx.send('toast', { msg: 'one' }, { to: 'caller' }) },
      take: {
        run: async (ctx) => {
          await ctx.uploads.consume('files', async ({ name }, file) => {
            const parts: Uint8Array[] = [];
            for await (const part of file?.stream() ?? []) parts.push(part);
            consumed.push(`${name}: ${Buffer.concat(parts).toString()}`);
          });
        },
      },
    },
  });
}
const rooms = [roomOf('connection'), roomOf('shared')] as const;

/** A socket with the connect params of an application that knows nothing of ours. */
function socketOf(url: string, user: string): Socket {
  const socket = new Socket(`${url.replace('http', 'ws')}/socket`, {
    params: { user },
    transport: WebSocket,
    reconnectAfterMs: () => 5,
    rejoinAfterMs: () => 5,
  });
  onTestFinished(() => socket.disconnect());
  socket.connect();
  return socket;
}

function countOf({ tree }: MusubiRoot): unknown {
  return (tree as { readonly n: number }).n;
}

describe.each(rooms)('a client of Musubi on the official Phoenix package, at $name', (room) => {
  const isShared = room.name === 'Room.shared';

  async function open() {
    banned = null;
    const { url, server } = await world({
      app: app({ views: [...rooms] }),
      authenticate: async ({ params }) => ({ ...everything, subject: params.get('user') }),
    });
    const come = async (user: string) => {
      const socket = socketOf(url, user);
      const replies: object[] = [];
      socket.onMessage(({ event, payload }) => {
        if (event === 'phx_reply') replies.push(payload as object);
      });
      const root = new MusubiRoot(socket, room.name, { id: 'r', params: { topic: 'x' } });
      await root.mounted(1);
      return { root, socket, replies };
    };
    return { server, come };
  }

  it('V91 mounts it, commands it and its children, and has its streams, async values and events', async () => {
    const { come } = await open();
    const { root, replies } = await come('ada');
    expect(root.tree).toMatchObject({
      __musubi_store_id__: [],
      topic: 'x',
      n: 0,
      'a/b~c': null,
      cards: [{ title: 'card a' }, { title: 'card b' }],
      profile: { __musubi_async__: true, status: 'loading', result: null, reason: null },
    });
    for (let n = 1; n <= 4; n += 1) expect(await root.command('add')).toEqual(['ok', { n }]);
    await root.until(() => root.items('log').length === 3);
    expect(root.items('log')).toEqual([{ id: '2' }, { id: '3' }, { id: '4' }]);
    expect(await root.command('toggle', {}, ['cards', 'b'])).toEqual(['ok', {}]);
    expect(await root.command('shuffle')).toEqual(['ok', {}]);
    await root.command('load');
    await root.until(() => JSON.stringify(root.tree).includes('"ada"'));
    expect(root.tree).toMatchObject({
      n: 4,
      'a/b~c': 4,
      cards: [
        { title: 'card b', open: true },
        { title: 'card a', open: false },
      ],
      profile: { status: 'ok', result: { name: 'ada' } },
    });
    await root.command('shout');
    await root.command('whisper');
    await root.command('add');
    await root.until(() => root.events.length === 2);
    expect(root.events).toEqual([
      { store_id: [], name: 'toast', payload: { msg: 'all' } },
      { store_id: [], name: 'toast', payload: { msg: 'one' } },
    ]);
    expect(await root.command('nope')).toEqual(['error', { reason: 'unknown command' }]);
    expect(await root.command('add', {}, ['cards', 'z'])).toEqual([
      'error',
      { reason: 'unknown store' },
    ]);
    expect(await root.leave()).toEqual(['ok', {}]);
    expect(new Set(replies.flatMap((reply) => Object.keys(reply)))).toEqual(
      new Set(['status', 'response']),
    );
    expect(root.troubles).toEqual([]);
  });

  it('V91 uploads over a channel: chunks, an empty file, one that is refused, one that is cancelled', async () => {
    const { come } = await open();
    const { root } = await come('ada');
    const files = [
      new File(['0123456789'], 'a.txt'),
      new File([], 'empty.txt'),
      new File(['x'], 'bad.exe'),
      new File(['later'], 'c.txt'),
    ];
    const { config, entries } = root.upload('files');
    expect(config).toMatchObject({ accept: ['.txt'], max_entries: 3, chunk_size: 4 });
    const { grants, errors } = await root.select('files', files);
    expect(errors).toMatchObject([{ client_ref: '2', error: { code: 'not_accepted' } }]);
    const [full, empty, later] = grants;
    if (full === undefined || empty === undefined || later === undefined) throw new Error('grants');
    const sent = await root.transfer(files[0] ?? new File([], ''), full, 4);
    expect(sent).toEqual([
      ['ok', {}],
      ['ok', { progress: 40 }],
      ['ok', { progress: 80 }],
      ['ok', { progress: 100 }],
    ]);
    expect(await root.transfer(files[1] ?? new File([], ''), empty, 4)).toEqual([['ok', {}]]);
    const cancel = { store_id: [], name: 'files', ref: later.entry_ref };
    expect(await root.ask('cancel_upload', cancel)).toEqual(['ok', {}]);
    const isDone = (): boolean => [...entries.values()].every(({ status }) => status === 'success');
    await root.until(() => entries.size === 2 && isDone());
    consumed.length = 0;
    await root.command('take');
    await root.until(() => entries.size === 0);
    expect(consumed).toEqual(['a.txt: 0123456789', 'empty.txt: ']);
    expect(root.troubles).toEqual([]);
  });

  it('V91 uploads elsewhere: progress, an end that is verified, one that is not, a failure', async () => {
    const { come } = await open();
    const { root } = await come('ada');
    const { entries } = root.upload('photos');
    const files = [new File(['1'], 'good.png'), new File(['2'], 'forged.png')];
    const { grants } = await root.select('photos', files);
    expect(grants).toMatchObject([
      { type: 'external', uploader: 's3', meta: { url: 'https://s3/good.png' } },
      { type: 'external', uploader: 's3' },
    ]);
    const [good = '', forged = ''] = grants.map(({ entry_ref: ref }) => ref);
    const at = { store_id: [], name: 'photos' };
    await root.ask('upload_progress', { ...at, ref: good, progress: 50 });
    await root.until(() => entries.get(good)?.progress === 50);
    for (const ref of [good, forged]) {
      expect(await root.ask('upload_progress', { ...at, ref, progress: 100 })).toEqual(['ok', {}]);
    }
    await root.until(() => entries.get(forged)?.status === 'error');
    expect(entries.get(good)).toMatchObject({ progress: 100, status: 'success' });
    const { grants: again } = await root.select('photos', [new File(['3'], 'lost.png')]);
    const ref = again[0]?.entry_ref ?? '';
    const failure = { code: 'external_failed', message: 'no network' };
    await root.ask('upload_error', { ...at, ref, ...failure });
    await root.until(() => entries.get(ref)?.status === 'error');
    expect(entries.get(ref)?.errors).toEqual([failure]);
    expect(root.troubles).toEqual([]);
  });

  it('V91 is joined again by the package when its socket is lost, and by itself where a version does not fit', async () => {
    const { come } = await open();
    const { root, socket } = await come('ada');
    await root.command('add');
    await root.until(() => root.version === 2);
    const { tree } = root;
    dropSocket(socket);
    await root.mounted(2);
    // What was shown stays until the mount anew, which is of the same instance where that is shared.
    expect(root.tree).toMatchObject({ n: isShared ? 1 : 0 });
    if (isShared) expect(root.tree).toEqual(tree);
    expect(root.items('log')).toEqual(isShared ? [{ id: '1' }] : []);
    await root.command('add');
    await root.until(() => root.version === 2);
    root.version = 7;
    await root.command('add');
    await root.mounted(3);
    expect(root.tree).toMatchObject({ n: isShared ? 3 : 0 });
    expect(root.troubles).toEqual(['7: 2 → 3']);
    expect(root.mounts).toEqual([
      [
        [0, 1],
        [1, 2],
      ],
      [
        [0, 1],
        [1, 2],
      ],
      [[0, 1]],
    ]);
  });

  it('V91 is ended by phx_error alone, which the package answers by another join', async () => {
    const { come, server } = await open();
    const { root } = await come('ada');
    banned = 'ada';
    await server.recheck(room);
    await root.until(() => root.troubles.length > 0);
    expect(root.troubles[0]).toBe('{"reason":"unauthorized"}');
    expect(root.state).not.toBe('closed');
    banned = null;
    await root.until(() => root.version === 1);
  });

  it('V91 has versions of its own, whoever else is there and whatever each is told alone', async () => {
    const { come } = await open();
    const [ada, ben] = [await come('ada'), await come('ben')];
    await ada.root.command('add');
    await ben.root.command('whisper');
    await ada.root.command('add');
    await ada.root.command('whisper');
    await ben.root.command('add');
    const last = isShared ? [3, 3] : [2, 1];
    await ada.root.until(() => countOf(ada.root) === last[0] && ada.root.events.length === 1);
    await ben.root.until(() => countOf(ben.root) === last[1] && ben.root.events.length === 1);
    expect([ada.root.troubles, ben.root.troubles]).toEqual([[], []]);
    if (isShared) expect(ben.root.tree).toEqual(ada.root.tree);
  });
});
