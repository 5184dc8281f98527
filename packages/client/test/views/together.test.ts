import {
  app,
  createServer,
  RejectedError,
  type Server,
  stream,
  upload,
  view,
} from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { phoenixLink } from '@holdfast/client/link/phoenix';
import { Socket } from 'phoenix';
import { type Client, createClient } from '@holdfast/client';
import { views, waitFor } from '@holdfast/client/views';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Valve } from '../valve.ts';

const card = view({
  name: 'Card',
  params: z.object({ title: z.string() }),
  mount: () => ({ open: false }),
  render: (s, _h, ctx) => ({ title: ctx.params.title, open: s.open }),
  commands: {
    toggle: {
      run: (ctx) =>
        ctx.update((s) => {
          s.open = !s.open;
        }),
    },
  },
});

const board = view({
  name: 'App.Board',
  params: z.object({ room: z.string() }),
  streams: { log: stream<{ id: string; text: string }>({ limit: 200, retain: true }) },
  events: { toast: z.object({ msg: z.string() }) },
  uploads: { avatar: upload({ accept: 'any', chunkSize: 4 }) },
  mount: () => ({ filter: 'all', cards: ['a', 'b'] }),
  render: (s, h, ctx) => ({
    room: ctx.params.room,
    filter: s.filter,
    cards: s.cards.map((id) => h.child(card, id, { title: `card ${id}` })),
    log: h.stream('log'),
    avatar: h.upload('avatar'),
  }),
  commands: {
    setFilter: {
      input: z.object({ to: z.string() }),
      run: (ctx, p) => {
        ctx.update((s) => {
          s.filter = p.to;
        });
      },
    },
    say: {
      input: z.object({ id: z.string(), text: z.string() }),
      reply: z.object({ length: z.number() }),
      run: (ctx, p) => {
        ctx.stream('log').insert(p);
        ctx.send('toast', { msg: p.text });
        return { length: p.text.length };
      },
    },
    read: {
      reply: z.object({ text: z.string() }),
      run: async (ctx) => {
        const [text = ''] = await ctx.uploads.consume('avatar', async (_, file) =>
          new Response(file?.stream() as BodyInit).text(),
        );
        return { text };
      },
    },
    fail: {
      run: () => {
        throw new RejectedError('no_luck', { why: 'because' });
      },
    },
  },
  onParams: () => undefined,
});
const boards = app({ views: [board] });

let server: Server;
let url = '';
const clients: Client[] = [];

beforeEach(async () => {
  server = createServer({ storage: memory(), rates: false, app: boards });
  ({ url } = await server.listen());
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((each) => each.close()));
  await server.close({ retryAfterMs: 0 });
});

const issue = (): ReturnType<Server['tokens']['issue']> =>
  server.tokens.issue({
    name: 'test',
    org: 'acme',
    scopes: ['entries:read'] as never,
    storeAccess: { mode: 'all' },
    expiresAt: null,
    createdBy: null,
  });

async function open(valve: Valve = new Valve()): Promise<Client<typeof boards>> {
  const { rawToken: token } = await issue();
  const client = createClient<typeof boards>({
    url,
    token,
    link: valve,
    views: views(),
    env: { random: () => 0.01 },
  });
  clients.push(client);
  return client;
}

describe('views of a client and a server of ours', () => {
  it('V18 commands, children, streams and events come out as the server has them', async () => {
    const client = await open();
    const root = await client.view('App.Board', { params: { room: 'r1' } }).ready;
    expect(root.$snapshot()).toEqual({
      room: 'r1',
      filter: 'all',
      cards: [
        { title: 'card a', open: false },
        { title: 'card b', open: false },
      ],
      log: [],
      avatar: expect.objectContaining({ status: 'idle' }) as unknown,
    });
    const heard: string[] = [];
    root.$on('toast', ({ msg }) => heard.push(msg));
    expect(await root.$dispatch('say', { id: '1', text: 'hello' })).toEqual({ length: 5 });
    await waitFor(root, ({ log }) => log.length === 1);
    expect([root.log, heard]).toEqual([[{ id: '1', text: 'hello' }], ['hello']]);
    await root.cards[1]?.$dispatch('toggle');
    await waitFor(root, ({ cards }) => cards[1]?.open);
    await expect(root.$dispatch('fail')).rejects.toMatchObject({ code: 'no_luck' });
    await expect(root.$dispatch('setFilter', { to: 7 } as never)).rejects.toMatchObject({
      code: 'invalid_payload',
    });
    const seen: string[] = [];
    root.$subscribe(() => seen.push(root.filter));
    await root.$dispatch(
      'setFilter',
      { to: 'mine' },
      { optimistic: (draft) => void (draft.filter = 'mine') },
    );
    await root.$dispatch('setFilter', { to: 'other' });
    await waitFor(root, ({ filter }) => filter === 'other');
    expect(seen).toEqual(['mine', 'other']);
  });

  it('V60 V72 a lost connection is resumed: what is shown stays, and what was missed comes', async () => {
    const valve = new Valve();
    const client = await open(valve);
    const page = client.view('App.Board', { params: { room: 'r1' } });
    const root = await page.ready;
    const [cards, child] = [root.cards, root.cards[0]];
    let remounts = 0;
    page.onRemount(() => (remounts += 1));
    valve.cut();
    const sent = root.$dispatch('setFilter', { to: 'later' });
    await sent;
    await waitFor(root, ({ filter }) => filter === 'later');
    expect([root.cards === cards, root.cards[0] === child, remounts]).toEqual([true, true, 0]);
    expect(page.health.get()).toMatchObject({
      state: 'live',
      instance: expect.any(String) as string,
    });
  });

  it('V19 V73 a forged envelope leads to another join, and nothing of it is seen', async () => {
    const valve = new Valve();
    const client = await open(valve);
    const page = client.view('App.Board', { params: { room: 'r1' } });
    const root = await page.ready;
    const patch = valve.received.map(String).find((text) => text.includes('"patch"')) ?? '';
    const frame = JSON.parse(patch) as [string, null, string, string, object];
    frame[4] = {
      ...frame[4],
      base_version: 7,
      version: 8,
      ops: [{ op: 'replace', path: '/filter', value: 'forged' }],
    };
    valve.forge(JSON.stringify(frame));
    expect([page.health.get().state, root.filter]).toEqual(['stale', 'all']);
    await expect.poll(() => page.health.get().state).toBe('live');
    expect(root.filter).toBe('all');
  });

  it('V81 other params reach the mount that there is', async () => {
    const client = await open();
    const page = client.view('App.Board', { params: { room: 'r1' } });
    const root = await page.ready;
    await page.setParams({ room: 'r2' });
    await waitFor(root, ({ room }) => room === 'r2');
    await expect(page.setParams({ room: 7 } as never)).rejects.toMatchObject({
      code: 'invalid_params',
    });
  });

  it('a limit of Infinity is none: commands and waits take as long as they take', async () => {
    const client = await open();
    const root = await client.view('App.Board', { params: { room: 'r1' } }).ready;
    const mine = waitFor(root, ({ filter }) => filter === 'mine', { timeoutMs: Infinity });
    for (const id of ['1', '2', '3', '4', '5']) {
      const said = root.$dispatch('say', { id, text: id }, { timeoutMs: Infinity });
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect(await said).toEqual({ length: 1 });
    }
    await root.$dispatch('setFilter', { to: 'mine' });
    expect(await mine).toBe(true);
  });

  it('V48 V54 V57 a file goes over the socket, through a lost connection, with its content', async () => {
    const valve = new Valve();
    const client = await open(valve);
    const root = await client.view('App.Board', { params: { room: 'r1' } }).ready;
    await root.avatar.select([new File(['0123456789'], 'a.txt')]);
    const done = root.avatar.start();
    await waitFor(root, ({ avatar }) => avatar.progress > 0);
    valve.cut();
    expect(await done).toMatchObject([{ status: 'success' }]);
    expect(root.avatar).toMatchObject({ status: 'success', progress: 100 });
    expect(await root.$dispatch('read')).toEqual({ text: '0123456789' });
    await waitFor(root, ({ avatar }) => avatar.entries.length === 0);
  });

  it('V89 two clients share a socket of the application: the one that closes leaves its own roots alone', async () => {
    const { rawToken: token } = await issue();
    const params = { token, device_id: 'phoenix-app', capver: '4' };
    const socket = new Socket(`${url.replace('http', 'ws')}/socket`, { params });
    socket.connect();
    const [one, two] = ['one', 'two'].map((id) => {
      const link = phoenixLink(socket);
      const client = createClient<typeof boards>({ url, token, link, views: views() });
      clients.push(client);
      return { client, page: client.view('App.Board', { id, params: { room: id } }) };
    });
    if (one === undefined || two === undefined) throw new Error('two');
    const [, root] = await Promise.all([one.page.ready, two.page.ready]);
    await one.client.close();
    expect([one.page.health.get().state, two.page.health.get().state]).toEqual([
      'unmounted',
      'live',
    ]);
    await root.$dispatch('setFilter', { to: 'mine' });
    await waitFor(root, ({ filter }) => filter === 'mine');
    await root.avatar.select([new File(['0123456789'], 'a.txt')], { autoStart: true });
    await waitFor(root, ({ avatar }) => avatar.status === 'success');
    expect(await root.$dispatch('read')).toEqual({ text: '0123456789' });
    socket.disconnect();
  });
});
