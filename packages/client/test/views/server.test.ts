import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient, type Client, type ClientOptions, RejectedError } from '@holdfast/client';
import { nextSnapshot, views, waitFor } from '@holdfast/client/views';
import {
  app,
  createServer,
  holdfast,
  type Server,
  type ServerOptions,
  stream,
  view,
} from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { issue } from '../token.ts';

// Our client and our server, over a real socket: types, trees, commands, drops.

type Stores = { 'acme/app': { cards: { [id: string]: { title: string } } } };
const { view: viewOf, loader } = holdfast<{ stores: Stores }>();
const ended: string[] = [];

const card = view({
  name: 'Card',
  params: z.object({ title: z.string() }),
  mount: () => ({ open: false }),
  render: (s, _h, { params }) => ({ title: params.title, open: s.open }),
  commands: { toggle: { run: (ctx) => ctx.update((s) => void (s.open = !s.open)) } },
});

const board = viewOf({
  name: 'Board',
  params: z.object({ room: z.string() }),
  authorize: ({ params }) => params.room !== 'secret',
  streams: { log: stream<{ id: string; text: string }>({ limit: 3, retain: true }) },
  events: { toast: z.object({ msg: z.string() }) },
  async: { profile: loader((_ctx, name: string) => Promise.resolve({ name })) },
  mount: (ctx) => {
    ctx.signal.addEventListener('abort', () => ended.push(ctx.id));
    ctx.async.start('profile', 'ada');
    return { filter: 'all' };
  },
  render: (s, h, ctx) => ({
    room: ctx.params.room,
    filter: s.filter,
    cards: Object.entries(ctx.store('acme/app').get('cards') ?? {}).map(([id, { title }]) =>
      h.child(card, id, { title }),
    ),
    log: h.stream('log'),
    profile: h.async('profile'),
  }),
  commands: {
    setFilter: {
      input: z.object({ to: z.string() }),
      run: (ctx, { to }) => ctx.update({ filter: to }),
    },
    addCard: {
      input: z.object({ id: z.string(), title: z.string().max(20) }),
      reply: z.object({ id: z.string() }),
      run: async (ctx, { id, title }) => {
        await ctx.store('acme/app').put(['cards', id], { title });
        ctx.stream('log').insert({ id, text: `added ${title}` });
        ctx.send('toast', { msg: title });
        return { id };
      },
    },
    refuse: {
      run: () => {
        throw new RejectedError('board_full', { cards: 7 });
      },
    },
  },
  onParams: () => undefined,
});
const boards = app({ views: [board] });
type Boards = typeof boards;

type Here = {
  readonly url: string;
  readonly server: Server;
  client(options?: Partial<ClientOptions>): Client<Boards>;
};

async function here(more: Partial<ServerOptions> = {}): Promise<Here> {
  const server = createServer({ storage: memory(), rates: false, app: boards, ...more });
  const { url } = await server.listen();
  await server.stores.create('acme/app');
  const { rawToken: token } = await issue(server);
  const clients: { close(): Promise<void> }[] = [];
  onTestFinished(async () => {
    await Promise.all(clients.map((each) => each.close()));
    await server.close({ retryAfterMs: 0 });
  });
  return {
    url,
    server,
    client: (options) => {
      const client = createClient<Boards>({ url, token, views: views(), ...options });
      clients.push(client);
      return client;
    },
  };
}

it('V12, V18 a view is mounted, commanded and followed, with every type inferred', async () => {
  const { client } = await here();
  const [one, two] = [client(), client()];
  const page = one.view('Board', { params: { room: 'r' } });
  const root = await page.ready;
  const other = await two.view('Board', { params: { room: 'r' } }).ready;
  expect(root.$snapshot()).toMatchObject({ room: 'r', filter: 'all', cards: [], log: [] });
  const toasts: { readonly msg: string }[] = [];
  root.$on('toast', (toast) => toasts.push(toast));
  const reply: { readonly id: string } = await root.$dispatch('addCard', { id: 'a', title: 'A' });
  expect(reply).toEqual({ id: 'a' });
  await waitFor(root, (snapshot) => snapshot.cards.length > 0);
  expect(root.log).toEqual([{ id: 'a', text: 'added A' }]);
  expect(toasts).toEqual([{ msg: 'A' }]);
  await waitFor(other, (snapshot) => snapshot.cards.length > 0);
  const [first] = root.cards;
  await first?.$dispatch('toggle', {});
  await waitFor(root, ({ cards }) => cards[0]?.open === true);
  expect(other.$snapshot()?.cards).toEqual([{ title: 'A', open: false }]);
  const profile = await waitFor(root, ({ profile: { data } }) => data ?? undefined);
  expect(profile).toEqual({ name: 'ada' });
});

it('V23, V27 what is refused rejects with its code and what is known of it', async () => {
  const { client } = await here();
  const root = await client().view('Board', { params: { room: 'r' } }).ready;
  await expect(root.$dispatch('refuse', {})).rejects.toMatchObject({ code: 'board_full' });
  const long = root.$dispatch('addCard', { id: 'a', title: 'x'.repeat(21) });
  await expect(long).rejects.toMatchObject({ code: 'invalid_payload' });
  const secret = client().view('Board', { params: { room: 'secret' } });
  await expect(secret.ready).rejects.toMatchObject({ code: 'unauthorized' });
});

it('views mounted as others are unmounted are all ready, though the connection has no room for both; one too many is refused', async () => {
  const { client } = await here({ viewLimits: { roots: 3 } });
  const page = client();
  const mount = (id: string) => page.view('Board', { params: { room: 'r' }, id });
  const before = ['a', 'b', 'c'].map(mount);
  await Promise.all(before.map(({ ready }) => ready));
  for (const each of before) each.unmount();
  const others = ['d', 'e', 'f'].map(mount);
  await Promise.all(others.map(({ ready }) => ready));
  await expect(mount('g').ready).rejects.toMatchObject({ code: 'over_capacity' });
});

it('V7, V81 params change in place; who unmounts ends the instance', async () => {
  const { client } = await here();
  ended.length = 0;
  const page = client().view('Board', { params: { room: 'r' }, id: 'p' });
  const root = await page.ready;
  await page.setParams({ room: 's' });
  await waitFor(root, ({ room }) => room === 's');
  page.unmount();
  await expect.poll(() => ended, { interval: 5 }).toEqual(['p']);
});

it('V72 after a drop the same instance goes on, and nothing was blank meanwhile', async () => {
  const { client } = await here();
  const sockets: WebSocket[] = [];
  class Noted extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  const page = client({ webSocket: Noted }).view('Board', { params: { room: 'r' } });
  const root = await page.ready;
  await root.$dispatch('setFilter', { to: 'mine' });
  const seen: unknown[] = [];
  root.$subscribe(() => seen.push(root.$snapshot()?.filter));
  const { state } = page.health.get();
  expect(state).toBe('live');
  for (const socket of sockets) socket.close(4000);
  await expect.poll(() => page.health.get().state, { interval: 5 }).toBe('stale');
  expect(root.filter).toBe('mine');
  await expect.poll(() => page.health.get().state, { interval: 5 }).toBe('live');
  const changed = nextSnapshot(root);
  await root.$dispatch('setFilter', { to: 'all' });
  expect((await changed).filter).toBe('all');
  expect(seen).not.toContain(undefined);
});

it('a view whose state is in a store goes on after a deploy: another process, a fresh instance, nothing blank', async () => {
  const data = await mkdtemp(join(tmpdir(), 'holdfast-views-'));
  const serve = async (port: number): Promise<readonly [Server, number]> => {
    const server = createServer({ data, rates: false, app: boards });
    return [server, (await server.listen({ port })).port];
  };
  const [former, port] = await serve(0);
  await former.stores.create('acme/app');
  const scopes = ['entries:read', 'entries:write'] as const;
  const { rawToken: token } = await issue(former, scopes);
  const client = createClient<Boards>({ url: `http://127.0.0.1:${port}`, token, views: views() });
  const page = client.view('Board', { params: { room: 'r' } });
  const root = await page.ready;
  await root.$dispatch('addCard', { id: 'a', title: 'A' });
  await waitFor(root, ({ cards }) => cards.length === 1);
  const { cards } = root.$snapshot() ?? {};
  const seen: unknown[] = [];
  root.$subscribe(() => seen.push(root.$snapshot()?.cards.length));
  await former.close({ retryAfterMs: 1 });
  const [next] = await serve(port);
  onTestFinished(async () => {
    await client.close();
    await next.close({ retryAfterMs: 0 });
    await rm(data, { recursive: true, force: true });
  });
  await expect.poll(() => page.health.get().state, { timeout: 8000, interval: 10 }).toBe('live');
  expect(root.$snapshot()?.cards).toBe(cards);
  await root.$dispatch('addCard', { id: 'b', title: 'B' });
  await waitFor(root, (snapshot) => snapshot.cards.length === 2);
  expect(seen).not.toContain(undefined);
  expect(seen).not.toContain(0);
});

it('a view whose connection was refused refuses commands at once, and takes them again once that is tried again', async () => {
  const { client, server } = await here();
  const { id, rawToken } = await issue(server);
  let token = rawToken;
  const errors: unknown[] = [];
  const one = client({ token: () => token, onError: (error) => errors.push(error) });
  const root = await one.view('Board', { params: { room: 'r' } }).ready;
  await server.tokens.revoke(id);
  await expect.poll(() => root.$health().state).toBe('failed');
  const refused = { code: 'unauthorized' };
  await expect(root.$dispatch('setFilter', { to: 'mine' })).rejects.toMatchObject(refused);
  token = (await issue(server)).rawToken;
  void one.connect();
  await root.$dispatch('setFilter', { to: 'mine' });
  expect([root.filter, root.$health().state]).toEqual(['mine', 'live']);
  // Of the connection; not of each view beside it.
  expect(errors).toEqual([expect.objectContaining({ ...refused, details: {} })]);
});
