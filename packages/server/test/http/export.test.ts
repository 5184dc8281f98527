import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdtempSync,
  type PathLike,
  promises,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as loop } from 'node:timers/promises';
import { defaultLimits } from '@holdfast/protocol';
import { expect, onTestFinished, test } from 'vitest';

import { turnsOfOthers, wide } from './wide.ts';
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
  const asDatabase = await get('sqlite', raw);
  expect(asDatabase.status).toBe(200);
  await asDatabase.body?.cancel();
  expect((await get('zip')).status).toBe(400);
});

test('S95 an archive goes into another store with its files, in any pieces, in lines or all in one', async () => {
  const { world, get } = await open();
  const archive = Buffer.from(await (await get('tar')).arrayBuffer());
  for (const mode of ['lines', 'atomic']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { put, ask, raw } = await another(world, mode);
    // oxlint-disable-next-line no-await-in-loop -- the same
    const answer = await put(archive, `?mode=${mode}`);
    expect(await answer.json()).toMatchObject({ ok: true, imported: 4, failed: [] });
    // oxlint-disable-next-line no-await-in-loop -- the same
    const listed = await ask('GET', `/api/stores/acme/${mode}/entries`);
    expect(listed.json['items']).toMatchObject([
      { path: 'a/x', value: 1 },
      { path: 'a/y', value: [true] },
      { path: 'again', type: 'file' },
      { path: 'doc', type: 'file' },
    ]);
    // oxlint-disable-next-line no-await-in-loop -- the same
    const file = await world.app.request(`/api/stores/acme/${mode}/files/doc`, {
      headers: { authorization: `Bearer ${raw}` },
    });
    // oxlint-disable-next-line no-await-in-loop -- the same
    expect(await file.text()).toBe(content);
  }
});

test('S95 an archive that is none, breaks off, or has content of another name, is refused, whole or by the lines of its files', async () => {
  const { get } = await open();
  const archive = Buffer.from(await (await get('tar')).arrayBuffer());
  // On a server that has none of it.
  const { put, token } = await another(new World(), 'other');
  expect((await put(Buffer.from('x'.repeat(600)))).status).toBe(400);
  expect((await put(archive.subarray(0, archive.length - 20_000))).status).toBe(400);
  const forged = Buffer.from(archive);
  forged[archive.length - 20_000] = 0;
  const answer = await put(forged);
  expect(await answer.json()).toMatchObject({
    imported: 2,
    failed: [
      { path: 'again', reason: 'unknown_file' },
      { path: 'doc', reason: 'unknown_file' },
    ],
  });
  const narrow = await token({ scopes: ['entries:write', 'entries:read'] });
  expect((await put(archive, '', narrow.raw)).status).toBe(403);
});

test('S95 an archive that tar has made anew is taken too, and one without entries is refused', async () => {
  const { get, at } = await open();
  writeFileSync(at('export.tar'), await (await get('tar')).bytes());
  execFileSync('tar', ['-xf', at('export.tar'), '-C', at()]);
  const again = (...names: string[]): Buffer =>
    execFileSync('tar', ['-cf', '-', '-C', at(), ...names], { maxBuffer: 10_000_000 });
  const { put } = await another(new World(), 'other');
  const none = await put(again('./blobs'));
  expect([none.status, await none.json()]).toEqual([
    400,
    { error: 'invalid_params', detail: 'The archive holds no entries.jsonl.' },
  ]);
  const answer = await put(again('./entries.jsonl', './blobs'));
  expect(await answer.json()).toMatchObject({ ok: true, imported: 4, failed: [] });
});

/** Another store of an org that has nothing of the first. */
async function another(world: World, name: string) {
  await world.store(`acme/${name}`);
  const { ask, raw } = await world.token();
  const put = async (bytes: Buffer, query = '', token = raw): Promise<Response> =>
    world.app.request(`/api/stores/acme/${name}/import${query}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-tar' },
      body: streamOf(bytes),
      duplex: 'half',
    } as RequestInit);
  return { put, ask, raw, token: (more: object) => world.token(more) };
}

function streamOf(bytes: Buffer): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => {
      for (let at = 0; at < bytes.length; at += 7001) {
        controller.enqueue(bytes.subarray(at, at + 7001));
      }
      controller.close();
    },
  });
}

test('a format that does not exist is refused before a store is looked at', async () => {
  const world = new World({ withStore: () => Promise.reject(new Error('it was opened')) });
  await world.store('acme/blog');
  const { ask } = await world.token();
  expect((await ask('GET', `${S}/export?format=jsonl`)).status).toBe(500);
  expect((await ask('GET', `${S}/export?format=zip`)).status).toBe(400);
  expect((await world.as(null)('GET', `${S}/export?format=zip`)).status).toBe(401);
});

test('the contents of a large archive are looked for in turns', async () => {
  const world = new World({ limits: { ...defaultLimits, max_json_body: 1_000_000 } });
  await world.store('acme/blog');
  const { ask } = await world.token();
  for (const key of ['a', 'b', 'c']) {
    const map = Object.fromEntries(Array.from({ length: 8000 }, (_, at) => [`n${at}`, 1]));
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await ask('PUT', `${S}/entries/${key}`, map)).status).toBe(200);
  }
  const { raw } = await world.token();
  const headers = { authorization: `Bearer ${raw}` };
  const { body } = await world.app.request(`${S}/export?format=tar`, { headers });
  const reader = body?.getReader();
  const turnsOfReads: number[] = [];
  for (let isOver = false; !isOver;) {
    const reading = reader?.read();
    let turns = 0;
    // oxlint-disable-next-line no-await-in-loop -- turn by turn
    while ((await Promise.race([reading, loop(null)])) === null) turns += 1;
    turnsOfReads.push(turns);
    // oxlint-disable-next-line no-await-in-loop -- the same
    isOver = (await reading)?.done !== false;
  }
  // The lines are counted at first, and looked at for contents when all are sent.
  expect(turnsOfReads.slice(1).some((turns) => turns >= 3)).toBe(true);
});

test('of the databases that nobody reads there are sixteen at most', async () => {
  const { get } = await open();
  const all = await Promise.all(Array.from({ length: 20 }, async () => get('sqlite')));
  const made = all.filter(({ status }) => status === 200);
  expect(made).toHaveLength(16);
  const late = all.find(({ status }) => status !== 200);
  expect([late?.status, late?.headers.get('retry-after')]).toEqual([503, '10']);
  expect(await late?.json()).toMatchObject({ error: 'overloaded' });
  await made[0]?.body?.cancel();
  const next = await get('sqlite');
  expect(next.status).toBe(200);
  await Promise.all([...made.slice(1), next].map(async ({ body }) => body?.cancel()));
});

test('where there is no room for a database, it is unavailable, and the log says why; nothing is left of it', async () => {
  const { world, get } = await open();
  const before = left();
  const { exec } = DatabaseSync.prototype;
  const { mkdtemp } = promises;
  onTestFinished(() => {
    DatabaseSync.prototype.exec = exec;
    promises.mkdtemp = mkdtemp;
    syncBuiltinESMExports();
  });
  DatabaseSync.prototype.exec = function execInNoRoom(sql) {
    exec.call(this, `PRAGMA max_page_count = 2; ${sql}`);
  };
  const amid = await get('sqlite');
  expect([amid.status, (await amid.json()).error]).toEqual([503, 'unavailable']);
  expect(left()).toEqual(before);
  DatabaseSync.prototype.exec = exec;
  promises.mkdtemp = async () => {
    throw Object.assign(new Error('no space left on device'), {
      code: 'ENOSPC',
      syscall: 'mkdtemp',
    });
  };
  syncBuiltinESMExports();
  const atOnce = await get('sqlite');
  expect([atOnce.status, (await atOnce.json()).error]).toEqual([503, 'unavailable']);
  expect(world.failures).toEqual([
    expect.objectContaining({
      reason: 'full',
      message: expect.stringContaining('holdfast-export'),
    }),
    expect.objectContaining({ reason: 'io', message: expect.stringContaining(tmpdir()) }),
  ]);
});

test('given one who hangs up while a database is made, when the next rows are due, then it is given up, and nothing is left of it', async () => {
  const { world, whole } = await wide('acme/wide', 'abc');
  const before = left();
  const { exec } = DatabaseSync.prototype;
  onTestFinished(() => void (DatabaseSync.prototype.exec = exec));
  const asker = new AbortController();
  const done: string[] = [];
  DatabaseSync.prototype.exec = function execAndLeave(sql) {
    exec.call(this, sql);
    done.push(sql);
    asker.abort();
  };
  await world.app.request('/api/stores/acme/wide/export?format=sqlite', {
    headers: { authorization: `Bearer ${whole}` },
    signal: asker.signal,
  });
  expect([done.includes('COMMIT'), left()]).toEqual([false, before]);
  expect(world.failures).toEqual([]);
});

test('what a process that was killed has left of its exports is gone with the next one', async () => {
  const { get } = await open();
  const [dead, alive] = [999_999_999, process.ppid].map((pid) => {
    const directory = mkdtempSync(join(tmpdir(), `holdfast-export-${pid}-`));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    writeFileSync(join(directory, 'export.db'), 'left');
    return basename(directory);
  });
  await (await get('sqlite')).body?.cancel();
  expect(left()).not.toContain(dead);
  expect(left()).toContain(alive);
});

test('a database that cannot be removed yet takes no place of those that come', async () => {
  const { get } = await open();
  const { rm } = promises;
  const unremoved: PathLike[] = [];
  promises.rm = async (path) => {
    unremoved.push(path);
    throw new Error('somebody has it open');
  };
  syncBuiltinESMExports();
  onTestFinished(async () => {
    promises.rm = rm;
    syncBuiltinESMExports();
    await Promise.all(unremoved.map((path) => rm(path, { recursive: true })));
  });
  for (let round = 0; round < 17; round += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    const { status, body } = await get('sqlite');
    expect([round, status]).toEqual([round, 200]);
    // oxlint-disable-next-line no-await-in-loop -- the same
    await body?.cancel().catch(() => undefined);
  }
});

test.each(['jsonl', 'sqlite', 'tar'])(
  'an export as %s to who may read few of many leaves keeps nobody else from their turn',
  async (format) => {
    const { world, narrow } = await wide('acme/blog', 'abcdefghijkl');
    const others = turnsOfOthers();
    const headers = { Authorization: `Bearer ${narrow}` };
    const response = await world.app.request(`${S}/export?format=${format}`, { headers });
    // While they are counted, and while they are told.
    expect(others.count).toBeGreaterThan(10);
    await response.bytes();
    expect(others.count).toBeGreaterThan(20);
  },
);
