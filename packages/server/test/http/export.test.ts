import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';

import { World } from './world.ts';

const S = '/api/stores/acme/blog';
const content = 'what is in the file '.repeat(9000);
const digits = createHash('sha256').update(content).digest('hex');

async function open() {
  const world = new World();
  await world.store('acme/blog');
  const { ask, raw } = await world.token();
  await ask('PUT', `${S}/entries/a`, { x: 1, y: [true] });
  await ask('POST', `${S}/transact`, { ops: [{ op: 'lease', path: 'job' }] });
  for (const name of ['doc', 'again']) {
    // oxlint-disable-next-line no-await-in-loop -- seqs in this order
    await world.app.request(`${S}/files/${name}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${raw}`, 'content-type': 'text/plain' },
      body: content,
    });
  }
  const get = (format: string, token = raw) =>
    world.app.request(`${S}/export?format=${format}`, {
      headers: { authorization: `Bearer ${token}` },
    });
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return { world, get, at: (...names: string[]) => join(directory, ...names) };
}

const left = () => readdirSync(tmpdir()).filter((name) => name.startsWith('holdfast-export-'));

test('S95 an export as a database has the entries and what the header says, and leaves no file behind', async () => {
  const { get, at } = await open();
  const before = left();
  const response = await get('sqlite');
  expect(response.headers.get('content-type')).toBe('application/vnd.sqlite3');
  writeFileSync(at('export.db'), await response.bytes());
  const database = new DatabaseSync(at('export.db'), { readOnly: true });
  const rows = database.prepare('SELECT * FROM entries ORDER BY path').all();
  expect(rows.map(({ path, type, revision }) => [path, type, revision])).toEqual([
    ['a/x', 'integer', 1],
    ['a/y', 'list', 1],
    ['again', 'file', 4],
    ['doc', 'file', 3],
  ]);
  expect(rows[1]?.['value']).toBe('[true]');
  const meta = database.prepare("SELECT value FROM meta WHERE key = 'seq'").get();
  expect(meta).toMatchObject({ value: '4' });
  database.close();
  await (await get('sqlite')).body?.cancel();
  expect(left().filter((name) => !before.includes(name))).toEqual([]);
});

test('S95 an export as an archive has the lines, and each content once, as tar reads it', async () => {
  const { get, at } = await open();
  const response = await get('tar');
  expect(response.headers.get('content-disposition')).toContain('acme-blog-4.tar');
  writeFileSync(at('export.tar'), await response.bytes());
  execFileSync('tar', ['-xf', at('export.tar'), '-C', at()]);
  expect(readdirSync(at('blobs'))).toEqual([digits]);
  expect(readFileSync(at('blobs', digits), 'utf8')).toBe(content);
  const lines = readFileSync(at('entries.jsonl'), 'utf8');
  expect(lines).toBe(await (await get('jsonl')).text());
});

test('S95 an archive needs the right to read files, and other formats do not exist', async () => {
  const { world, get } = await open();
  const { raw } = await world.token({ scopes: ['entries:read'] });
  expect((await get('tar', raw)).status).toBe(403);
  expect((await get('sqlite', raw)).status).toBe(200);
  expect((await get('zip')).status).toBe(400);
});
