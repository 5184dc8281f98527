import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { bin, cli, linesOf, type Ran, start, temporaryDirectory, devServer } from './harness.ts';

const site = devServer();

const on = (...args: string[]): Promise<Ran> =>
  cli(args, { env: { HOLDFAST_URL: site.server.url, HOLDFAST_TOKEN: 'dev' } });

const slow = { timeout: 120_000 };

test('put writes JSON and get reads it back with type and revision', slow, async () => {
  const put = await on('put', 'demo/main', 'a/ann', '{"name":"Ann","tags":["x"]}');
  expect(put).toMatchObject({ code: 0, rows: [{ op: 'put', path: 'a/ann' }] });
  const [{ seq } = {}] = put.rows;
  const got = await on('get', 'demo/main', 'a/ann/name');
  expect(got.rows).toEqual([{ path: 'a/ann/name', value: 'Ann', type: 'string', revision: seq }]);
  expect((await on('get', 'demo/main', 'a/ann')).rows).toEqual([
    { path: 'a/ann', value: { name: 'Ann', tags: ['x'] }, type: 'map', revision: seq },
  ]);
});

test('who would wait for months is not told at once that it took too long', slow, async () => {
  const put = await on('put', 'demo/main', 'patient', '1', '--timeout', '30d');
  expect(put).toMatchObject({ code: 0, stderr: '' });
  expect(await on('get', 'demo/main', 'patient', '--timeout', '365d')).toMatchObject({
    code: 0,
    stderr: '',
  });
});

test('text needs --string, standard input is -, and --raw shows text as it is', slow, async () => {
  const bare = await on('put', 'demo/main', 'b/text', 'Hello');
  expect(bare).toMatchObject({ code: 2, error: { code: 'usage' } });
  expect(bare.error['hint']).toContain('--string');
  expect(await on('put', 'demo/main', 'b/text', 'Hello', '--string')).toMatchObject({ code: 0 });
  expect((await on('get', 'demo/main', 'b/text', '--raw')).stdout).toBe('Hello\n');
  const env = { HOLDFAST_URL: site.server.url };
  const piped = await cli(['put', 'demo/main', 'b/piped', '-'], { input: '{"n":[1,2]}\n', env });
  expect(piped.code).toBe(0);
  expect((await on('get', 'demo/main', 'b/piped/n')).rows).toMatchObject([{ value: [1, 2] }]);
});

test('merge, increment, add, remove and delete do as they say', slow, async () => {
  await on('put', 'demo/main', 'c/m', '{"a":1,"b":2}');
  expect(await on('merge', 'demo/main', 'c/m', '{"b":3}')).toMatchObject({ code: 0 });
  expect(await on('merge', 'demo/main', 'c/m', '[1]')).toMatchObject({ code: 2 });
  expect(await on('increment', 'demo/main', 'c/n')).toMatchObject({ code: 0 });
  expect(await on('increment', 'demo/main', 'c/n', '-2.5')).toMatchObject({ code: 0 });
  expect(await on('add', 'demo/main', 'c/s', 'x', '--string')).toMatchObject({ code: 0 });
  expect(await on('add', 'demo/main', 'c/s', '7')).toMatchObject({ code: 0 });
  expect(await on('remove', 'demo/main', 'c/s', '"x"')).toMatchObject({ code: 0 });
  expect((await on('get', 'demo/main', 'c')).rows).toMatchObject([
    { value: { m: { a: 1, b: 3 }, n: -1.5, s: [7] } },
  ]);
  expect(await on('delete', 'demo/main', 'c/m')).toMatchObject({ code: 0 });
  const gone = await on('get', 'demo/main', 'c/m');
  expect(gone).toMatchObject({ code: 9, stdout: '', error: { code: 'not_found' } });
  const wrong = await on('increment', 'demo/main', 'c/s');
  expect(wrong).toMatchObject({ code: 8, error: { code: 'type_mismatch', exit_code: 8 } });
});

test(
  'guards that fail exit with 3 for a conflict and 4 for something that exists',
  slow,
  async () => {
    const [{ seq } = {}] = (await on('put', 'demo/main', 'd/x', '1')).rows;
    const stale = await on('put', 'demo/main', 'd/x', '2', '--if-match', '1');
    expect(stale).toMatchObject({
      code: 3,
      stdout: '',
      error: { code: 'conflict', details: { current_revision: seq } },
    });
    expect(await on('delete', 'demo/main', 'd/x', '--if-match', '1')).toMatchObject({ code: 3 });
    expect(await on('put', 'demo/main', 'd/x', '2', '--if-match', String(seq))).toMatchObject({
      code: 0,
    });
    const there = await on('put', 'demo/main', 'd/x', '3', '--if-absent');
    expect(there).toMatchObject({ code: 4, error: { code: 'exists' } });
    expect(await on('put', 'demo/main', 'd/y', '3', '--if-absent')).toMatchObject({ code: 0 });
  },
);

test('entries and range list in path order, page by page', slow, async () => {
  await on('put', 'demo/main', 'e', '{"A":1,"_x":{"y":2},"a":3,"é":4}');
  const all = await on('entries', 'demo/main', 'e/**');
  expect(all.rows.map((row) => row['path'])).toEqual(['e/A', 'e/_x/y', 'e/a', 'e/é']);
  const page = await on('entries', 'demo/main', 'e/**', '--limit', '2', '--order', 'desc');
  expect(page.rows.map((row) => row['path'])).toEqual(['e/é', 'e/a']);
  expect(linesOf(page.stderr)).toEqual([{ next: 'e/a' }]);
  const rest = await on('entries', 'demo/main', 'e/**', '--order', 'desc', '--after', 'e/a');
  expect(rest.rows.map((row) => row['path'])).toEqual(['e/_x/y', 'e/A']);
  const keys = await on('entries', 'demo/main', 'e/*', '--select', 'keys');
  expect(keys.rows).toEqual([{ path: 'e/A' }, { path: 'e/a' }, { path: 'e/é' }]);
  const levels = await on('entries', 'demo/main', 'e/**', '--select', 'prefixes');
  expect(levels.rows).toContainEqual({ path: 'e/_x' });
  const range = await on('range', 'demo/main', 'e/_', 'e/b');
  expect(range.rows.map((row) => row['path'])).toEqual(['e/_x/y', 'e/a']);
});

test('transact commits all of its ops or none', slow, async () => {
  const env = { HOLDFAST_URL: site.server.url };
  const transact = (json: unknown): Promise<Ran> =>
    cli(['transact', 'demo/main'], { input: JSON.stringify(json), env });
  const good = await transact([
    { op: 'put', path: 'f/a', value: 1 },
    { op: 'increment', path: 'f/a', value: 2 },
    { op: 'add', path: 'f/s', value: 'm' },
  ]);
  expect(good).toMatchObject({ code: 0, rows: [{ op: 'transact', ops: 3 }] });
  const inline = await cli(['transact', 'demo/main', '[{"op":"put","path":"f/i","value":1}]'], {
    env,
  });
  expect(inline).toMatchObject({ code: 0, rows: [{ op: 'transact', ops: 1 }] });
  const bad = await transact({
    ops: [{ op: 'delete', path: 'f' }],
    preconditions: [
      { path: 'f/a', equals: 3 },
      { path: 'f/missing', exists: true },
    ],
  });
  expect(bad).toMatchObject({ code: 3, error: { details: { precondition_index: 1 } } });
  expect((await on('get', 'demo/main', 'f')).rows).toMatchObject([{ value: { a: 3, s: ['m'] } }]);
  const unknown = await transact([{ op: 'put', path: 'f/b', value: 1, if_mach: 3 }]);
  expect(unknown).toMatchObject({ code: 2 });
  expect(unknown.error['message']).toContain('if_mach');
});

test('leases are held, renewed, fence writes, and are given back', slow, async () => {
  const path = 'g/lock';
  const lease = await on('lease', 'demo/main', path, '--ttl', '1h', '--holder', 'me');
  expect(lease).toMatchObject({ code: 0, rows: [{ path, holder: 'me' }] });
  const token = String(lease.rows[0]?.['token']);
  expect(await on('lease', 'demo/main', path)).toMatchObject({
    code: 5,
    error: { code: 'held', details: { holder: 'me' } },
  });
  const renewed = await on('renew', 'demo/main', path, token, '--ttl', '2h');
  expect(renewed.code).toBe(0);
  expect(Number(renewed.rows[0]?.['expires_at'])).toBeGreaterThan(
    Number(lease.rows[0]?.['expires_at']),
  );
  expect(await on('put', 'demo/main', 'g/x', '1', '--fence', `${path}:${token}`)).toMatchObject({
    code: 0,
  });
  expect(await on('put', 'demo/main', 'g/x', '1', '--fence', `${path}:1`)).toMatchObject({
    code: 5,
    error: { code: 'fenced' },
  });
  expect(await on('release', 'demo/main', path, '1')).toMatchObject({ code: 5 });
  expect(await on('release', 'demo/main', path, token)).toMatchObject({
    code: 0,
    rows: [{ released: true }],
  });
  expect(await on('renew', 'demo/main', path, token)).toMatchObject({
    code: 5,
    error: { code: 'not_held' },
  });
});

test('watch streams changes and ends after --count', slow, async () => {
  const watcher = spawn(
    process.execPath,
    [bin, 'watch', 'demo/main', 'h/*', '--current', '--count', '2'],
    {
      env: { HOLDFAST_URL: site.server.url },
    },
  );
  const closed = once(watcher, 'close');
  const lines = createInterface({ input: watcher.stdout });
  const rows: unknown[] = [];
  lines.on('line', (line) => rows.push(JSON.parse(line)));
  await once(createInterface({ input: watcher.stderr }), 'line');
  await on('put', 'demo/main', 'h/x', '5');
  await on('delete', 'demo/main', 'h/x');
  expect(await closed).toEqual([0, null]);
  expect(rows).toMatchObject([
    { path: 'h/x', op: 'set', value: 5, type: 'integer' },
    { path: 'h/x', op: 'delete', value: null },
  ]);
});

test('watch ends well on Ctrl-C', slow, async () => {
  const watcher = spawn(process.execPath, [bin, 'watch', 'demo/main'], {
    env: { HOLDFAST_URL: site.server.url },
  });
  await once(createInterface({ input: watcher.stderr }), 'line');
  watcher.kill('SIGINT');
  expect(await once(watcher, 'close')).toEqual([0, null]);
});

test('status tells the figures of a store', slow, async () => {
  await on('put', 'demo/main', 'i', '1');
  const { code, rows } = await on('status', 'demo/main');
  expect(code).toBe(0);
  expect(rows).toMatchObject([{ full_name: 'demo/main', status: 'active', oldest_seq: 1 }]);
  expect(Number(rows[0]?.['current_seq'])).toBeGreaterThan(0);
});

test('a wrong token and an unknown store are denied, with a hint', slow, async () => {
  const wrong = await on('get', 'demo/main', 'a', '--token', 'nobody');
  expect(wrong).toMatchObject({ code: 6, error: { code: 'unauthorized' } });
  expect(wrong.error['hint']).toContain('--token');
  expect(await on('put', 'demo/none', 'a', '1')).toMatchObject({ code: 6 });
  expect(await on('status', 'demo/none')).toMatchObject({ code: 9, error: { code: 'not_found' } });
});

test('where nobody listens the command says so at once and exits with 7', slow, async () => {
  const gone = await temporaryDirectory();
  const other = await start('dev', ['--data', gone.path]);
  await other.stop();
  const offline = await cli(['put', 'demo/main', 'a', '1', '--url', other.url]);
  expect(offline).toMatchObject({ code: 7, error: { code: 'unavailable' } });
  expect(offline.error['hint']).toContain('holdfast dev');
  await gone.remove();
});

test('bad paths are refused with the reason', slow, async () => {
  expect(await on('put', 'demo/main', 'a//b', '1')).toMatchObject({
    code: 8,
    error: { code: 'empty_segment' },
  });
  expect(await on('entries', 'demo/main', '**/x')).toMatchObject({
    code: 8,
    error: { code: 'invalid_pattern', message: expect.stringContaining('only at the end') },
  });
});

test('a reader that goes away ends a listing in silence', slow, async () => {
  const many = Object.fromEntries(
    Array.from({ length: 5000 }, (_, n) => [`k${n}`, 'v'.repeat(40)]),
  );
  const env = { HOLDFAST_URL: site.server.url };
  await cli(['put', 'demo/main', 'j', '-'], { input: JSON.stringify(many), env });
  const listing = spawn(process.execPath, [bin, 'entries', 'demo/main', 'j/*'], {
    env: { HOLDFAST_URL: site.server.url },
  });
  let errors = '';
  listing.stderr.on('data', (piece: Buffer) => {
    errors += piece.toString();
  });
  const closed = once(listing, 'close');
  await once(listing.stdout, 'data');
  listing.stdout.destroy();
  const [code] = await closed;
  expect({ code, errors }).toEqual({ code: 0, errors: '' });
});

test('the server survives all of it', slow, async () => {
  expect({ exitCode: site.server.child.exitCode, stderr: site.server.stderr() }).toEqual({
    exitCode: null,
    stderr: '',
  });
});
