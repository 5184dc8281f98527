import { createClient, type Link, webSocketLink } from '@holdfast/client';
import { views, waitFor } from '@holdfast/client/views';
import { app, createServer, loader, scopes, stream, upload, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';

/** A server that knows nothing of capver 4: ours, which is not told that the client does; and all that is sent to it. */
class Musubi {
  readonly sent: [string | null, string, string, string, object][] = [];
  readonly received: string[] = [];
  cut: () => void = () => undefined;
  forge: (text: string) => void = () => undefined;

  readonly link: Link = {
    open: (url, events) => {
      const at = url.replace('/ws/sync/', '/socket/').replace(/capver=\d+/, 'x=y');
      const line = webSocketLink().open(at, {
        ...events,
        received: (data) => {
          this.received.push(String(data));
          events.received(data);
        },
      });
      this.cut = () => line.close(4000);
      this.forge = (text) => events.received(text);
      const send = (data: string | Uint8Array): void => line.send(this.#forget(data));
      return { send, close: (code) => line.close(code) };
    },
  };

  /** The frames of an event. */
  of(event: string): object[] {
    return this.sent.filter((frame) => frame[3] === event).map((frame) => frame[4]);
  }

  #forget(data: string | Uint8Array): string | Uint8Array {
    if (typeof data !== 'string') return data;
    const frame = JSON.parse(data) as (typeof this.sent)[number];
    this.sent.push(frame);
    const known = Object.entries(frame[4]).filter(([key]) => key !== 'capver' && key !== 'resume');
    return JSON.stringify([...frame.slice(0, 4), Object.fromEntries(known)]);
  }
}

const card = view({
  name: 'Card',
  mount: () => ({ open: false }),
  render: (s) => s,
  commands: { toggle: { run: (ctx) => ctx.update((s) => void (s.open = !s.open)) } },
});

const board = view({
  name: 'App.Board',
  params: z.object({ room: z.string() }),
  streams: { log: stream<{ id: string }>({ limit: 2 }) },
  events: { toast: z.object({ msg: z.string() }) },
  uploads: {
    notes: upload({ accept: 'any', chunkSize: 4, maxEntries: 2 }),
    photos: upload({ accept: 'any', external: () => ({ uploader: 's3', meta: { to: 'there' } }) }),
  },
  async: { profile: loader((_ctx: object, name: string) => Promise.resolve({ name })) },
  mount: (ctx) => {
    ctx.async.start('profile', 'ada');
    ctx.stream('log').insert({ id: 'seed' });
    return { n: 0 };
  },
  render: ({ n }, h, { params }) => ({
    room: params.room,
    n,
    cards: ['a', 'b'].map((id) => h.child(card, id)),
    log: h.stream('log'),
    profile: h.async('profile'),
    notes: h.upload('notes'),
    photos: h.upload('photos'),
  }),
  commands: {
    add: {
      reply: z.object({ n: z.number() }),
      run: (ctx) => {
        ctx.update((s) => void (s.n += 1));
        ctx.stream('log').insert({ id: String(ctx.state.n) });
        ctx.send('toast', { msg: `now ${ctx.state.n}` });
        return { n: ctx.state.n };
      },
    },
    hang: { run: () => new Promise<void>(() => undefined) },
  },
});
const boards = app({ views: [board] });

async function open() {
  const server = createServer({
    storage: memory(),
    rates: false,
    app: boards,
    authenticate: async () => ({
      subject: 'ada',
      orgs: [],
      scopes: new Set(scopes),
      storeAccess: { mode: 'all' },
      expiresAt: null,
      tokenId: null,
    }),
  });
  const { url } = await server.listen();
  const musubi = new Musubi();
  const brought: unknown[] = [];
  const client = createClient<typeof boards>({
    url,
    token: 'any',
    link: musubi.link,
    views: views({ uploaders: { s3: async ({ meta }) => void brought.push(meta) } }),
    env: { random: () => 0.01 },
  });
  onTestFinished(async () => {
    await client.close();
    await server.close({ retryAfterMs: 0 });
  });
  const page = client.view('App.Board', { params: { room: 'r1' } });
  return { musubi, brought, page, root: await page.ready };
}

it('V92 our client has commands, children, streams, async values and events of a Musubi server', async () => {
  const { musubi, root } = await open();
  const toasts: string[] = [];
  root.$on('toast', ({ msg }) => toasts.push(msg));
  await waitFor(root, ({ profile }) => profile.status === 'ok');
  expect(root.$snapshot()).toMatchObject({
    room: 'r1',
    n: 0,
    cards: [{ open: false }, { open: false }],
    log: [{ id: 'seed' }],
    profile: { status: 'ok', data: { name: 'ada' } },
  });
  const seen: number[] = [];
  root.$subscribe(() => seen.push(root.n));
  const sent = root.$dispatch('add', {}, { optimistic: (draft) => void (draft.n += 1) });
  expect(root.n).toBe(1);
  expect(await sent).toEqual({ n: 1 });
  await root.$dispatch('add');
  await waitFor(root, ({ n }) => n === 2);
  expect([seen.filter((n, at) => n !== seen[at - 1]), root.log]).toEqual([
    [1, 2],
    [{ id: '1' }, { id: '2' }],
  ]);
  expect(toasts).toEqual(['now 1', 'now 2']);
  await root.cards[1]?.$dispatch('toggle');
  await waitFor(root, ({ cards }) => cards[1]?.open);
  for (const payload of musubi.of('command')) {
    expect(Object.keys(payload).toSorted()).toEqual(['name', 'payload', 'store_id']);
  }
  expect(musubi.received.join()).not.toContain('capver');
});

it('V92 our client uploads to a Musubi server over a channel, empty files too, and elsewhere', async () => {
  const { musubi, brought, root } = await open();
  await root.notes.select([new File(['0123456789'], 'a.txt'), new File([], 'empty.txt')]);
  expect(await root.notes.start()).toMatchObject([{ status: 'success' }, { status: 'success' }]);
  await waitFor(root, ({ notes }) => notes.status === 'success');
  await root.photos.select([new File(['x'], 'b.png')], { autoStart: true });
  await waitFor(root, ({ photos }) => photos.status === 'success');
  expect(brought).toEqual([{ to: 'there' }]);
  expect(musubi.of('refresh_upload')).toEqual([]);
});

it('V92 our client has a Musubi server mount anew after a lost connection and a gap, and shows what was there until then', async () => {
  const { musubi, page, root } = await open();
  let remounts = 0;
  page.onRemount(() => (remounts += 1));
  await root.$dispatch('add');
  await waitFor(root, ({ n }) => n === 1);
  const [card1, seen] = [root.cards[1], [] as number[]];
  root.$subscribe(() => seen.push(root.n));
  const lost = root.$dispatch('hang');
  musubi.cut();
  await expect(lost).rejects.toMatchObject({
    code: 'disconnected',
    details: { mayHaveRun: true },
  });
  expect([root.n, root.log.length]).toEqual([1, 2]);
  await waitFor(root, ({ n }) => n === 0);
  expect([remounts, root.cards[1] === card1, root.log]).toEqual([1, true, [{ id: 'seed' }]]);
  const frame = JSON.parse(musubi.received.findLast((text) => text.includes('"patch"')) ?? '');
  frame[4] = { ...frame[4], base_version: 8, version: 9, ops: [] };
  musubi.forge(JSON.stringify(frame));
  expect(page.health.get().state).toBe('stale');
  await expect.poll(() => page.health.get().state).toBe('live');
  expect([remounts, musubi.of('phx_leave'), new Set(seen)]).toEqual([2, [{}], new Set([0])]);
  await page.setParams({ room: 'r2' });
  await waitFor(root, ({ room }) => room === 'r2');
  expect(musubi.of('params')).toEqual([]);
});
