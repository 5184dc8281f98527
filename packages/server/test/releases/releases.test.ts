import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { gunzipSync } from 'node:zlib';
import { createServer } from '@holdfast/server';
import { backUp, restore } from '@holdfast/server/backup';
import { expect, onTestFinished, test, vi } from 'vitest';

// Of the data folder that 0.1.0 wrote, as it was left when that server closed.
const token = 'hf_tok_B-xj_qAmFWWiWlHLlAvekUNdzRcoIRhQhGO6UDY777g';
const entries = [
  { path: 'hits', value: 7, type: 'counter', revision: 4 },
  {
    path: 'jobs/nightly',
    value: { _type: 'lease', holder: null, token: 11, expires_at: 1795250496917 },
    type: 'lease',
    revision: 11,
  },
  {
    path: 'posts/hello/at',
    value: { _type: 'datetime', _typed: '2026-03-31T12:00:00Z' },
    type: 'datetime',
    revision: 1,
  },
  { path: 'posts/hello/draft', value: false, type: 'boolean', revision: 2 },
  { path: 'posts/hello/title', value: 'Hi', type: 'string', revision: 1 },
  { path: 't/1', value: 'one', type: 'string', revision: 9 },
  {
    path: 't/2',
    value: { _type: 'bigint', _typed: '9007199254740993' },
    type: 'bigint',
    revision: 10,
  },
  { path: 'tags', value: ['x'], type: 'set', revision: 5 },
];

async function opened(release: string) {
  const data = await mkdtemp(join(tmpdir(), 'holdfast-release-'));
  const packed = await readFile(new URL(`${release}.db.gz`, import.meta.url));
  await writeFile(join(data, 'holdfast.db'), gunzipSync(packed));
  onTestFinished(() => rm(data, { recursive: true, force: true }));
  return data;
}

async function serve(data: string) {
  const server = createServer({ data });
  const { url } = await server.listen();
  const ask = async (path: string, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const answer = await fetch(`${url}/api${path}`, { headers, ...init });
    return { status: answer.status, json: await answer.json() };
  };
  return { server, ask };
}

test('the data folder of 0.1.0 opens: entries, revisions, log, tokens and archived stores are there', async () => {
  const data = await opened('0.1.0');
  const { server, ask } = await serve(data);
  expect((await ask('/stores/acme/app/entries')).json.items).toEqual(entries);
  expect((await ask('/stores')).json.stores).toMatchObject([
    { full_name: 'acme/app', status: 'active' },
    { full_name: 'acme/gone', status: 'archived' },
  ]);
  expect((await ask('/stores/acme/app/log')).json.pagination.total).toBe(11);
  expect((await ask('/stores/acme/app/diff?from_seq=0&to_seq=4')).json.changes).toHaveLength(4);
  const body = JSON.stringify({ to_seq: 4, path: 'posts' });
  expect((await ask('/stores/acme/app/rollback', { method: 'POST', body })).json.store_seq).toBe(
    11,
  );
  await server.close();
});

test('what is written after the upgrade is there the next time', async () => {
  const data = await opened('0.1.0');
  const first = await serve(data);
  const put = await first.ask('/stores/acme/app/entries/new', { method: 'PUT', body: '"x"' });
  expect(put.json).toEqual({ revision: 12, store_seq: 12 });
  await first.server.close();
  const second = await serve(data);
  expect((await second.ask('/stores/acme/app/entries/new')).json).toMatchObject({ value: 'x' });
  await second.server.close();
});

test('the data folder of 0.1.0 is backed up as it is, so that it is a way back, and its backup is restored', async () => {
  const data = await opened('0.1.0');
  const backup = join(data, 'backup');
  const report = await backUp({ from: data, to: backup, now: Date.now });
  expect(report).toMatchObject({ stores: 2, files: 0, missing: [] });
  expect(versionOf(backup)).toBe(versionOf(data));
  const restored = join(data, 'restored');
  expect(await restore({ from: backup, to: restored })).toMatchObject({ stores: 2 });
  const { server, ask } = await serve(restored);
  expect((await ask('/stores/acme/app/entries')).json.items).toEqual(entries);
  await server.close();
});

test('a restore that finds no room while it brings data of 0.1.0 up to date names the place that is full, and leaves nothing there', async () => {
  const data = await opened('0.1.0');
  const backup = join(data, 'backup');
  await backUp({ from: data, to: backup, now: Date.now });
  const { exec } = DatabaseSync.prototype;
  const spied = vi.spyOn(DatabaseSync.prototype, 'exec');
  spied.mockImplementation(function run(this: DatabaseSync, text) {
    if (!text.startsWith('BEGIN')) return exec.call(this, text);
    throw Object.assign(new Error('database or disk is full'), { errcode: 13 });
  });
  onTestFinished(() => spied.mockRestore());
  const restored = join(data, 'restored');
  await expect(restore({ from: backup, to: restored })).rejects.toMatchObject({
    name: 'BackupError',
    message: `There is no space left for ${restored}.`,
  });
  expect(await readdir(restored)).toEqual([]);
});

function versionOf(directory: string): unknown {
  const database = new DatabaseSync(join(directory, 'holdfast.db'), { readOnly: true });
  const version = database.prepare('PRAGMA user_version').get()?.['user_version'];
  database.close();
  return version;
}
