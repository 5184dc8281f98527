import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  bin,
  cli,
  linesOf,
  type Ran,
  type Running,
  start,
  temporaryDirectory,
  until,
} from './harness.ts';

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
const running: Running[] = [];

beforeEach(async () => {
  directory = await temporaryDirectory();
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop('SIGKILL')));
  await directory.remove();
});

async function launch(command: 'dev' | 'serve', ...args: string[]): Promise<Running> {
  const server = await start(command, ['--data', directory.path, ...args]);
  running.push(server);
  return server;
}

const at = (server: Running, ...args: string[]): Promise<Ran> =>
  cli(args, { env: { HOLDFAST_URL: server.url } });

const slow = { timeout: 120_000 };

test('serve asks for a first token until there is one, be there stores or not', slow, async () => {
  const first = await launch('serve');
  await first.stop('SIGTERM');
  expect(first.stderr()).toContain('There is no token here yet');
  const data = ['--data', directory.path];
  const made = await cli(['tokens', 'create', ...data, '--org', 'acme', '--scopes', 'all']);
  expect(made.code).toBe(0);
  expect((await cli(['tokens', ...data])).rows).toMatchObject([{ id: made.rows[0]?.['id'] }]);
  const second = await launch('serve');
  await second.stop('SIGTERM');
  expect(second.stderr()).not.toContain('no token');
});

test(
  'serve lets in the token that it is configured with, and the first one is made with it',
  slow,
  async () => {
    const token = 'a-token-for-the-operator-of-all-this';
    const env = { HOLDFAST_ADMIN_TOKEN: token, HOLDFAST_ADMIN_ORGS: 'acme,other' };
    const server = await start('serve', ['--data', directory.path], env);
    running.push(server);
    const as = (who: string, ...args: string[]): Promise<Ran> =>
      cli(args, { env: { HOLDFAST_URL: server.url, HOLDFAST_TOKEN: who } });
    expect((await as(token, 'stores', 'create', 'acme/app')).code).toBe(0);
    const made = await as(token, 'tokens', 'create', '--store', 'acme/app', '--scopes', 'all');
    const { token: issued } = made.rows[0] as { token: string };
    expect((await as(issued, 'put', 'acme/app', 'a', '1')).code).toBe(0);
    expect((await as(token, 'tokens')).rows).toHaveLength(1);
    expect((await as(`${token}x`, 'stores')).code).toBe(6);
    await server.stop('SIGTERM');
    expect(server.stderr()).not.toContain('no token');
    expect(server.stderr()).not.toContain(token);
  },
);

test.each(['taken', 'data/files'])(
  'serve tells at its start that %s, where files are to be kept, takes none',
  slow,
  async (name) => {
    const [data, taken] = [join(directory.path, 'data'), join(directory.path, name)];
    mkdirSync(data);
    writeFileSync(taken, 'a file where a directory should be');
    const server = await start('serve', ['--data', data], {
      HOLDFAST_FILES_DIRECTORY: name === 'taken' ? taken : '',
    });
    running.push(server);
    await until(() => server.stderr().includes('files cannot be kept'));
    await server.stop('SIGTERM');
    const messages = linesOf(server.stderr()).map(({ message }) => message);
    expect(messages).toEqual(expect.arrayContaining(['listening', 'stopping', 'stopped']));
  },
);

test('dev prints one JSON line and opens demo/main to the token dev', slow, async () => {
  const server = await launch('dev');
  expect(server.ready).toEqual({
    url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    ws: expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+\/ws\/sync\/websocket$/),
    token: 'dev',
    store: 'demo/main',
  });
  const who = await fetch(`${server.url}/api/whoami`, { headers: { authorization: 'Bearer dev' } });
  expect(await who.json()).toMatchObject({
    subject: 'dev',
    org: 'demo',
    store_access: { mode: 'all' },
  });
  expect((await fetch(`${server.url}/api/whoami`)).status).toBe(401);
  expect((await at(server, 'stores')).rows).toMatchObject([
    { name: 'demo/main', status: 'active' },
  ]);
});

test.runIf(process.platform === 'linux')(
  'dev listens on 127.0.0.1 and on nothing else',
  slow,
  async () => {
    const server = await launch('dev');
    const socket = connect({ host: '127.0.0.2', port: Number(new URL(server.url).port) });
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  },
);

test(
  'dev answers to names of this computer, and to no other that may lead here',
  slow,
  async () => {
    const server = await launch('dev');
    const { port } = new URL(server.url);
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket' };
    const statusFor = async (
      name: string,
      path: string,
      more = {},
    ): Promise<number | undefined> => {
      const host = `${name}:${port}`;
      const own = { host, origin: `http://${host}`, authorization: 'Bearer dev', ...more };
      const [answer] = (await once(get(`${server.url}${path}`, { headers: own }), 'response')) as [
        IncomingMessage,
      ];
      answer.resume();
      return answer.statusCode;
    };
    for (const name of ['localhost', 'app.localhost', '127.0.0.1', '[::1]', '192.168.1.9']) {
      expect([name, await statusFor(name, '/api/stores')]).toEqual([name, 200]);
    }
    for (const name of ['evil.example', 'localhost.evil.example', '127.0.0.1.nip.io']) {
      expect([name, await statusFor(name, '/api/stores')]).toEqual([name, 401]);
      const socket = '/ws/sync/websocket?vsn=2.0.0&capver=4&device_id=d&token=dev';
      expect([name, await statusFor(name, socket, upgrade)]).toEqual([name, 403]);
    }
    expect(server.stderr()).toContain('evil.example');
  },
);

test('Ctrl-C stops dev, leaves no process, and a restart has the data', slow, async () => {
  const server = await launch('dev');
  const { pid } = server.child;
  expect(await at(server, 'put', 'demo/main', 'kept', '"yes"')).toMatchObject({ code: 0 });
  expect(await server.stop('SIGINT')).toBe(0);
  expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH');
  const again = await launch('dev');
  expect((await at(again, 'get', 'demo/main', 'kept')).rows).toMatchObject([
    { value: 'yes', revision: 1 },
  ]);
  expect(await again.stop('SIGTERM')).toBe(0);
});

test('what was acknowledged survives SIGKILL', slow, async () => {
  const server = await launch('dev');
  await at(server, 'put', 'demo/main', 'kept', '1');
  await at(server, 'put-file', 'demo/main', 'file', fileURLToPath(import.meta.url));
  await server.stop('SIGKILL');
  const again = await launch('dev');
  expect((await at(again, 'get', 'demo/main', 'kept')).rows).toMatchObject([{ value: 1 }]);
  expect((await at(again, 'get-file', 'demo/main', 'file', '-')).code).toBe(0);
});

test('a port that is taken is told with what to do', slow, async () => {
  const server = await launch('dev');
  const { port } = new URL(server.url);
  const second = await cli([
    'dev',
    '--port',
    port,
    '--data',
    join(directory.path, 'other'),
    '--json',
  ]);
  expect(second).toMatchObject({ code: 2, stdout: '' });
  expect(second.error['message']).toContain(port);
  expect(second.error['hint']).toContain('--port');
});

test('a data directory in use is told with what to do', slow, async () => {
  await launch('dev');
  const second = await cli(['dev', '--port', '0', '--data', directory.path, '--json']);
  expect(second).toMatchObject({ code: 2, error: { code: 'locked' } });
  expect(second.error['message']).toContain('in use');
});

test.runIf(process.platform !== 'win32')(
  'under npm, whose shell passes no signals on, dev ends with its parent',
  slow,
  async () => {
    const dev = [process.execPath, bin, 'dev', '--port', '0', '--data', directory.path, '--json'];
    const shell = spawn('sh', ['-c', '"$@"; true', 'sh', ...dev], {
      env: { PATH: process.env['PATH'], npm_lifecycle_event: 'start' },
    });
    const closed = once(shell, 'close');
    const [line] = (await once(createInterface({ input: shell.stdout }), 'line')) as [string];
    const { url } = JSON.parse(line) as { url: string };
    shell.kill('SIGTERM');
    // The pipes close when the last process that holds them is gone.
    await closed;
    await expect(fetch(url)).rejects.toThrow('fetch failed');
  },
);

test('a second Ctrl-C ends the process at once', slow, async () => {
  const module = fileURLToPath(new URL('../src/interrupt.ts', import.meta.url));
  const script = `
    const { aborted, interruption } = await import(${JSON.stringify(module)});
    const { signal } = interruption();
    setInterval(() => {}, 1000);
    console.log('up');
    await aborted(signal);
    console.log('stopping');`;
  const child = spawn(process.execPath, [
    '--conditions=@holdfast/source',
    '--input-type=module',
    '-e',
    script,
  ]);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const closed = once(child, 'close');
  expect(await lines.next()).toMatchObject({ value: 'up' });
  child.kill('SIGINT');
  expect(await lines.next()).toMatchObject({ value: 'stopping' });
  child.kill('SIGINT');
  expect(await closed).toEqual([130, null]);
});

const progress = (of: Running): unknown[] =>
  linesOf(of.stderr()).filter((row) => 'progress' in row);

const imported = (server: Running): Promise<Ran> =>
  at(server, 'get', 'demo/main', 'about/sample/state', '--raw');

test(
  '--sample imports thousands of leaves with progress, once, and goes on after an interruption',
  slow,
  async () => {
    const server = await launch('dev', '--sample');
    await until(() => progress(server).length > 3);
    await server.stop('SIGKILL');
    const again = await launch('dev', '--sample');
    await until(async () => (await imported(again)).stdout === 'imported\n');
    const [{ entry_count: leaves, current_seq: seq } = {}] = (
      await at(again, 'status', 'demo/main')
    ).rows;
    expect(leaves).toBeGreaterThan(4000);
    expect((await at(again, 'get', 'demo/main', 'countries/PT/name')).rows).toMatchObject([
      { value: 'Portugal' },
    ]);
    await at(again, 'delete', 'demo/main', 'countries/PT');
    await again.stop();
    const third = await launch('dev', '--sample');
    expect((await at(third, 'get', 'demo/main', 'countries/PT')).code).toBe(9);
    expect(progress(third)).toEqual([]);
    expect((await at(third, 'status', 'demo/main')).rows).toMatchObject([
      { current_seq: Number(seq) + 1 },
    ]);
  },
);

test('serve knows no token dev; its first token is made while it is stopped', slow, async () => {
  const server = await launch('serve');
  expect(server.ready).toMatchObject({ url: server.url, data: directory.path });
  await until(() => server.stderr().includes('holdfast tokens create'));
  expect((await at(server, 'stores')).code).toBe(6);
  const busy = await cli([
    'tokens',
    'create',
    '--data',
    directory.path,
    '--org',
    'acme',
    '--scopes',
    'all',
  ]);
  expect(busy).toMatchObject({ code: 2, error: { code: 'locked' } });
  expect(await server.stop('SIGTERM')).toBe(0);

  const first = await cli([
    'tokens',
    'create',
    '--data',
    directory.path,
    '--org',
    'acme',
    '--scopes',
    'all',
  ]);
  const token = String(first.rows[0]?.['token']);
  expect(token).toMatch(/^hf_tok_/);
  const again = await launch('serve');
  const env = { HOLDFAST_URL: again.url, HOLDFAST_TOKEN: token };
  expect(await cli(['stores', 'create', 'acme/app'], { env })).toMatchObject({ code: 0 });
  expect(await cli(['put', 'acme/app', 'a', '1'], { env })).toMatchObject({ code: 0 });
  await again.stop();
  expect((await cli(['tokens', '--data', directory.path])).rows).toMatchObject([
    { stores: 'acme/*', id: first.rows[0]?.['id'] },
  ]);
  const revoked = await cli([
    'tokens',
    'revoke',
    String(first.rows[0]?.['id']),
    '--data',
    directory.path,
  ]);
  expect(revoked.code).toBe(0);
  expect((await cli(['tokens', '--data', directory.path])).rows).toEqual([]);
});
