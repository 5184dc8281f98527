import { createServer as createHttpServer } from 'node:http';
import { Readable } from 'node:stream';
import { createClient } from '@holdfast/client';
import { linkConformance, type LinkPeer } from '@holdfast/client/link/conformance';
import { createServer, type Principal, type Server } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { record } from '@holdfast/protocol';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import { inProcess } from '../../src/socket/in-process.ts';
import { Seeds } from '../../src/socket/seeds.ts';
import { Signer } from '../../src/access/index.ts';
import { VirtualClock } from '../conversation/clock.ts';
import { world } from '../conversation/world.ts';

const principal: Principal = {
  subject: 'ada',
  orgs: ['acme'],
  scopes: new Set(['entries:read', 'entries:write']),
  storeAccess: { mode: 'all' },
  expiresAt: null,
  tokenId: null,
};

/** What a socket receives, for who asks, now or later. */
function peerOf(socket: WebSocket): LinkPeer {
  const come = new Readable({ objectMode: true, read: () => undefined });
  const messages = come[Symbol.asyncIterator]();
  socket.on('message', (data: Buffer, isBinary: boolean) =>
    come.push(isBinary ? new Uint8Array(data) : data.toString()),
  );
  return {
    send: (data) => socket.send(data),
    close: (code) => socket.close(code),
    receive: async () => (await messages.next()).value as string | Uint8Array,
    closed: new Promise((resolve) => void socket.on('close', () => resolve())),
  };
}

describe('the link within a process keeps the law of links', () => {
  const cases = linkConformance(async () => {
    const http = createHttpServer();
    const sockets = new WebSocketServer({ server: http });
    const come = new Readable({ objectMode: true, read: () => undefined });
    const peers = come[Symbol.asyncIterator]();
    sockets.on('connection', (socket) => come.push(peerOf(socket)));
    let refuses = false;
    const { link } = inProcess(
      {
        access: { vouchFor: () => ({ token: 't', end: () => undefined }) },
        seeds: new Seeds(new Signer(), { veilOf: () => null }),
        serve: (end) => (refuses ? void end.destroy() : void http.emit('connection', end)),
      },
      principal,
    );
    return {
      link,
      url: 'ws://in-process/',
      accept: async () => (await peers.next()).value as LinkPeer,
      refuseAll: () => {
        refuses = true;
      },
      carriesBytes: true,
      text: (n) => `text ${n} é`,
      end: async () => {
        for (const socket of sockets.clients) socket.terminate();
        sockets.close();
      },
    };
  });
  for (const { name, run } of cases) it(name, run);
});

let server: Server;

beforeEach(async () => {
  server = createServer({ storage: memory(), rates: false });
  await server.stores.create('acme/app');
});

afterEach(async () => {
  await server.close({ retryAfterMs: 0 });
});

test('a client in the process has the rights of its principal, without a token or a port', async () => {
  const client = createClient({ ...server.inProcess(principal) });
  const reader = { ...principal, subject: 'bob', scopes: new Set(['entries:read'] as const) };
  const other = createClient({ ...server.inProcess(reader) });
  const store = client.store('acme/app');
  await store.put('title', 'Hello').committed;
  const seen = other.store('acme/app');
  await seen.ready;
  expect(seen.get('title')).toBe('Hello');
  await expect(seen.put('title', 'No').committed).rejects.toMatchObject({ code: 'missing_scope' });
  await Promise.all([client.close(), other.close()]);
});

test('a megabyte passes in both directions, also while the reader is slow', async () => {
  const client = createClient({ ...server.inProcess(principal) });
  const store = client.store('acme/app');
  const text = 'x'.repeat(60_000);
  const writes = Array.from({ length: 20 }, (_, i) => store.put(`long/${i}`, text));
  await Promise.all(writes.map(({ committed }) => committed));
  const other = createClient({ ...server.inProcess(principal) });
  const seen = other.store('acme/app');
  await seen.ready;
  expect(seen.entries('long/*').items.every(({ value }) => value === text)).toBe(true);
  await Promise.all([client.close(), other.close()]);
});

test('nobody gets in with the token of a visit that is over, and who is no principal gets no client', async () => {
  let said = '';
  const serve = server.serve.bind(server);
  server.serve = (connection) => {
    connection.once('data', (head: Buffer) => (said = head.toString()));
    serve(connection);
  };
  const { link } = server.inProcess(principal);
  await new Promise<void>((resolve) => {
    const connection = link.open(
      'ws://in-process/ws/sync/websocket?device_id=d&capver=4&vsn=2.0.0',
      {
        opened: () => connection.close(),
        received: () => undefined,
        closed: () => resolve(),
      },
    );
  });
  const [, token = ''] = /token=([\w-]+)/.exec(said) ?? [];
  expect(token).toHaveLength(43);
  const { url } = await server.listen();
  const whoami = `${url.replace('ws', 'http')}/api/whoami`;
  const answer = await fetch(whoami, { headers: { authorization: `Bearer ${token}` } });
  expect(answer.status).toBe(401);
  const bad = { ...principal, subject: 7 } as unknown as Principal;
  expect(() => server.inProcess(bad).link.open('ws://in-process/', events)).toThrow(TypeError);
  const misspelt = { ...principal, scopes: ['log:read'] } as unknown as Principal;
  expect(() => server.inProcess(misspelt).link.open('ws://in-process/', events)).toThrow(
    /scopes must be .*, entries:read, /,
  );
});

const events = { opened: () => undefined, received: () => undefined, closed: () => undefined };

test('of clients in the process that are closed nothing is kept, as of those for pages: rules are asked for them no more', async () => {
  const clock = new VirtualClock();
  const { server: pages } = await world({ clock });
  const asked = new Set<string | null>();
  const note = { name: 'note', store: 'demo/main', path: 'notes/:id', version: '1.0' } as const;
  const notes = pages.record(record({ ...note, schema: z.object({ text: z.string() }) }), {
    read: ({ principal: { subject } }) => asked.add(subject) !== null,
  });
  await notes.write({ id: 'a' }, { set: { text: '' } });
  for (const subject of ['ann', 'bob']) {
    const client = createClient({ ...pages.inProcess({ ...principal, subject, orgs: ['demo'] }) });
    await client.store('demo/main').ready;
    await client.close();
  }
  expect([...asked]).toEqual(['ann', 'bob']);
  await expect.poll(() => pages.describe().sockets).toBe(0);
  await clock.pass(4000);
  asked.clear();
  await notes.write({ id: 'a' }, { set: { text: 'new' } });
  expect([...asked]).toEqual([]);
});
