import { EventEmitter, once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer as createListener, type Socket } from 'node:net';
import { createClient } from '@holdfast/client';
import { createServer, type Server, type ServerOptions } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test, vi } from 'vitest';
import { collect } from '../../../tools/garbage.ts';
import { loopback } from '../src/socket/loopback.ts';
import { VirtualClock } from './conversation/clock.ts';

test('a server leaves the globals of its process as they are', async () => {
  const { Request: request, Response: response } = globalThis;
  const server = createServer({ storage: memory() });
  const { url } = await server.listen();
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect(globalThis.Request).toBe(request);
  expect(globalThis.Response).toBe(response);
  await server.close();
});

test.each<[string, object, string]>([
  ['an option that does not exist', { storge: memory() }, 'no option "storge"'],
  ['neither data nor storage', {}, 'needs `data`'],
  [
    'an origin that no browser writes',
    { storage: memory(), origins: ['https://App.example:443/'] },
    '"https://app.example"',
  ],
  [
    'an origin without a scheme',
    { storage: memory(), origins: ['app.example'] },
    'such as "https://app.example.org"',
  ],
  ['a secret that everybody knows', { storage: memory(), secret: '' }, 'needs a "secret" that'],
  ['such a secret among others', { storage: memory(), secret: ['new', ''] }, 'needs a "secret"'],
  ['no secret in a list', { storage: memory(), secret: [undefined] }, 'needs a "secret" that'],
  ['a secret that is none', { storage: memory(), secret: null }, 'needs a "secret" that'],
  [
    'origins by wildcard',
    { storage: memory(), origins: ['https://*.example'] },
    'not as browsers write it',
  ],
  [
    'an origin by the other name that no browser writes',
    { storage: memory(), allowedOrigins: ['app.example'] },
    'not as browsers write it',
  ],
  ['origins by both names', { storage: memory(), origins: [], allowedOrigins: [] }, 'are the same'],
  ['an unknown limit', { storage: memory(), limits: { write_quue: 1 } }, 'no limit "write_quue"'],
])('with %s no server is made: a TypeError says why', (_what, options, message) => {
  expect(() => createServer(options)).toThrow(TypeError);
  expect(() => createServer(options)).toThrow(message);
});

test.each<[string, object, string]>([
  ['no stores', { storeAccess: undefined }, 'storeAccess must be'],
  ['stores of no list', { storeAccess: { mode: 'selected' } }, 'storeAccess must be'],
  [
    'a store by its name',
    { storeAccess: { mode: 'selected', storeIds: ['acme/app'] } },
    'storeIds must be ids',
  ],
  ['a scope that there is not', { scopes: ['entries:reed'] }, 'scopes must be'],
  ['an end that is no instant', { expiresAt: '2026-01-01' }, 'expiresAt must be'],
  ['no list of rules', { pathRules: 'all' }, 'path rules must be a list'],
  ['a rule of another shape', { pathRules: [{ pattern: 'a/**' }] }, 'a path rule must be'],
  ['a rate that there is not', { limits: { write_per_minute: 3 } }, 'no rate "write_per_minute"'],
  ['a rate of none', { limits: { write_burst: 0 } }, 'must be a positive integer'],
])('a token with %s is not issued, for it would open nothing', async (_what, more, message) => {
  const server = createServer({ storage: memory() });
  onTestFinished(() => server.close());
  const request = {
    name: 'worker',
    org: 'acme',
    scopes: ['entries:read'] as const,
    storeAccess: { mode: 'all' } as const,
    expiresAt: null,
    createdBy: null,
  };
  await expect(server.tokens.issue({ ...request, ...more })).rejects.toThrow(message);
  await expect(server.tokens.issue(request)).resolves.toMatchObject({ id: expect.any(String) });
});

test.each([Number.MAX_SAFE_INTEGER, 1e18, -1e18, Infinity, 1.5])(
  'nothing is made that ends at %d: nobody could list it, nor what stands beside it',
  async (expiresAt) => {
    const server = createServer({ storage: memory() });
    onTestFinished(() => server.close());
    const never = 'expiresAt must be';
    await expect(server.stores.create('acme/app', { expiresAt })).rejects.toThrow(never);
    const storeAccess = { mode: 'all' } as const;
    const request = { name: 'a', org: 'acme', scopes: [], storeAccess, createdBy: null };
    await expect(server.tokens.issue({ ...request, expiresAt })).rejects.toThrow(never);
    expect(await server.stores.find('acme/app')).toBeNull();
  },
);

test('origins of pages and of applications are taken as browsers write them', async () => {
  const origins = [
    '*',
    'null',
    'http://localhost:5173',
    'https://a.example',
    'capacitor://localhost',
  ];
  await createServer({ storage: memory(), origins }).close();
});

test.each([0, -1, 1.5, Number.NaN, Infinity, '7'])(
  'a limit of %s is a RangeError: it must be a positive integer',
  (limit) => {
    // @ts-expect-error -- some are no numbers at all
    const make = () => createServer({ storage: memory(), limits: { write_queue: limit } });
    expect(make).toThrow(RangeError);
    expect(make).toThrow('write_queue');
  },
);

test('a server that listens already rejects to listen again, and goes on', async () => {
  const server = createServer({ storage: memory() });
  const { url } = await server.listen();
  await expect(server.listen()).rejects.toThrow(/listen/i);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  await server.close();
});

test('a server that is closed listens no more, and whoever waited for that hears of it', async () => {
  const server = createServer({ storage: memory() });
  // A name is looked up first, which may end before the server does, or not.
  const listening = server.listen({ host: 'localhost' });
  const outcome = listening.then(
    () => 'listened',
    ({ code }) => code,
  );
  await server.close();
  expect(['listened', 'closed']).toContain(await outcome);
  await expect(server.listen()).rejects.toMatchObject({ code: 'closed' });
  const [visitor, late] = loopback();
  server.serve(late);
  expect(late.destroyed).toBe(true);
  visitor.destroy();
});

test('an HTTP server of the application hands on what is not its own: the API, and sockets that are let in or told why not', async () => {
  const server = createServer({
    storage: memory(),
    authenticate: ({ token }) => (token === 'ann' ? { subject: 'ann' } : null),
  });
  const http = createHttpServer((request, response) => {
    if (request.url === '/') response.end('a page of mine');
    else server.request(request, response);
  }).on('upgrade', server.upgrade);
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const address = http.address();
  if (address === null || typeof address === 'string') throw new Error('it does not listen');
  const url = `http://127.0.0.1:${address.port}`;
  expect(await (await fetch(url)).text()).toBe('a page of mine');
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  const ann = createClient({ url, token: 'ann' });
  await ann.connect();
  await ann.close();
  const eve = createClient({ url, token: 'eve', onError: () => undefined });
  await expect(eve.connect()).rejects.toMatchObject({ code: 'unauthorized' });
  await eve.close();
  await server.close();
  http.close();
});

/** A server whose connections an application accepts. */
async function served(
  options: Partial<ServerOptions> = {},
): Promise<{ server: Server; taken: Socket[]; visit(): Socket }> {
  const server = createServer({ storage: memory(), ...options });
  const taken: Socket[] = [];
  const listener = createListener((socket) => {
    taken.push(socket);
    server.serve(socket);
  });
  onTestFinished(() => void listener.close());
  await once(listener.listen(0, '127.0.0.1'), 'listening');
  const { port } = listener.address() as AddressInfo;
  const visit = (): Socket => {
    const visitor = connect(port, '127.0.0.1').setEncoding('utf8');
    onTestFinished(() => void visitor.destroy());
    return visitor;
  };
  return { server, taken, visit };
}

test('connections that came by a listener of the application end with the server', async () => {
  const { server, taken, visit } = await served();
  const visitor = visit();
  visitor.write('GET /healthz HTTP/1.1\r\nHost: a.example\r\n\r\n');
  await once(visitor, 'data');
  await server.close();
  expect(taken.map(({ destroyed }) => destroyed)).toEqual([true]);
});

test('what was asked by a listener of the application before the server ends, is answered', async () => {
  const door = new EventEmitter();
  const { server, taken, visit } = await served({
    authenticate: async () => {
      door.emit('asked');
      await once(door, 'answer');
      return null;
    },
  });
  const idle = visit().resume();
  await once(idle, 'connect');
  const visitor = visit();
  visitor.write('GET /api/whoami HTTP/1.1\r\nHost: a.example\r\nAuthorization: Bearer x\r\n\r\n');
  await once(door, 'asked');
  const heard = once(visitor, 'data');
  const closing = server.close();
  // The server is about to end: who has asked for nothing is sent away.
  await once(idle, 'close');
  door.emit('answer');
  expect((await heard)[0]).toMatch(/^HTTP\/1.1 401 /);
  await closing;
  expect(taken.map(({ destroyed }) => destroyed)).toEqual([true, true]);
});

test('a request that is not answered within a second after the server was to end is cut off', async () => {
  const clock = new VirtualClock();
  const door = new EventEmitter();
  const { server, taken, visit } = await served({
    clock,
    authenticate: () => {
      door.emit('asked');
      return new Promise(() => undefined);
    },
  });
  const idle = visit().resume();
  await once(idle, 'connect');
  const visitor = visit();
  visitor.write('GET /api/whoami HTTP/1.1\r\nHost: a.example\r\nAuthorization: Bearer x\r\n\r\n');
  await once(door, 'asked');
  const closing = server.close();
  await once(idle, 'close');
  await clock.pass(999);
  expect(taken.map(({ destroyed }) => destroyed)).toEqual([true, false]);
  await clock.pass(1);
  await closing;
  expect(taken.map(({ destroyed }) => destroyed)).toEqual([true, true]);
});

test('a connection that had closed when it was given to a server does not keep that from closing', async () => {
  const server = createServer({ storage: memory() });
  const [, gone] = loopback();
  await once(gone.destroy(), 'close');
  server.serve(gone);
  await server.close();
  expect(gone.destroyed).toBe(true);
});

test('of connections that had closed when they were given to a server nothing is left', async () => {
  const server = createServer({ storage: memory() });
  onTestFinished(() => server.close());
  const left = await servedTooLate(server);
  const isLeft = (): boolean => {
    collect();
    return left.deref() !== undefined;
  };
  await expect.poll(isLeft).toBe(false);
});

async function servedTooLate(server: Server): Promise<WeakRef<object>> {
  const [, gone] = loopback();
  await once(gone.destroy(), 'close');
  server.serve(gone);
  return new WeakRef(gone);
}

test('an answer that is complete and that nobody reads is not held for ever, nor is one cut off that is read', async () => {
  const server = createServer({ storage: memory() });
  onTestFinished(() => server.close());
  // Without the network's own memory between its ends.
  const [mute, reading] = [loopback(), loopback()];
  for (const [near, far] of [mute, reading]) {
    server.serve(far);
    near.write('GET /openapi.json HTTP/1.1\r\nHost: a.example\r\n\r\n');
  }
  await expect.poll(() => mute[1].timeout).toBe(120_000);
  reading[0].resume();
  await expect.poll(() => reading[1].timeout).toBeLessThan(10_000);
  for (const [, far] of [mute, reading]) expect(far.destroyed).toBe(false);
  mute[1].emit('timeout');
  expect(mute[1].destroyed).toBe(true);
});

test('a server without a log tells standard error what fails, with no token in it, and nothing else', async () => {
  const said: string[] = [];
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said.push(String(text));
    return true;
  });
  onTestFinished(() => spy.mockRestore());
  const server = createServer({
    storage: memory(),
    authenticate: () => Promise.reject(new Error('no directory for Bearer hf_tok_7f3a')),
  });
  const { url } = await server.listen();
  await fetch(`${url}/healthz`);
  expect(said).toEqual([]);
  await fetch(`${url}/api/whoami`, { headers: { Authorization: 'Bearer hf_tok_7f3a' } });
  await server.close();
  expect(said.join('')).toMatch(/^holdfast: .+\nError: no directory for .+\n +at /);
  expect(said.join('')).not.toContain('7f3a');
});
