import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cli, type Ran, type Running, start, temporaryDirectory } from './harness.ts';

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

const slow = { timeout: 120_000 };
const env = () => ({ HOLDFAST_URL: server.url, HOLDFAST_TOKEN: 'dev' });
const on = (...args: string[]): Promise<Ran> => cli(args, { env: env() });

async function written(store: string): Promise<readonly number[]> {
  expect((await on('stores', 'create', store)).code).toBe(0);
  const seqs: number[] = [];
  for (const args of [
    ['put', store, 'a', '1'],
    ['put', store, 'a', '2'],
    ['put', store, 'b/c', '"x"'],
    ['delete', store, 'a'],
  ]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { rows } = await on(...args);
    seqs.push(Number(rows[0]?.['seq']));
  }
  return seqs;
}

test('log tells what happened newest first, page by page and filtered', slow, async () => {
  await written('demo/log');
  const page = await on('log', 'demo/log', '--limit', '3');
  expect(page.rows.map(({ op, path, seq }) => [op, path, seq])).toEqual([
    ['delete', 'a', 4],
    ['set', 'b/c', 3],
    ['set', 'a', 2],
  ]);
  expect(page.stderr).toContain('"next":2');
  expect((await on('log', 'demo/log', '--before', '2')).rows).toMatchObject([{ seq: 1 }]);
  expect((await on('log', 'demo/log', '--path', 'b/*')).rows).toMatchObject([{ seq: 3 }]);
  expect((await on('log', 'demo/log', '--op', 'drop')).code).toBe(8);
});

test('diff and at show what was, and rollback brings it back', slow, async () => {
  await written('demo/past');
  expect((await on('diff', 'demo/past', '1')).rows).toEqual([
    { path: 'a', before: 1, after: null, before_type: 'integer', after_type: null },
    { path: 'b/c', before: null, after: 'x', before_type: null, after_type: 'string' },
  ]);
  expect((await on('at', 'demo/past', '2')).rows).toMatchObject([{ path: 'a', value: 2 }]);
  expect(await on('rollback', 'demo/past', '2')).toMatchObject({ code: 2 });
  const back = await on('rollback', 'demo/past', '1', '--path', 'a');
  expect(back.rows).toMatchObject([{ op: 'rollback', path: 'a', store_seq: 5 }]);
  expect((await on('get', 'demo/past', 'a')).rows).toMatchObject([{ value: 1 }]);
  expect((await on('rollback', 'demo/past', '0', '--all')).rows).toMatchObject([
    { ops_written: 2 },
  ]);
  expect((await on('entries', 'demo/past')).rows).toEqual([]);
});

test('export writes a file that import reads, once however often it is run', slow, async () => {
  await written('demo/from');
  await on('stores', 'create', 'demo/to');
  const file = join(directory.path, 'from.jsonl');
  const out = await on('export', 'demo/from', file);
  expect(out.rows).toMatchObject([{ store: 'demo/from', entries: 1, file }]);
  expect((await readFile(file, 'utf8')).split('\n')).toHaveLength(3);
  const first = await on('import', 'demo/to', file, '--id', 'move');
  expect(first).toMatchObject({ code: 0, rows: [{ imported: 1, skipped: 0 }] });
  const again = await on('import', 'demo/to', file, '--id', 'move');
  expect(again.rows).toMatchObject([{ imported: 0, skipped: 1 }]);
  expect((await on('get', 'demo/to', 'b/c')).rows).toMatchObject([{ value: 'x' }]);
  const archive = join(directory.path, 'from.tar');
  await on('export', 'demo/from', archive, '--format', 'tar');
  await on('stores', 'create', 'demo/tar');
  expect(await on('import', 'demo/tar', archive)).toMatchObject({ rows: [{ imported: 1 }] });
});

test('bad lines are told, and an atomic import of them writes nothing', slow, async () => {
  await on('stores', 'create', 'demo/bad');
  const file = join(directory.path, 'bad.jsonl');
  await writeFile(file, '{"path":"ok","value":1}\n{"path":"","value":2}\n');
  const none = await on('import', 'demo/bad', file);
  const hint = expect.stringContaining('--headerless');
  expect(none).toMatchObject({ code: 8, error: { code: 'header_required', hint } });
  const atomic = await on('import', 'demo/bad', file, '--headerless', 'slash', '--atomic');
  expect(atomic).toMatchObject({ code: 8, error: { code: 'lines_failed' } });
  expect((await on('entries', 'demo/bad')).rows).toEqual([]);
  const some = await on('import', 'demo/bad', file, '--headerless', 'slash');
  expect(some).toMatchObject({ code: 8, rows: [{ imported: 1, failed_total: 1 }] });
  expect(await on('import', 'demo/bad', join(directory.path, 'none'))).toMatchObject({ code: 2 });
});

test('clone makes another store that begins as the first is', slow, async () => {
  await written('demo/original');
  const { rows } = await on('clone', 'demo/original', 'twin');
  expect(rows).toMatchObject([{ name: 'demo/twin', source: 'demo/original', store_seq: 4 }]);
  expect((await on('get', 'demo/twin', 'b/c')).rows).toMatchObject([{ value: 'x', revision: 3 }]);
  expect((await on('clone', 'demo/original', 'twin')).error).toMatchObject({ code: 'name_taken' });
});

const to = (format: string): string => join(directory.path, `out.${format}`);

test('export writes a database or an archive, too', slow, async () => {
  await written('demo/formats');
  for (const format of ['sqlite', 'tar']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { rows } = await on('export', 'demo/formats', to(format), '--format', format);
    expect(rows).toMatchObject([{ store: 'demo/formats', format }]);
  }
  expect((await readFile(to('sqlite'))).subarray(0, 15).toString()).toBe('SQLite format 3');
  expect((await readFile(to('tar'))).subarray(0, 13).toString()).toBe('entries.jsonl');
  expect(await on('export', 'demo/formats', to('zip'), '--format', 'zip')).not.toMatchObject({
    code: 0,
  });
});
