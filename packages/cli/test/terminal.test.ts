import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cli, linesOf, onTerminal, type Running, start, temporaryDirectory } from './harness.ts';

let server: Running;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeAll(async () => {
  directory = await temporaryDirectory();
  server = await start('dev', ['--data', directory.path]);
  const values = { plain: 'text', evil: '\u001b[2J\u009b\u202e', n: 1 };
  const put = await cli(['put', 'demo/main', 't', JSON.stringify(values), '--url', server.url]);
  expect(put.code).toBe(0);
});

afterAll(async () => {
  await server.stop();
  await directory.remove();
});

const shown = (...args: string[]): ReturnType<typeof onTerminal> =>
  onTerminal(args, { env: { HOLDFAST_URL: server.url } });

test('a terminal gets tables and colours, a pipe gets JSON lines', async () => {
  const table = await shown('entries', 'demo/main', 't/*');
  const [head, ...rows] = stripVTControlCharacters(table.stdout).trimEnd().split('\n');
  expect(table.stdout).not.toBe(stripVTControlCharacters(table.stdout));
  expect(head).toMatch(/^PATH +VALUE +TYPE +REVISION$/);
  expect(rows[1]).toMatch(/^t\/n +1 +integer +\d+$/);
  const piped = await onTerminal(['entries', 'demo/main', 't/*'], {
    env: { HOLDFAST_URL: server.url },
    isTTY: false,
  });
  expect(linesOf(piped.stdout)).toHaveLength(3);
  const forced = await shown('entries', 'demo/main', 't/*', '--json');
  expect(forced.stdout).toBe(piped.stdout);
});

test('NO_COLOR turns colours off', async () => {
  const env = { HOLDFAST_URL: server.url, NO_COLOR: '1' };
  const { stdout } = await onTerminal(['get', 'demo/main', 't/n'], { env });
  expect(stdout).toBe(stripVTControlCharacters(stdout));
  expect(stdout).toMatch(/^t\/n {2}integer {2}revision \d+\n1\n$/);
});

test('data cannot command the terminal', async () => {
  const outputs = await Promise.all([
    shown('get', 'demo/main', 't'),
    shown('entries', 'demo/main', 't/*'),
    shown('watch', 'demo/main', 't/*', '--current', '--count', '3'),
    shown('get', 'demo/main', 'no\u001b[2Jthing'),
    shown('get', 'demo/main', 't', '--json'),
    shown('get', 'demo/main', 'no\u009bthing', '--json'),
    shown('entries', 'demo/main', 't/*', '--json'),
  ]);
  for (const { stdout, stderr } of outputs) {
    for (const evil of ['\u001b[2J', '\u009b', '\u202e']) {
      expect(stdout + stderr).not.toContain(evil);
    }
  }
  expect(outputs[0].stdout).toContain('\\u001b[2J');
});

test('a server cannot command the terminal by what no server of ours says', async () => {
  const evil = '\u001b[2J';
  const told = {
    entries: { a: { value: 1, type: evil, revision: 1 } },
    store: { full_name: evil, store_seq: 1 },
    id: evil,
    url: evil,
    secret: evil,
    patterns: [],
    ops: null,
  };
  const hostile = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(told));
  });
  await once(hostile.listen(0, '127.0.0.1'), 'listening');
  const { port } = hostile.address() as AddressInfo;
  const env = { HOLDFAST_URL: `http://127.0.0.1:${port}`, HOLDFAST_TOKEN: 't', NO_COLOR: '1' };
  for (const command of ['get a/b a', 'clone a/b c', 'webhooks-create a/b https://x.example']) {
    const [name = '', ...args] = command.split(' ');
    // oxlint-disable-next-line no-await-in-loop -- one by one
    const { stdout, stderr } = await onTerminal([...name.split('-'), ...args], { env });
    expect([command, (stdout + stderr).includes('\u001b')]).toEqual([command, false]);
    expect(stdout).toContain('\\u001b[2J');
  }
  hostile.close();
});

test('results and failures are told in words', async () => {
  const put = await shown('put', 'demo/main', 'w', '1');
  expect(stripVTControlCharacters(put.stdout)).toMatch(/^✓ put w seq \d+\n$/);
  const stale = await shown('put', 'demo/main', 'w', '2', '--if-match', '1');
  expect(stale.code).toBe(3);
  expect(stale.stdout).toBe('');
  expect(stripVTControlCharacters(stale.stderr)).toMatch(
    /^error conflict: .+\n {2}→ .+holdfast get/,
  );
  const lease = await shown('lease', 'demo/main', 'l');
  expect(stripVTControlCharacters(lease.stdout)).toMatch(/--fence 'l:\d+'/);
  const status = await shown('status', 'demo/main');
  expect(stripVTControlCharacters(status.stdout)).toMatch(/^sequence +\d+$/m);
  const stores = await shown('stores');
  expect(stripVTControlCharacters(stores.stdout)).toMatch(/^demo\/main +active +/m);
});

test('a failure tells a person what it told a program: who holds it, and since which revision', async () => {
  const put = await shown('put', 'demo/main', 'v', '1');
  const [seq = ''] = /\d+/.exec(stripVTControlCharacters(put.stdout)) ?? [];
  const stale = await shown('put', 'demo/main', 'v', '2', '--if-match', '1');
  expect(stripVTControlCharacters(stale.stderr)).toContain(`current revision ${seq}`);
  await shown('lease', 'demo/main', 'm', '--holder', 'night\u001b[2Jshift');
  const held = stripVTControlCharacters((await shown('lease', 'demo/main', 'm')).stderr);
  expect(held).toContain('holder night\\u001b[2Jshift');
  expect(held).toMatch(/expires at \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ/);
  const long = await shown('put', 'demo/main', 'x'.repeat(300), '1');
  expect(stripVTControlCharacters(long.stderr)).toMatch(/too long\.? \(limit 255\)/);
  const wrong = await shown('put', 'demo/main', `${'x'.repeat(300)}//y`, '1');
  expect(stripVTControlCharacters(wrong.stderr)).toMatch(/\(path x{59}…\)/);
  const none = stripVTControlCharacters((await shown('get', 'demo/none', 'x')).stderr);
  expect(none).toMatch(/this token may not know of it[^]*holdfast stores/);
});
