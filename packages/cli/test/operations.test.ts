import { createClient } from '@holdfast/client';
import { sqlite } from '@holdfast/client/cache/sqlite';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { run as main } from '../src/main.ts';
import { bin, cli, linesOf, onTerminal, type Ran, devServer } from './harness.ts';

const site = devServer();

const env = (): NodeJS.ProcessEnv => ({ HOLDFAST_URL: site.server.url, HOLDFAST_TOKEN: 'dev' });
const run = (...args: string[]): Promise<Ran> => piped(args, env());

/** Runs a command in this process, as if its output were piped. */
async function piped(args: readonly string[], from: NodeJS.ProcessEnv): Promise<Ran> {
  const { code, stdout, stderr } = await onTerminal(args, { env: from, isTTY: false });
  return { code, stdout, stderr, rows: linesOf(stdout), error: {} };
}
const slow = { timeout: 120_000 };

/** A command that goes on, and its lines as they come. */
function follow(...args: string[]): { next(): Promise<object>; end(): Promise<number> } {
  const child = spawn(process.execPath, [bin, ...args], {
    env: { PATH: process.env['PATH'], ...env() },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    next: async () => JSON.parse(String((await lines.next()).value)),
    end: async () => {
      child.kill('SIGINT');
      return Number((await once(child, 'close'))[0]);
    },
  };
}

test('the log is followed by device, and by several ops at once', slow, async () => {
  await run('put', 'demo/main', 'w/a', '1');
  await run('put', 'demo/main', 'w/b', '2');
  await run('delete', 'demo/main', 'w/a');
  const { rows: log } = await run('log', 'demo/main', '--path', 'w/*');
  expect(log.map(({ path, op }) => [path, op])).toEqual([
    ['w/a', 'delete'],
    ['w/b', 'set'],
    ['w/a', 'set'],
  ]);
  const tail = ['tail', 'demo/main', '--path', 'w/*'];
  const both = await run(...tail, '--op', 'set,delete', '--last', '2', '--count', '2');
  expect(both.rows.map(({ seq }) => seq)).toEqual([log[1]?.['seq'], log[0]?.['seq']]);
  const device = String(log[1]?.['device']);
  for (const from of [
    ['--since', '0'],
    ['--last', '10'],
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const own = await run(...tail, ...from, '--device', device, '--count', '1');
    expect(own.rows).toMatchObject([{ path: 'w/b', device }]);
  }
});

test('the log is followed, from its last ops on, through filters', slow, async () => {
  for (const [path, value] of [
    ['t/a', '1'],
    ['t/b', '2'],
    ['u', '3'],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- seqs in this order
    await run('put', 'demo/main', path, value);
  }
  const tail = follow('tail', 'demo/main', '--path', 't/*', '--op', 'set', '--last', '1');
  expect(await tail.next()).toMatchObject({ op: 'set', path: 't/b', value: 2 });
  await run('delete', 'demo/main', 't/b');
  await run('put', 'demo/main', 'u', '4');
  await run('put', 'demo/main', 't/c', '5');
  const told = await tail.next();
  expect(told).toMatchObject({ op: 'set', path: 't/c', value: 5, device: expect.any(String) });
  expect(await tail.end()).toBe(0);
  const { seq } = told as { seq: number };
  const since = await run('tail', 'demo/main', '--since', String(seq - 3), '--count', '3');
  expect(since.rows.map(({ op, path }) => [op, path])).toEqual([
    ['delete', 't/b'],
    ['set', 'u'],
    ['set', 't/c'],
  ]);
});

test('a log that is followed without audit:read begins with what is new', slow, async () => {
  const made = await run('tokens', 'create', '--store', 'demo/main', '--scopes', 'entries:read');
  const { token } = made.rows[0] as { token: string };
  const begun = { isOver: false };
  const told = piped(['tail', 'demo/main', '--count', '1'], { ...env(), HOLDFAST_TOKEN: token });
  void told.finally(() => (begun.isOver = true));
  while (!begun.isOver) {
    // oxlint-disable-next-line no-await-in-loop -- until it listens
    await run('put', 'demo/main', 'v', '1');
  }
  const tail = await told;
  expect(tail).toMatchObject({ code: 0, rows: [{ op: 'set', path: 'v' }] });
  expect(await run('tail', 'demo/none', '--last', '0')).toMatchObject({ code: 9 });
});

test(
  'a log of which a token may read a part is followed without a word of what it may not',
  slow,
  async () => {
    const scopes = ['--scopes', 'entries:read', '--may-read', 'r/**'];
    const made = await run('tokens', 'create', '--store', 'demo/main', ...scopes);
    const { token } = made.rows[0] as { token: string };
    const { rows } = await run('put', 'demo/main', 'r/a', '1');
    const { seq } = rows[0] as { seq: number };
    for (const path of ['q', 'r/b', 'r/c']) await run('put', 'demo/main', path, '2');
    for (const since of [String(seq), `${seq}~another`]) {
      const tail = ['tail', 'demo/main', '--since', since, '--count', '2'];
      const told = await piped(tail, { ...env(), HOLDFAST_TOKEN: token });
      expect(told).toMatchObject({ code: 0, rows: [{ path: 'r/b' }, { path: 'r/c' }] });
    }
    expect((await run('tail', 'demo/main', '--since', '1~')).code).toBe(2);
  },
);

test('a log is followed no further than to where its store is archived', slow, async () => {
  await run('stores', 'create', 'demo/brief');
  await run('put', 'demo/brief', 'a', '1');
  const tail = follow('tail', 'demo/brief', '--last', '1');
  expect(await tail.next()).toMatchObject({ path: 'a' });
  const over = run('tail', 'demo/brief', '--since', '0');
  await run('put', 'demo/brief', 'b', '2');
  expect(await tail.next()).toMatchObject({ path: 'b' });
  await run('stores', 'archive', 'demo/brief');
  expect((await over).code).toBe(8);
  expect(await run('tail', 'demo/brief')).toMatchObject({ code: 8 });
});

test('webhooks are made, listed, tried, replayed and removed', slow, async () => {
  const heard: unknown[] = [];
  const receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      heard.push(JSON.parse(body));
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void receiver.close());
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  const hooks = (...args: string[]): Promise<Ran> =>
    piped(['webhooks', ...args], { HOLDFAST_URL: site.server.url, HOLDFAST_TOKEN: 'dev' });
  expect((await hooks('demo/main')).rows).toEqual([]);
  const made = await hooks('create', 'demo/main', url, '--patterns', 'a/**,b', '--ops', 'set');
  expect(made).toMatchObject({ code: 0, rows: [{ patterns: ['a/**', 'b'], ops: ['set'] }] });
  const { id, secret } = made.rows[0] as { id: string; secret: string };
  expect(secret).toMatch(/^whsec_/);
  expect((await hooks('demo/main')).rows).toMatchObject([{ id, active: true, failures: 0 }]);
  expect((await hooks('ping', 'demo/main', id)).rows).toMatchObject([{ ok: true, status: 204 }]);
  await piped(['put', 'demo/main', 'b', '1', '--url', site.server.url], {});
  await expect.poll(() => heard.length).toBe(2);
  const { rows } = await hooks('deliveries', 'demo/main', id);
  expect(rows).toMatchObject([{ status: 204, error: null }]);
  expect((await hooks('replay', 'demo/main', id)).code).toBe(2);
  const dead = (await hooks('create', 'demo/main', 'http://127.0.0.1:1/none')).rows[0] ?? {};
  const tried = await hooks('ping', 'demo/main', String(dead['id']));
  expect([tried.code, tried.stderr.includes('ping_failed')]).toEqual([8, true]);
  expect((await hooks('replay', 'demo/main', id, '--after', '0')).rows).toEqual([{ id, after: 0 }]);
  await expect.poll(() => heard.length).toBeGreaterThan(2);
  expect((await hooks('remove', 'demo/main', id)).code).toBe(0);
  expect((await hooks('remove', 'demo/main', id)).code).toBe(9);
});

test(
  'what an application keeps of its writes is listed, exported, retried and discarded',
  slow,
  async () => {
    const file = join(site.directory, 'cache.db');
    await run('put', 'demo/main', 'taken', '"theirs"');
    const client = createClient({ url: site.server.url, token: 'dev', cache: sqlite(file) });
    const store = client.store('demo/main', { scope: [] });
    for (const path of ['taken', 'free', 'other']) store.put(path, 'my\u009b2J', { ifMatch: 999 });
    await expect.poll(() => store.outbox.deadLetters().length).toBe(3);
    await client.close();
    const listed = await run('outbox', file);
    expect(listed.rows).toMatchObject(
      ['taken', 'free', 'other'].map((path) => ({
        store: 'demo/main',
        state: 'dead',
        op: 'set',
        path,
        reason: 'conflict',
      })),
    );
    const [first, second, third] = listed.rows.map((row) => String(row['op_id']));
    const exported = await run('outbox', 'export', file);
    const request = { value: 'my\u009b2J' };
    expect(exported.rows).toMatchObject([
      { store: 'demo/main', writes: [], dead_letters: [{ request }, { request }, { request }] },
    ]);
    // The same JSON, of which no terminal obeys anything.
    expect(exported.stdout).not.toContain('\u009b');
    expect((await run('outbox', 'retry', file, first ?? '')).code).toBe(3);
    expect((await run('outbox', 'discard', file, second ?? '')).rows).toMatchObject([
      { op_id: second, discarded: true },
    ]);
    expect((await run('outbox', 'discard', file, second ?? '')).code).toBe(9);
    const left = (await run('outbox', file, '--dead')).rows.map((row) => row['op_id']);
    expect(new Set(left)).toEqual(new Set([first, third]));
    expect((await run('outbox', join(site.directory, 'none.db'))).code).toBe(2);
  },
);

test('what waits offline is listed as waiting, and sent by a retry', slow, async () => {
  const file = join(site.directory, 'offline.db');
  const nowhere = { open: () => ({ send: () => undefined, close: () => undefined }) };
  const client = createClient({
    url: site.server.url,
    token: 'dev',
    cache: sqlite(file),
    link: nowhere,
  });
  const write = client.store('demo/main', { scope: [] }).put('late', 'at last');
  await write.durable;
  await client.close();
  const { rows } = await run('outbox', file);
  expect(rows).toMatchObject([{ state: 'waiting', op: 'set', path: 'late', op_id: write.opId }]);
  expect((await run('outbox', file, '--dead')).rows).toEqual([]);
  const refused = await run('outbox', 'retry', file, write.opId, '--token', 'unknown');
  expect([refused.code, refused.stderr.includes('unauthorized')]).toEqual([6, true]);
  expect((await run('outbox', file)).rows).toEqual(rows);
  const retried = await run('outbox', 'retry', file, write.opId);
  expect(retried).toMatchObject({ code: 0, rows: [{ committed: expect.any(Number) }] });
  expect((await run('get', 'demo/main', 'late')).rows).toMatchObject([{ value: 'at last' }]);
  expect((await run('outbox', file)).rows).toEqual([]);
});

/** Lets an application of some principal write where no server is, and end; gives its op ids. */
async function keptBy(
  file: string,
  principal: string,
  url = site.server.url,
): Promise<readonly string[]> {
  const link = { open: () => ({ send: () => undefined, close: () => undefined }) };
  const cache = sqlite(file);
  const client = createClient({ url, token: 'dev', cache, link, principal });
  const store = client.store('demo/main', { scope: [] });
  const writes = [store.put('kept/a', 1), store.put('kept/b', 2)];
  await Promise.all(writes.map((write) => write.durable));
  await client.close();
  return writes.map(({ opId }) => opId);
}

test.each(['Ada Lovelace', 'Ada\nof London, \u{1f600}', ' '])(
  'what an application keeps for a principal called %j is found like any other',
  slow,
  async (principal) => {
    const file = join(site.directory, `of ${encodeURIComponent(principal)}.db`);
    const [first = '', second = ''] = await keptBy(file, principal);
    expect((await run('outbox', file)).rows).toMatchObject([{ op_id: first }, { op_id: second }]);
    expect((await run('outbox', 'discard', file, first)).code).toBe(0);
    expect((await run('outbox', 'retry', file, second)).code).toBe(0);
    expect((await run('outbox', file)).rows).toEqual([]);
  },
);

test(
  'a retry whose server is not there names no option that it does not have, and its write stays',
  slow,
  async () => {
    const file = join(site.directory, 'elsewhere.db');
    const other = createServer((_, response) => response.end('<h1>Hello</h1>'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as AddressInfo;
    const [write = ''] = await keptBy(file, 'ada', `http://127.0.0.1:${port}`);
    const strange = await cli(['outbox', 'retry', file, write]);
    await new Promise((resolve) => other.close(resolve));
    const gone = await cli(['outbox', 'retry', file, write]);
    expect(strange).toMatchObject({ code: 8, error: { code: 'not_holdfast' } });
    expect(gone).toMatchObject({ code: 7, error: { code: 'unavailable' } });
    for (const { error } of [strange, gone]) {
      expect(error['hint']).toContain('application');
      expect(error['hint']).not.toMatch(/--url|HOLDFAST_URL/);
    }
    expect((await run('outbox', file)).rows).toMatchObject([{ op_id: write }, {}]);
  },
);

test('a cache that cannot be written to is told, and its writes stay', slow, async () => {
  const file = join(site.directory, 'newer.db');
  const [write = ''] = await keptBy(file, 'ada');
  const db = new DatabaseSync(file);
  db.exec('PRAGMA user_version = 99');
  db.close();
  for (const deed of ['discard', 'retry']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { code, stdout, stderr } = await run('outbox', deed, file, write);
    expect([deed, code, stdout]).toEqual([deed, 2, '']);
    expect(stderr).toContain('newer.db cannot be written to');
  }
  expect((await run('outbox', file)).rows).toMatchObject([{ op_id: write }, {}]);
});

test('a server is measured from here, and nothing of that stays', slow, async () => {
  const { code, rows } = await run('bench', 'demo/main', '--for', '300ms', '--writers', '2');
  expect(code).toBe(0);
  expect(rows).toMatchObject([{ what: 'commit' }, { what: 'delivery' }]);
  const [commits, deliveries] = rows.map((row) => Number(row['count']));
  expect(commits).toBeGreaterThan(0);
  expect(deliveries).toBeGreaterThan(0);
  expect((await run('entries', 'demo/main', 'holdfast-bench/**')).rows).toEqual([]);
});

test('on a narrow terminal tables cut what they may, and tell instants to the second', async () => {
  await run('put', 'demo/main', 'long', JSON.stringify('x'.repeat(100)));
  const lines = (await logOn(60)).trimEnd().split('\n');
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(60);
  expect(lines[1]).toMatch(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ .*x…/);
});

test('on a terminal that does not say how wide it is nothing is cut, as where it says 0', async () => {
  await run('put', 'demo/main', 'prices/lamp', '1');
  const told = await logOn(0);
  expect(told).toMatch(/ set +prices\/lamp /);
  expect(await logOn(undefined)).toBe(told);
});

/** The last line of the log, as a terminal of so many columns shows it. */
async function logOn(columns: number | undefined): Promise<string> {
  let text = '';
  const stdout = { isTTY: true, columns, write: (piece: string) => (text += piece) };
  const code = await main(['log', 'demo/main', '--limit', '1'], {
    env: { ...env(), NO_COLOR: '1' },
    stdin: nothing(),
    stdout,
    stderr: { isTTY: true, write: () => undefined },
  });
  expect(code).toBe(0);
  return text;
}

async function* nothing(): AsyncGenerator<string> {}

test('the new commands explain themselves', async () => {
  for (const name of ['tail', 'webhooks create', 'webhooks replay', 'outbox', 'outbox retry']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { code, stdout } = await onTerminal(['help', ...name.split(' ')]);
    expect([code, stdout.includes('EXAMPLES')], name).toEqual([0, true]);
  }
});
