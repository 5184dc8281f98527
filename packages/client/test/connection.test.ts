import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createClient, type WatchEvent } from '@holdfast/client';
import { messagePack } from '@holdfast/client/codec/messagepack';
import type { Principal } from '@holdfast/server';
import { VirtualClock } from '../../server/test/conversation/clock.ts';
import { Valve } from './valve.ts';
import { openWorld, type World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
});

/** A server that upgrades and then says nothing more, not even that it closes. */
async function halfOpenServer(): Promise<{ readonly url: string; close(): void }> {
  const sockets: Socket[] = [];
  const server = createTcpServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.once('data', (data: Buffer) => {
      const key = /sec-websocket-key: (.*)\r/i.exec(data.toString())?.[1] ?? '';
      const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
      const accept = createHash('sha1').update(`${key}${guid}`).digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return {
    url: `ws://127.0.0.1:${port}`,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** How long a program lives on that closes its client, in ms. */
async function lifeAfterClose(url: string, token: string): Promise<number> {
  const program = fileURLToPath(new URL('leave.ts', import.meta.url));
  const child = spawn(process.execPath, ['--conditions=@holdfast/source', program, url, token], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text: string) => {
    if (said === '') child.stdin.write('close');
    said += text;
  });
  const [code] = await once(child, 'close');
  expect(code).toBe(0);
  return Number(/exited ([\d.]+)/.exec(said)?.[1]);
}

/** A machine that is busy may keep a program for longer, though hardly each time. */
const endsSoon = (url: string, token: string): Promise<void> =>
  expect.poll(() => lifeAfterClose(url, token), { timeout: 50_000 }).toBeLessThan(100);

describe('the connection of a client', () => {
  it('S78 a channel that fails is joined again, and writes made meanwhile are committed', async () => {
    const valve = new Valve();
    const store = await world.store({ link: valve, env: { random: () => 0.01 } });
    const joinRef = /^\["(\d+)"/.exec(valve.sent.join('\n').match(/.*phx_join.*/)?.[0] ?? '')?.[1];
    valve.forge(
      JSON.stringify([
        joinRef,
        joinRef,
        'store:acme/app',
        'phx_error',
        { reason: 'channel_crash' },
      ]),
    );
    const write = store.put('k', 1);
    expect(write.state).toBe('queued');
    expect(await write.committed).toMatchObject({ seq: 1 });
    expect(valve.opened).toBe(1);
  });

  it('connect asks again for a store that was refused', async () => {
    const client = world.client();
    const store = client.store('acme/later');
    await expect(store.ready).rejects.toMatchObject({ code: 'unauthorized' });
    await world.createStore('acme/later');
    void client.connect();
    await expect.poll(() => store.status.get().error).toBeUndefined();
    await store.ready;
    expect(await store.put('k', 1).committed).toMatchObject({ seq: 1 });
  });

  it('V76 connect resolves when the connection is open, and rejects when it is refused, late, closed or not awaited any more', async () => {
    let token = 'nobody';
    const valve = new Valve();
    const client = world.client({ link: valve, token: () => token, env: { random: () => 0.01 } });
    await expect(client.connect()).rejects.toMatchObject({ code: 'unauthorized' });
    expect(client.status.get()).toMatchObject({ connection: 'failed', attempts: 0 });
    token = world.token;
    const opened = valve.opened;
    await Promise.all([client.connect(), client.connect({ timeoutMs: 5000 })]);
    expect([client.status.get().connection, valve.opened]).toEqual(['connected', opened + 1]);
    const nowhere = world.client({ url: 'ws://127.0.0.1:1' });
    await expect(nowhere.connect({ timeoutMs: 5 })).rejects.toMatchObject({ code: 'timeout' });
    expect(nowhere.status.get().connection).toBe('connecting');
    const signal = AbortSignal.abort('enough');
    await expect(nowhere.connect({ signal })).rejects.toBe('enough');
    const late = nowhere.connect();
    await nowhere.close();
    await expect(late).rejects.toMatchObject({ code: 'closed' });
    // Whoever does not wait for it need not hear of it.
    void world.client({ token: 'nobody' }).connect();
  });

  it('a connection that was refused is tried again with the next use', async () => {
    let token = 'nobody';
    const client = world.client({ token: () => token });
    await expect(client.store('acme/app').ready).rejects.toMatchObject({ code: 'unauthorized' });
    token = world.token;
    expect(client.status.get().connection).toBe('failed');
    await client.store('acme/app', { scope: ['a/**'] }).ready.catch(() => undefined);
    await world.createStore('acme/other');
    await client.store('acme/other').ready;
    expect(client.status.get().connection).toBe('connected');
  });

  it('what an application says of a connection goes into its URL at every attempt; what Holdfast says there wins', async () => {
    const urls: URL[] = [];
    const valve = new Valve();
    const open = valve.open.bind(valve);
    valve.open = (url, events) => {
      urls.push(new URL(url));
      return open(url, events);
    };
    let asked = 0;
    const params = async (): Promise<{ [name: string]: string }> => {
      asked += 1;
      if (asked === 2) throw new Error('not now');
      return { region: `r${asked}`, vsn: 'mine' };
    };
    const client = world.client({ link: valve, params, env: { random: () => 0.01 } });
    await client.connect();
    valve.cut();
    await client.connect();
    expect(urls.map(({ searchParams: at }) => [at.get('region'), at.get('vsn')])).toEqual([
      ['r1', '2.0.0'],
      ['r3', '2.0.0'],
    ]);
    expect(world.errors).toMatchObject([{ message: 'not now' }]);
  });

  it('S78 G53 a token is asked for at every connect, once more when refused, and then it is reported once', async () => {
    const { rawToken, id } = await world.issue(['entries:read', 'entries:write']);
    const valve = new Valve();
    let asked = 0;
    const client = world.client({
      link: valve,
      token: async () => {
        asked += 1;
        return rawToken;
      },
      env: { random: () => 0.01 },
    });
    const store = client.store('acme/app');
    await store.ready;
    expect(asked).toBe(1);
    valve.cut();
    await store.put('k', 1).committed;
    expect(asked).toBe(2);
    await world.server.tokens.revoke(id);
    await expect.poll(() => client.status.get().connection).toBe('failed');
    expect(client.status.get().error).toMatchObject({ code: 'unauthorized' });
    expect(world.errors).toEqual([client.status.get().error]);
    const before = asked;
    expect(before).toBeLessThanOrEqual(4);
    expect(store.get('k')).toBe(1);
    const waiting = store.put('k', 2);
    expect(waiting.state).toBe('queued');
    await expect(store.opStatus('x')).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('S78 a half-open socket is noticed within 40 s', async () => {
    const clock = new VirtualClock();
    await using still = await openWorld(undefined, { clock });
    const valve = new Valve();
    const client = still.client({ link: valve });
    await client.store('acme/app').ready;
    valve.holdIn();
    await clock.pass(40_000);
    await expect.poll(() => client.status.get().connection).not.toBe('connected');
  });

  it('S78 close() lets the process exit within 100 ms, with a server that answers and one that does not (P35)', async () => {
    await endsSoon(world.url, world.token);
    const dumb = await halfOpenServer();
    try {
      await endsSoon(dumb.url, 'any');
    } finally {
      dumb.close();
    }
  }, 120_000);

  it('S79 MessagePack works over the platform’s WebSocket: put, get, watch, snapshot', async () => {
    const valve = new Valve();
    const writer = await world.store({ codec: messagePack() });
    await writer.put('posts', { a: 1.5, b: ['x', null, true], c: { d: -1 } }).committed;
    const store = await world.store({ codec: messagePack(), link: valve });
    expect(store.get('posts')).toEqual({ a: 1.5, b: ['x', null, true], c: { d: -1 } });
    const events: WatchEvent[] = [];
    store.on('posts/*', (event) => events.push(event));
    await writer.put('posts/a', 2).committed;
    await expect.poll(() => events).toMatchObject([{ path: 'posts/a', value: 2, previous: 1.5 }]);
    expect(valve.received.every((data) => typeof data !== 'string')).toBe(true);
  });

  it('S65 a write whose reply is lost with the socket is told with its original seq (P30)', async () => {
    const valve = new Valve();
    const [store, other] = await Promise.all([
      world.store({ link: valve, env: { random: () => 0.01 } }),
      world.store(),
    ]);
    valve.holdIn();
    const write = store.increment('n');
    await expect.poll(() => other.get('n')).toBe(1);
    valve.cut();
    await other.put('later', true).committed;
    expect(await write.committed).toMatchObject({ seq: 1 });
    expect(store.get('n')).toBe(1);
    expect(valve.opened).toBe(2);
  });

  it('S63 a write that is sent twice counts once', async () => {
    const valve = new Valve();
    const store = await world.store({ link: valve });
    valve.copies = 2;
    for (let n = 0; n < 20; n++) store.increment('n');
    await store.settled();
    const other = await world.store();
    expect(other.get('n')).toBe(20);
    expect(store.status.get().seq).toBe(20);
  });

  it('S69 the server says what became of a write, also one of another session of the device (P22)', async () => {
    const deviceId = 'one-device';
    const store = await world.store({ deviceId });
    const { opId, committed } = store.put('k', 1);
    const { seq } = await committed;
    const later = await world.store({ deviceId });
    expect(await later.opStatus(opId)).toEqual({ state: 'committed', seq });
    expect(await later.opStatus('foreign')).toEqual({ state: 'unknown' });
  });

  it('G54 a client that is closed does not disturb another one on the same store', async () => {
    const closing = world.client();
    const store = await world.store();
    await closing.store('acme/app').ready;
    await closing.close();
    expect(await store.put('k', 1).committed).toMatchObject({ seq: 1 });
  });

  it('one socket serves all stores, and says so when it is closed', async () => {
    await world.createStore('acme/other');
    const valve = new Valve();
    const client = world.client({ link: valve });
    const [app, other] = [client.store('acme/app'), client.store('acme/other')];
    await Promise.all([app.ready, other.ready]);
    await Promise.all([app.put('k', 1).committed, other.put('k', 2).committed]);
    expect(valve.opened).toBe(1);
    const states: string[] = [];
    client.status.subscribe(() => states.push(client.status.get().connection));
    await client.close();
    expect(client.status.get()).toMatchObject({ connection: 'closed', attempts: 0 });
    expect(states).toEqual(['closed']);
  });

  it('a token source that fails is reported and asked again, and is not taken for a refusal', async () => {
    let fails = 2;
    const client = world.client({
      token: async () => {
        fails -= 1;
        if (fails >= 0) throw new Error('no network');
        return world.token;
      },
      env: { random: () => 0.01 },
    });
    await client.store('acme/app').ready;
    expect(world.errors).toHaveLength(2);
  });

  it('C18 a refused token is final where its source fails when it is asked for another one', async () => {
    let asked = 0;
    const client = world.client({
      token: () => {
        asked += 1;
        if (asked > 1) throw new Error('signed out');
        return 'nobody';
      },
    });
    await expect(client.connect()).rejects.toMatchObject({ code: 'unauthorized' });
    expect([asked, client.status.get().connection]).toEqual([2, 'failed']);
    expect(world.errors).toMatchObject([{ message: 'signed out' }, { code: 'unauthorized' }]);
  });

  it('a write-only handle downloads nothing of a large store', async () => {
    const writer = await world.store();
    for (let n = 0; n < 20; n++) {
      const leaves = Object.fromEntries(Array.from({ length: 500 }, (_, m) => [`leaf${m}`, n * m]));
      writer.put(`big/${n}`, leaves);
    }
    await writer.settled();
    const valve = new Valve();
    const store = world.client({ link: valve }).store('acme/app', { scope: [] });
    expect(await store.put('k', 1).committed).toMatchObject({ seq: 21 });
    expect(valve.bytesReceived).toBeLessThan(10_000);
    expect(() => store.get('k')).toThrow(expect.objectContaining({ code: 'out_of_scope' }));
    expect(() => store.on('**', () => undefined)).toThrow(
      expect.objectContaining({ code: 'out_of_scope' }),
    );
  });
});

const everything: Principal = {
  subject: 'ada',
  orgs: ['acme'],
  scopes: new Set(['entries:read', 'files:read', 'files:write']),
  storeAccess: { mode: 'all' },
  expiresAt: null,
  tokenId: null,
};

describe('a client without a token', () => {
  it('asks with the cookies of its page, for files too', async () => {
    const heard: (string | null)[] = [];
    await using known = await openWorld(({ token }) => {
      heard.push(token);
      return Promise.resolve(everything);
    });
    const store = await known.store({ token: null });
    expect(await store.putFile('a', new Uint8Array([1]))).toMatchObject({ size: 1 });
    expect(new Set(heard)).toEqual(new Set([null]));
  });

  it('is told where they are not accepted', async () => {
    await using strange = await openWorld(() => Promise.resolve(null));
    const client = strange.client({ token: null });
    await expect(client.store('acme/app').ready).rejects.toThrow(/unauthorized/);
    expect(client.status.get().error?.code).toBe('unauthorized');
  });
});

/** Makes a client with these options, when it is called. */
const make =
  (options: object): (() => unknown) =>
  () =>
    createClient({ url: 'ws://127.0.0.1:1', token: 't', ...options });

describe('the options of a client', () => {
  it('are checked, and an unknown one is an error that lists the known', () => {
    expect(make({ heartbeat: 1 })).toThrow(/no option "heartbeat". It has: url, token/);
    expect(make({ url: 'ftp://x' })).toThrow(TypeError);
    expect(make({ url: 'ws://x/?token=1' })).toThrow(TypeError);
    expect(make({ url: undefined })).toThrow(/needs a "url"/);
    expect(make({ token: undefined })).toThrow(/needs a "token"/);
    expect(make({ token: 7 })).toThrow(/"token" must be of type string or function or null\./);
    expect(make({ env: 7 })).toThrow(/"env" must be of type object\./);
    expect(make({ deviceId: 'http:x' })).toThrow(/deviceId/);
    expect(make({ deviceId: 'x'.repeat(65) })).toThrow(/deviceId/);
    expect(make({ link: new Valve(), webSocket: WebSocket })).toThrow(/no use beside "link"/);
  });

  it('a store’s name and scope are checked too', () => {
    const client = world.client();
    expect(() => client.store('Acme/App')).toThrow(/not a store name/);
    expect(() => client.store('acme/app', { scope: 'posts/**' as never })).toThrow(/"scope"/);
    expect(() => client.store('acme/app', { scop: [] } as never)).toThrow(/no option "scop"/);
  });
});
