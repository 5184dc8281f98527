import { once } from 'node:events';
import { appendFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../src/main.ts';
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

// oxlint-disable-next-line no-control-regex -- these begin with one
const stripColors = (text: string): string => text.replaceAll(/\u001b\[\d{1,2}m/g, '');

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

test('one of a kind is told in the singular', async () => {
  const put = '[{"op":"put","path":"one/a","value":1}]';
  const early = await shown('transact', 'demo/one', put);
  expect(stripColors(early.stderr)).toContain('"holdfast stores create" makes one');
  await shown('stores', 'create', 'demo/one');
  const file = join(directory.path, 'one.jsonl');
  const told = [
    await shown('transact', 'demo/one', put),
    await shown('export', 'demo/one', file),
    await shown('import', 'demo/one', file, '--id', 'one'),
    await shown('import', 'demo/one', file, '--id', 'one'),
  ].map(({ stdout }) => stripColors(stdout));
  expect(told).toEqual([
    expect.stringMatching(/^✓ 1 op seq 1\n/),
    expect.stringContaining('✓ 1 entry of demo/one in'),
    expect.stringContaining('✓ 1 imported'),
    expect.stringContaining('✓ 0 imported, 1 was there already'),
  ]);
  appendFileSync(file, '{"path":"","value":2}\n');
  const failed = await shown('import', 'demo/one', file);
  expect(stripColors(failed.stderr)).toContain('1 line was not imported.');
  const nowhere = await shown('import', 'demo/nowhere', file);
  expect(stripColors(nowhere.stderr)).toContain('"holdfast stores create" makes one');
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

describe('a server that is none of ours', () => {
  const evil = '\u001b[2J\u009b';
  const names =
    'id name full_name url secret token raw_token type reason inactive_reason next_attempt next next_before seq store_seq ' +
    'status ms until act at actor store check detail error line path op device_id created_at expires_at incarnation version ' +
    'oldest_seq imported skipped how';
  const row = Object.fromEntries(names.split(' ').map((name) => [name, evil]));
  const told = {
    ...row,
    entries: { a: { value: 1, type: evil, revision: evil } },
    store: { ...row },
    allowed: false,
    patterns: [evil],
    ops: null,
    scopes: [evil],
    details: { why: evil },
  };
  const lists =
    'webhooks tokens stores checks deliveries errors changes recent_ops events items results acts';
  const answer = {
    ...told,
    ...Object.fromEntries(lists.split(' ').map((name) => [name, [told]])),
    // What it must say to be listened to.
    store: { ...row, store_seq: 1 },
    current_seq: 1,
    missing: [],
    ok: false,
  };
  let hostile: Server;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    hostile = createServer((request, response) => {
      if (request.url?.includes('/elsewhere/') === true) {
        response.writeHead(302, { location: `http://[\u009b]${request.url}` }).end();
        return;
      }
      const body = request.url?.includes('/log') === true ? { ops: [row] } : answer;
      response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
    });
    await once(hostile.listen(0, '127.0.0.1'), 'listening');
    const { port } = hostile.address() as AddressInfo;
    env = { HOLDFAST_URL: `http://127.0.0.1:${port}`, HOLDFAST_TOKEN: 't', HOLDFAST_DEBUG: '1' };
  });
  afterAll(() => hostile.close());

  test.each([
    'get a/b a',
    'clone a/b c',
    'webhooks create a/b https://x.example',
    'webhooks a/b',
    'webhooks deliveries a/b 1',
    'webhooks ping a/b 1',
    'tokens',
    'tokens create --name x --scopes read --store a/b',
    'stores',
    'audit',
    'log a/b',
    'status',
    'status a/b',
    'explain a/b a',
    'diff a/b 1',
    'entries a/b',
  ])('cannot command the terminal by what it answers to %s', async (command) => {
    const { stdout, stderr } = await onTerminal(command.split(' '), { env });
    // oxlint-disable-next-line no-control-regex -- all that a terminal obeys, but colours
    const obeyed = stripColors(stdout + stderr).match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect([obeyed?.[0], stdout, stderr]).toEqual([undefined, stdout, stderr]);
    expect(stdout + stderr).toContain('\\u001b[2J\\u009b');
  });

  test('cannot command the terminal by where it sends whoever asks', async () => {
    const { stderr } = await onTerminal(['get', 'elsewhere/b', 'a'], { env });
    expect(stderr).toContain('--url http://[\\u009b]');
    expect(stderr).not.toContain('\u009b');
  });
});

test('what another has told of a task that is done once cannot command the terminal', async () => {
  const value = 'one\n\u001b[2Jtwo';
  const first = await shown('once', 'demo/main', 'o', '--', 'printf', value);
  const second = await shown('once', 'demo/main', 'o', '--', 'false');
  expect(second.stdout).toBe(first.stdout);
  expect(second.stdout).toBe('one\n\\u001b[2Jtwo\n');
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

const linesFrom = (from: number): string => {
  const numbers = Array.from({ length: 20 }, (_, at) => from + at);
  const rows = numbers.map((at) => ({ path: `grown/n${at}`, value: 'x'.repeat(50_000) }));
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
};

test('a file that grows while it is imported is imported to its end, and its bar stays at 100 %', async () => {
  const file = join(directory.path, 'grows.jsonl');
  writeFileSync(file, linesFrom(0));
  let bars = '';
  const write = (text: string): void => {
    // Far from its end yet.
    if (bars === '') appendFileSync(file, linesFrom(20));
    bars += text;
  };
  let told = '';
  const code = await run(['import', 'demo/main', file, '--headerless', 'slash'], {
    env: { HOLDFAST_URL: server.url },
    stdin: Readable.from([]),
    stdout: { isTTY: true, write: (text) => (told += text) },
    stderr: { isTTY: true, write },
  });
  expect([code, stripVTControlCharacters(told)]).toEqual([
    0,
    expect.stringMatching(/^✓ 40 imported/),
  ]);
  const percents = Array.from(bars.matchAll(/(\d+) %/g), ([, percent]) => Number(percent));
  expect(Math.max(...percents)).toBe(100);
});
