import { spawn } from 'node:child_process';
import { text as textOf } from 'node:stream/consumers';
import { checks } from '@holdfast/conformance';
import { expect, test } from 'vitest';
import { lying } from './liar.ts';
import { served } from './served.ts';

const bin = new URL('../bin/holdfast-conformance.js', import.meta.url).pathname;

test('piped, the command writes one line of JSON, and its exit code is the verdict', async () => {
  const at = await served();
  const options = ['--token', at.token, '--store', at.store, '--only', '2.1,9', '--format', 'json'];
  const good = await command(['--url', at.url, ...options]);
  expect(good).toMatchObject({ code: 0, complaint: '' });
  expect(JSON.parse(good.output)).toMatchObject({ passed: 13, failed: 0, skipped: 0 });
  const deaf = await lying(at, { out: (frame) => (frame[1] === '77' ? [] : [frame]) });
  const bad = await command(['--url', deaf.url, ...options, '--timeout', '5000', '--text']);
  expect(bad.code).toBe(1);
  expect(bad.output).toContain('✗ 2.1   a heartbeat is answered with exactly {} (capver 4, json)');
  expect(bad.output).toContain('waited 5000 ms for a frame  [stores.md §7.3]');
  expect(bad.output).toMatch(/11 passed, 2 failed, 0 skipped: the server does not conform\n$/);
}, 120_000);

test('the checks can be listed without a server', async () => {
  const { code, output } = await command(['--list']);
  expect([code, output.trim().split('\n').length]).toEqual([0, checks.length]);
});

test.each([
  [['--token', 'x', '--store', 'a/b'], 'are needed'],
  [['--url', 'x', '--token', 'x', '--store', 'a/b', '--only', '99'], 'no check "99"'],
  [['--url', 'x', '--token', 'x', '--store', 'a/b', '--format', 'xml'], 'json or messagepack'],
  [['--url', 'http://127.0.0.1:1', '--token', 'x', '--store', 'a/b'], 'cannot be written to'],
  [['--nonsense'], 'nonsense'],
])('a command line that leads nowhere is told so, exit code 2: %j', async (args, complaint) => {
  const told = await command(args);
  expect([told.code, told.output]).toEqual([2, '']);
  expect(told.complaint).toContain(complaint);
});

test('every number is that of one check only', () => {
  expect(new Set(checks.map(({ number }) => number)).size).toBe(checks.length);
});

async function command(args: readonly string[]): Promise<{
  readonly code: number | null;
  readonly output: string;
  readonly complaint: string;
}> {
  const env = { PATH: process.env['PATH'] };
  const child = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const [output, complaint] = await Promise.all([textOf(child.stdout), textOf(child.stderr)]);
  return { code: await ended, output, complaint };
}
