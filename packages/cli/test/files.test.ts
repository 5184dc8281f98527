import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  bin,
  cli,
  linesOf,
  onTerminal,
  type Running,
  start,
  temporaryDirectory,
} from './harness.ts';

let server: Running;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeAll(async () => {
  directory = await temporaryDirectory();
  server = await start('dev', ['--data', join(directory.path, 'data')]);
});
afterAll(async () => {
  await server.stop();
  await directory.remove();
});

const at = (name: string): string => join(directory.path, name);
const run = (...args: string[]) => cli([...args, '--url', server.url]);
const hashOf = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');

describe('put-file and get-file', () => {
  test(
    'S99 carry a file there and back, with progress and a JSON line',
    { timeout: 120_000 },
    async () => {
      const content = randomBytes(3_000_000);
      writeFileSync(at('photo.png'), content);
      const put = await run('put-file', 'demo/main', 'photos/a', at('photo.png'));
      expect(put.code).toBe(0);
      expect(put.rows).toEqual([
        {
          op: 'put-file',
          path: 'photos/a',
          seq: expect.any(Number),
          hash: `sha256:${hashOf(content)}`,
          size: 3_000_000,
          content_type: 'image/png',
          filename: 'photo.png',
        },
      ]);
      const steps = linesOf(put.stderr).flatMap(({ progress }) =>
        progress === undefined ? [] : [progress],
      );
      expect(steps.at(-1)).toEqual({ label: 'photos/a', done: 3_000_000, total: 3_000_000 });
      const get = await run('get-file', 'demo/main', 'photos/a', at('copy.png'));
      expect(get.code).toBe(0);
      expect(get.rows).toMatchObject([{ path: 'photos/a', file: at('copy.png'), size: 3_000_000 }]);
      expect(readFileSync(at('copy.png')).equals(content)).toBe(true);
      expect(readdirSync(directory.path).filter((name) => name.endsWith('.part'))).toEqual([]);
    },
  );

  test(
    'a download goes on from what is there, and begins anew where that is wrong',
    { timeout: 120_000 },
    async () => {
      const content = randomBytes(2_000_000);
      writeFileSync(at('b.bin'), content);
      await run('put-file', 'demo/main', 'b', at('b.bin'));
      const part = `${at('b.copy')}.${hashOf(content).slice(0, 12)}.part`;
      writeFileSync(part, content.subarray(0, 1_500_000));
      const get = await run('get-file', 'demo/main', 'b', at('b.copy'));
      const steps = linesOf(get.stderr).map(({ progress }) => (progress as { done: number }).done);
      expect(steps[0]).toBe(1_500_000);
      expect(readFileSync(at('b.copy')).equals(content)).toBe(true);
      // All came, and the process was killed before it said so.
      writeFileSync(part, content);
      expect((await run('get-file', 'demo/main', 'b', at('b.copy'), '--force')).code).toBe(0);
      expect([readFileSync(at('b.copy')).equals(content), existsSync(part)]).toEqual([true, false]);
      writeFileSync(part, randomBytes(1_500_000));
      const wrong = await run('get-file', 'demo/main', 'b', at('b.copy'), '--force');
      expect([wrong.code, existsSync(part)]).toEqual([1, false]);
      expect((await run('get-file', 'demo/main', 'b', at('b.copy'), '--force')).code).toBe(0);
    },
  );

  test.runIf(process.platform === 'linux')(
    'what is no file, as a pipe or a device, is written to and never replaced; a link leads on',
    { timeout: 120_000 },
    async () => {
      execFileSync('mkfifo', [at('pipe')]);
      writeFileSync(at('there'), 'old');
      symlinkSync(at('there'), at('link'));
      await run('put', 'demo/main', 'piped', '1');
      await cli(['put-file', 'demo/main', 'p', '-', '--url', server.url], { input: 'content' });
      const read = (): Promise<string> => readFile(at('pipe'), 'utf8');
      const [lines, exported] = await Promise.all([read(), run('export', 'demo/main', at('pipe'))]);
      expect(exported.code).toBe(0);
      expect(lines).toContain('"path":"piped"');
      const got = await Promise.all([read(), run('get-file', 'demo/main', 'p', at('pipe'))]);
      expect([got[0], got[1].code]).toEqual(['content', 0]);
      expect(statSync(at('pipe')).isFIFO()).toBe(true);
      expect((await run('export', 'demo/main', at('link'))).code).toBe(0);
      expect(lstatSync(at('link')).isSymbolicLink()).toBe(true);
      expect(readFileSync(at('there'), 'utf8')).toContain('"path":"piped"');
    },
  );

  test.runIf(process.platform === 'linux')(
    'output that cannot be written is told, and is no success',
    { timeout: 120_000 },
    async () => {
      const full = openSync('/dev/full', 'w');
      const child = spawn(process.execPath, [bin, 'entries', 'demo/main', '--url', server.url], {
        stdio: ['ignore', full, 'pipe'],
      });
      const { stderr } = child;
      if (stderr === null) throw new Error('There is no standard error.');
      const [told, [code]] = await Promise.all([text(stderr), once(child, 'close')]);
      closeSync(full);
      expect(code).toBe(2);
      expect(linesOf(told).at(-1)).toMatchObject({ error: { code: 'ENOSPC', exit_code: 2 } });
    },
  );

  test('standard input and output will do', { timeout: 120_000 }, async () => {
    const put = await cli(
      ['put-file', 'demo/main', 'c', '-', '--url', server.url, '--filename', 'c.txt'],
      {
        input: 'from a pipe',
      },
    );
    expect(put.rows).toMatchObject([{ size: 11, content_type: 'text/plain', filename: 'c.txt' }]);
    const get = await run('get-file', 'demo/main', 'c', '-');
    expect([get.code, get.stdout]).toEqual([0, 'from a pipe']);
  });

  test('say by exit code and words what was wrong', { timeout: 120_000 }, async () => {
    writeFileSync(at('d.txt'), 'text');
    expect((await run('put-file', 'demo/main', 'd', at('d.txt'))).code).toBe(0);
    const exists = await run('put-file', 'demo/main', 'd', at('d.txt'), '--if-absent');
    expect([exists.code, exists.error['code']]).toEqual([4, 'exists']);
    const conflict = await run('put-file', 'demo/main', 'd', at('d.txt'), '--if-match', '99999');
    expect([conflict.code, conflict.error['code']]).toEqual([3, 'conflict']);
    const fenced = await run('put-file', 'demo/main', 'd', at('d.txt'), '--fence', 'jobs:99999');
    expect([fenced.code, fenced.error['code']]).toEqual([5, 'fenced']);
    const none = await run('put-file', 'demo/main', 'd', at('nothing'));
    expect(none.code).toBe(2);
    const missing = await run('get-file', 'demo/main', 'nothing', at('x'));
    expect([missing.code, missing.error['code']]).toEqual([9, 'not_found']);
    expect((await run('get-file', 'demo/main', 'd', at('d.txt'))).code).toBe(4);
    const denied = await run('get-file', 'demo/main', 'd', at('y'), '--token', 'wrong');
    expect(denied.code).toBe(6);
    expect(existsSync(at('y'))).toBe(false);
    const nowhere = await run('get-file', 'demo/main', 'd', at('no/such/place'));
    expect([nowhere.code, nowhere.error['code']]).toEqual([2, 'ENOENT']);
  });

  test('show a bar on a terminal', { timeout: 120_000 }, async () => {
    writeFileSync(at('e.txt'), 'text');
    const put = await onTerminal(['put-file', 'demo/main', 'e', at('e.txt'), '--url', server.url]);
    expect(put.code).toBe(0);
    expect(put.stdout).toContain('put-file e');
    expect(put.stderr).toContain('100 %');
    expect(put.stderr).toContain('4 B of 4 B');
  });
});
