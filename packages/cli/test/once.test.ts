import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bin, cli, onTerminal, type Ran, devServer } from './harness.ts';

const site = devServer();

const env = (): NodeJS.ProcessEnv => ({ HOLDFAST_URL: site.server.url, HOLDFAST_TOKEN: 'dev' });
const on = (...args: string[]): Promise<Ran> => cli(args, { env: env() });
const slow = { timeout: 120_000 };

test(
  'S51 of several who ask for it once one runs the program, and all show what it wrote',
  slow,
  async () => {
    const runs = join(site.directory, 'runs');
    // Longer than one process starts later than the other.
    const program = ['sh', '-c', `echo run >> '${runs}'; sleep 6; echo '{"total":42}'`];
    const ask = (): Promise<Ran> => on('once', 'demo/main', 'reports/today', '--', ...program);
    const both = await Promise.all([ask(), ask()]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    const rows = both.map((ran) => ran.rows[0]);
    expect(new Set(rows.map((row) => row?.['how']))).toEqual(new Set(['awaited', 'computed']));
    for (const row of rows) expect(row?.['value']).toEqual({ total: 42 });
    expect((await ask()).rows).toEqual([
      { path: 'reports/today', how: 'cached', value: { total: 42 } },
    ]);
    expect(await readFile(runs, 'utf8')).toBe('run\n');
  },
);

test('a program that fails, is not there, or is not given is told apart', slow, async () => {
  const fails = await on('once', 'demo/main', 'x', '--ttl', '100ms', '--', 'sh', '-c', 'exit 3');
  expect(fails).toMatchObject({ code: 1, error: { message: 'sh ended with 3.' } });
  const missing = await on('once', 'demo/main', 'x', '--', 'no-such-program');
  expect(missing).toMatchObject({ code: 2, error: { code: 'usage' } });
  const none = await onTerminal(['once', 'demo/main', 'x'], { env: env() });
  expect(none.code).toBe(2);
  const text = await on('once', 'demo/main', 'y', '--', 'echo', 'plain text');
  expect(text.rows).toMatchObject([{ how: 'computed', value: 'plain text' }]);
});

test(
  'who is interrupted ends what the program has started too, says that, and the next one who asks runs it at once',
  slow,
  async () => {
    const begun = join(site.directory, 'begun');
    const args = ['once', 'demo/main', 'z', '--', 'sh', '-c', `touch '${begun}'; sleep 60; true`];
    const child = spawn(process.execPath, [bin, ...args], {
      env: { PATH: process.env['PATH'], ...env() },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const pieces: string[] = [];
    child.stderr.on('data', (piece: Buffer) => pieces.push(piece.toString()));
    await expect
      .poll(
        () =>
          access(begun).then(
            () => true,
            () => false,
          ),
        slow,
      )
      .toBe(true);
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([130, null]);
    expect(JSON.parse(pieces.join(''))).toMatchObject({ error: { code: 'interrupted' } });
    expect((await on('once', 'demo/main', 'z', '--', 'echo', '1')).rows).toMatchObject([
      { how: 'computed', value: 1 },
    ]);
  },
);

test(
  'what a program says beside its result is passed on whole, in whatever pieces it comes',
  slow,
  async () => {
    const program = [
      'sh',
      '-c',
      String.raw`printf 'gr\303' >&2; sleep 1; printf '\274n\n' >&2; echo 1`,
    ];
    const { stderr } = await on('once', 'demo/main', 'told', '--', ...program);
    expect(stderr).toContain('grün\n');
  },
);

test(
  'a program that writes more than a value holds is stopped, with all that it has started',
  slow,
  async () => {
    const endless = ['sh', '-c', '(while :; do echo the same again and again; done); true'];
    const { code, error } = await on('once', 'demo/main', 'much', '--', ...endless);
    expect([code, error['code'], error['details']]).toEqual([
      8,
      'value_too_large',
      { limit: 65_536 },
    ]);
  },
);
