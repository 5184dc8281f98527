import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer as createHttp, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createServer as createHoldfast } from '@holdfast/server';
import { StorageError } from '@holdfast/server/storage';
import { memory } from '@holdfast/server/storage/memory';
import { bin, cli, devServer, linesOf, onTerminal, type Ran } from './harness.ts';

const site = devServer();
const slow = { timeout: 120_000 };

/** A token that can do nothing in stores. */
async function powerless(): Promise<string> {
  const made = await cli(['tokens', 'create', '--scopes', 'tokens:read'], {
    env: { HOLDFAST_URL: site.server.url, HOLDFAST_TOKEN: 'dev' },
  });
  return String(made.rows[0]?.['token'] ?? made.rows[0]?.['raw_token']);
}

test(
  'a live command that is refused says so on one line of JSON, and nothing else',
  slow,
  async () => {
    const token = await powerless();
    expect(token).toMatch(/^hf_tok_/);
    const file = join(site.directory, 'file');
    await writeFile(file, 'x');
    const commands = [
      ['watch', 'demo/main'],
      ['tail', 'demo/main'],
      ['once', 'demo/main', 'x', '--', 'echo', '1'],
      ['lease', 'demo/main', 'l'],
      ['renew', 'demo/main', 'l', '1'],
      ['release', 'demo/main', 'l', '1'],
      ['put', 'demo/main', 'x', '1'],
      ['transact', 'demo/main', '[{"op":"set","path":"x","value":1}]'],
      ['put-file', 'demo/main', 'x', file],
      ['get-file', 'demo/main', 'x', '-'],
      ['bench', 'demo/main', '--for', '1s'],
      ['view', 'Nothing'],
    ];
    const env = { HOLDFAST_URL: site.server.url, HOLDFAST_TOKEN: token };
    const told = async (args: readonly string[]): Promise<Ran> => cli(args, { env });
    const all = await Promise.all(commands.map(told));
    for (const [index, ran] of all.entries()) {
      const [name] = commands[index] ?? [];
      const lines = ran.stderr.trim().split('\n');
      const faults = lines.filter((line) => !line.startsWith('{'));
      expect([name, ran.code === 0, faults]).toEqual([name, false, []]);
      const errors = lines.filter((line) => line.includes('"error"'));
      expect([name, errors.length, ran.error['code']]).toEqual([name, 1, expect.any(String)]);
    }
  },
);

test('a measuring whose writes are refused says so and ends', slow, async () => {
  const env = { HOLDFAST_URL: site.server.url, HOLDFAST_TOKEN: 'dev' };
  const made = await cli(['tokens', 'create', '--scopes', 'read'], { env });
  const token = String(made.rows[0]?.['token']);
  const bench = ['bench', 'demo/main', '--for', '1s', '--token', token];
  expect(await cli(bench, { env })).toMatchObject({ code: 6, error: { code: 'missing_scope' } });
});

test('a live command that finds nobody says so, instead of waiting for ever', slow, async () => {
  const free = createServer();
  await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  const live = [['watch'], ['tail'], ['tail', '--last', '0'], ['tail', '--since', '3']];
  const url = `http://127.0.0.1:${port}`;
  const all = await Promise.all(
    live.map(([name = '', ...more]) => cli([name, 'demo/main', '--url', url, ...more])),
  );
  for (const ran of all) expect(ran).toMatchObject({ code: 7, error: { code: 'unavailable' } });
});

test('so does one whose token is revoked while it runs', slow, async () => {
  const env = { HOLDFAST_URL: site.server.url, HOLDFAST_TOKEN: 'dev' };
  const made = await cli(['tokens', 'create', '--scopes', 'entries:read,audit:read'], {
    env,
  });
  const { id } = made.rows[0] ?? {};
  const token = String(made.rows[0]?.['token'] ?? made.rows[0]?.['raw_token']);
  const running = [
    ['watch', 'demo/main'],
    ['tail', 'demo/main'],
  ].map((args) => cli(args, { env: { ...env, HOLDFAST_TOKEN: token } }));
  // Whether they are connected by then or not, they hear of it.
  await cli(['get', 'demo/main', 'x'], { env });
  expect((await cli(['tokens', 'revoke', String(id)], { env })).code).toBe(0);
  for (const ran of await Promise.all(running)) {
    const lines = ran.stderr.trim().split('\n');
    expect([ran.code === 0, lines.filter((line) => !line.startsWith('{'))]).toEqual([false, []]);
    expect(lines.filter((line) => line.includes('"error"'))).toHaveLength(1);
  }
});

test('what the server goes on refusing for now is told as that, and not as a write that may be committed, or as no server', async () => {
  const storage = memory();
  const server = createHoldfast({
    storage,
    authenticate: async () => ({
      subject: 'ada',
      orgs: ['demo'],
      scopes: ['entries:read', 'entries:write', 'stores:create'],
    }),
  });
  await server.stores.create('demo/main');
  onTestFinished(() => server.close({ retryAfterMs: 0 }));
  const { url } = await server.listen({ port: 0 });
  storage.append = async () => ({ status: 'failed', message: 'no space', reason: 'full' });
  const args = ['put', 'demo/main', 'a', '1', '--timeout', '8s', '--json', '--url', url];
  const { code, stderr } = await onTerminal([...args, '--token', 'x']);
  expect(code).toBe(7);
  const { error } = JSON.parse(stderr);
  expect(error).toMatchObject({ code: 'unavailable' });
  expect(error.message).toMatch(/Nothing is committed/);
  storage.stores.create = () => Promise.reject(new StorageError('full', 'no space'));
  const creating = ['stores', 'create', 'demo/new', '--json', '--url', url, '--token', 'x'];
  const refused = await onTerminal(creating);
  expect(refused.code).toBe(7);
  const hint = 'The server cannot do it now; its log says why.';
  expect(JSON.parse(refused.stderr).error).toMatchObject({ code: 'unavailable', hint });
});

test('a log is followed anew where its server falls silent, and not where that never answers', async () => {
  const asked: ServerResponse[] = [];
  let answers = false;
  const server = createHttp((_request, response) => {
    asked.push(response);
    if (answers) response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const args = ['tail', 'demo/main', '--since', '0', '--url', url, '--token', 'x', '--json'];
  const mute = await onTerminal([...args, '--timeout', '100ms']);
  expect(mute.code).toBe(7);
  expect(JSON.parse(mute.stderr.trim().split('\n').at(-1) ?? '')).toMatchObject({
    error: {
      message: expect.stringContaining('took too long'),
      hint: expect.stringContaining('--timeout'),
    },
  });
  answers = true;
  asked.length = 0;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const told = onTerminal([...args, '--timeout', '60s']);
  let seconds = 0;
  for (; asked.length < 2; seconds += 1) {
    // oxlint-disable-next-line no-await-in-loop -- second by second, with turns for the network
    await vi.advanceTimersByTimeAsync(asked.length === 0 ? 0 : 1000);
    // oxlint-disable-next-line no-await-in-loop -- the same
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
  expect(seconds).toBeGreaterThan(40);
  asked[1]?.end('event: error\ndata: {"reason":"unauthorized"}\n\n');
  expect((await told).code).toBe(6);
});

/** An op of a transaction, as a stream tells it. */
function opEvent(seq: number): string {
  const op = { store_seq: seq, op: 'set', path: `p${seq}`, value: seq, device_id: 'd', tx: 3 };
  return `event: op\ndata: ${JSON.stringify(op)}\n\n`;
}

test('a log that was lost amid a transaction is followed from before it, and tells nothing twice', async () => {
  const asked: URLSearchParams[] = [];
  const server = createHttp((request, response) => {
    asked.push(new URL(request.url ?? '', 'http://localhost').searchParams);
    const ready = 'id: 1\nevent: ready\ndata: {"through_seq":1,"incarnation":"first"}\n\n';
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(ready + opEvent(2) + (asked.length === 1 ? '' : `id: 3\n${opEvent(3)}`));
  });
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const of = ['tail', 'demo/main', '--url', url, '--token', 'x', '--timeout', '60s', '--json'];
  const { code, stdout } = await onTerminal([...of, '--since', '1', '--count', '2']);
  expect([code, linesOf(stdout).map(({ seq }) => seq)]).toEqual([0, [2, 3]]);
  expect(asked.map((query) => [query.get('since'), query.get('incarnation')])).toEqual([
    ['1', null],
    ['1', 'first'],
  ]);
});

test('a log that begins anew, as after a restore, is told from its beginning', async () => {
  let asked = 0;
  const ready = 'event: ready\ndata: {"through_seq":0,"incarnation":"second"}\n\n';
  const reset = 'event: reset\ndata: {"why":"incarnation","seq":0}\n\n';
  const over = 'event: error\ndata: {"reason":"unauthorized"}\n\n';
  const server = createHttp((_request, response) => {
    asked += 1;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    if (asked === 1) response.end(`id: 5\n${opEvent(5)}`);
    else response.end(`${reset}id: 0\n${ready}id: 2\n${opEvent(2)}${over}`);
  });
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const of = ['tail', 'demo/main', '--url', url, '--token', 'x', '--timeout', '60s', '--json'];
  const { stdout } = await onTerminal([...of, '--since', '4']);
  expect(linesOf(stdout).map(({ seq }) => seq)).toEqual([5, 2]);
});

test('an export that breaks off fails, and what was there stays as it was', async () => {
  const server = createHttp((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.write('{"_header":true,"entry_count":2}\n{"path":"a","value":1}\n', () => {
      response.destroy();
    });
  });
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const file = join(site.directory, 'export.jsonl');
  await writeFile(file, 'the last one that was whole');
  const args = ['export', 'demo/main', file, '--url', url, '--token', 'x', '--json'];
  expect((await onTerminal(args)).code).toBe(7);
  expect(await readFile(file, 'utf8')).toBe('the last one that was whole');
  expect(existsSync(`${file}.part`)).toBe(false);
});

/** A server whose answers begin and never end; `onAsked` hears of each. */
async function endless(onAsked: (response: ServerResponse) => void): Promise<string> {
  const server = createHttp((request, response) => {
    response.writeHead(200, { 'content-length': '1000', 'content-type': request.headers.accept });
    response.write('{"_header":true,');
    request.resume().on('end', () => onAsked(response));
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('an answer that breaks off, or does not end in time, is told as a server that cannot be reached', async () => {
  const broken = await endless((response) => response.destroy());
  const stalled = await endless(() => undefined);
  const lines = join(site.directory, 'lines.jsonl');
  await writeFile(lines, '{"path":"a","value":1}\n');
  const runs = [
    ['get', 'demo/main', 'a', '--url', broken],
    ['put', 'demo/main', 'a', '1', '--url', broken],
    ['import', 'demo/main', lines, '--url', broken],
    ['webhooks', 'ping', 'demo/main', 'x', '--url', broken],
    ['get', 'demo/main', 'a', '--url', stalled, '--timeout', '1s'],
    ['webhooks', 'ping', 'demo/main', 'x', '--url', stalled, '--timeout', '1s'],
  ];
  const all = await Promise.all(
    runs.map((args) => onTerminal([...args, '--token', 'x', '--json'])),
  );
  for (const [index, { code, stderr }] of all.entries()) {
    const error = linesOf(stderr).find((line) => 'error' in line)?.['error'];
    const told = [runs[index]?.[0], code, error];
    expect(told).toEqual([runs[index]?.[0], 7, expect.objectContaining({ code: 'unavailable' })]);
  }
});

test('an export waits for the beginning of its answer as long as it was told to', async () => {
  const server = createHttp(() => undefined);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const of = ['export', 'demo/main', '-', '--url', url, '--token', 'x', '--timeout', '1s'];
  const { code, stderr } = await onTerminal([...of, '--json']);
  expect([code, JSON.parse(stderr).error.message]).toEqual([7, expect.stringMatching(/too long/)]);
});

test.each(['export', 'import'])(
  'Ctrl-C amid an %s says that it was interrupted',
  slow,
  async (command) => {
    const lines = join(site.directory, 'more.jsonl');
    await writeFile(lines, '{"path":"a","value":1}\n');
    const asked = new AbortController();
    const url = await endless(() => asked.abort());
    const args = [command, 'demo/main', lines, '--url', url, '--token', 'x'];
    const child = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let told = '';
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      told += piece;
    });
    asked.signal.addEventListener('abort', () => child.kill('SIGINT'));
    const closed = once(child, 'close');
    expect((await closed)[0]).toBe(130);
    const error = linesOf(told).find((line) => 'error' in line)?.['error'];
    expect(error).toMatchObject({ code: 'interrupted' });
  },
);

/** How a command ends at a server that sends whoever asks elsewhere. */
function sentTo(location: string, args: readonly string[]) {
  return answeredBy((response) => response.writeHead(302, { location }).end(), args);
}

/** How a command ends at a server that answers all in the same way. */
async function answeredBy(answer: (response: ServerResponse) => void, args: readonly string[]) {
  const server = createHttp((_request, response) => answer(response));
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { code, stdout, stderr } = await onTerminal([
    ...args,
    '--url',
    url,
    '--token',
    'x',
    '--json',
  ]);
  return { code, stdout, error: linesOf(stderr).at(-1)?.['error'] };
}

test('a redirect is told and not followed, so that nothing is called made that was only asked for', async () => {
  const moved = await sentTo('https://sync.example.org/api/stores', [
    'stores',
    'create',
    'demo/new',
  ]);
  const hint = expect.stringContaining('--url https://sync.example.org');
  expect(moved).toEqual({
    code: 8,
    stdout: '',
    error: expect.objectContaining({ code: 'not_holdfast', hint }),
  });
  const file = join(site.directory, 'page.tar');
  const signIn = await sentTo('/sign-in', ['export', 'demo/main', file, '--format', 'tar']);
  const message = expect.stringContaining('/sign-in');
  expect(signIn).toMatchObject({ code: 8, error: { code: 'not_holdfast', message } });
  expect(existsSync(file)).toBe(false);
});

function page(response: ServerResponse): void {
  response.setHeader('content-type', 'text/html').end('<h1>Sign in</h1>');
}

test.each(['jsonl', 'sqlite', 'tar'])(
  'a page in the place of an export (%s) is not taken for one, and what was there is as it was',
  async (format) => {
    const file = join(site.directory, `good.${format}`);
    await writeFile(file, 'a good export');
    const wrong = await answeredBy(page, ['export', 'demo/main', file, '--format', format]);
    expect(wrong).toMatchObject({ code: 8, stdout: '', error: { code: 'not_holdfast' } });
    expect(await readFile(file, 'utf8')).toBe('a good export');
  },
);

test('what is no stream of events is not followed', async () => {
  const wrong = await answeredBy(page, ['tail', 'demo/main', '--since', '1']);
  expect(wrong).toMatchObject({ code: 8, stdout: '', error: { code: 'not_holdfast' } });
});
