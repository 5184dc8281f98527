import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { asStoreName } from '@holdfast/protocol';
import { type LoadChunk, StorageError } from '@holdfast/server/storage';
import { sqlite, type SqliteOptions } from '@holdfast/server/storage/sqlite';
import { answer, batchOf, op, opsAfter } from '../../src/storage/conformance/subject.ts';

const root = mkdtempSync(join(tmpdir(), 'holdfast-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let count = 0;
let directory = '';
let file = '';
beforeEach(() => {
  directory = join(root, `case ${String((count += 1))}`);
  file = join(directory, 'holdfast.db');
});

async function fill(ops: number): Promise<void> {
  const storage = sqlite({ directory });
  const store = { id: 's', name: asStoreName('acme/app'), incarnation: 'i', expiresAt: null };
  await storage.stores.create(store);
  const batch = batchOf(opsAfter(0, ops), { answers: [answer(1)] });
  expect(await storage.append('s', 0, batch)).toEqual({ status: 'stored' });
  await storage.close();
}

function edit(sql: string): void {
  const db = new DatabaseSync(file);
  db.exec(sql);
  db.close();
}

function errorOf(run: () => unknown): StorageError {
  try {
    run();
  } catch (error) {
    if (error instanceof StorageError) return error;
    throw error;
  }
  throw new Error('It did not throw.');
}

const opening = (options: Partial<SqliteOptions> = {}): StorageError =>
  errorOf(() => sqlite({ directory, ...options }));

/** Does it as a user whom permissions bind: they do not bind root. */
function asSomebody<T>(run: () => T): T {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    return run();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

const corrupt = (text: string): object => ({
  reason: 'corrupt',
  message: expect.stringContaining(text),
});

/** Rows of the log, and purged stores that are still to be swept away. */
function remains(): unknown {
  const db = new DatabaseSync(file, { readOnly: true });
  const sql = 'SELECT (SELECT count(*) FROM log) + (SELECT count(*) FROM purged) AS n';
  const n = db.prepare(sql).get()?.['n'];
  db.close();
  return n;
}

async function readAll(load: AsyncIterator<LoadChunk>): Promise<void> {
  while ((await load.next()).done !== true);
}

describe('the file of the SQLite driver', () => {
  it('is refused to a second opener in the same process, and free again after close', async () => {
    const storage = sqlite({ directory });
    expect(opening()).toMatchObject({ reason: 'locked', message: expect.stringContaining(file) });
    await storage.close();
    await sqlite({ directory }).close();
  });

  it('is refused to a second opener with the same words where a runtime names what SQLite says, and gives no code', async () => {
    const storage = sqlite({ directory });
    const told = opening();
    const exec = Reflect.get(DatabaseSync.prototype, 'exec');
    const runtime = vi.spyOn(DatabaseSync.prototype, 'exec');
    runtime.mockImplementation(function bare(this: DatabaseSync, sql: string) {
      try {
        exec.call(this, sql);
      } catch (error) {
        throw error instanceof Error ? new Error(error.message) : error;
      }
    });
    try {
      expect(opening()).toMatchObject({ reason: 'locked', message: told.message });
    } finally {
      runtime.mockRestore();
    }
    await storage.close();
  });

  it('is refused to a user who may not write to it, or not to its lock', async () => {
    await sqlite({ directory }).close();
    chmodSync(root, 0o755);
    chmodSync(directory, 0o777);
    const lock = join(directory, 'holdfast.lock');
    for (const closed of [file, lock]) {
      for (const each of [file, lock]) chmodSync(each, each === closed ? 0o444 : 0o666);
      const error = asSomebody(opening);
      expect(error).toMatchObject({ reason: 'io' });
      expect(error.message).toContain(`${closed} may not be written to by this user`);
    }
  });

  it('takes no space for its lock, so that a server starts on a full disk', async () => {
    const storage = sqlite({ directory });
    const names = readdirSync(directory).filter((name) => name.startsWith('holdfast.lock'));
    expect(names).toEqual(['holdfast.lock']);
    expect(statSync(join(directory, 'holdfast.lock')).size).toBe(0);
    await storage.close();
  });

  it('is reported as corrupt and left alone if it is not a database', () => {
    mkdirSync(directory);
    const bytes = 'This is a letter and no database. '.repeat(500);
    writeFileSync(file, bytes);
    const error = opening();
    expect(error.reason).toBe('corrupt');
    expect(error.message).toMatch(/not a sound Holdfast database.*restore a backup/);
    expect(readFileSync(file, 'utf8')).toBe(bytes);
  });

  it('is reported as corrupt and left alone if pages are damaged or missing', async () => {
    await fill(2000);
    const bytes = readFileSync(file);
    bytes.fill(0x5a, 8192, 40_000);
    writeFileSync(file, bytes);
    expect(opening().reason).toBe('corrupt');
    expect(readFileSync(file).equals(bytes)).toBe(true);
    truncateSync(file, 50_000);
    expect(opening().reason).toBe('corrupt');
  });

  it('is left alone if another application wrote it', () => {
    mkdirSync(directory);
    edit('CREATE TABLE photos (id INTEGER PRIMARY KEY)');
    const bytes = readFileSync(file);
    expect(opening()).toMatchObject({
      reason: 'corrupt',
      message: expect.stringContaining('another application'),
    });
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  it('is refused if newer code wrote it', async () => {
    await fill(1);
    edit('PRAGMA user_version = 999');
    const error = opening();
    expect(error.reason).toBe('newer_schema');
    expect(error.message).toMatch(/schema version 999.*Nothing was changed.*newer/);
  });

  it('is an error that names the directory if that cannot be made', () => {
    writeFileSync(join(root, 'in the way'), '');
    const error = opening({ directory: join(root, 'in the way', 'data') });
    expect(error.reason).toBe('io');
    expect(error.message).toContain('in the way/data');
  });

  it('is a clear error, not a strange value, where a row is damaged', async () => {
    await fill(3);
    edit(`UPDATE entries SET value = '{"cut' WHERE path = 'items/2'; UPDATE log SET op = 'dance' WHERE seq = 2;
      UPDATE answers SET reply = '[]'`);
    const storage = sqlite({ directory });
    const load = async (): Promise<void> => {
      for await (const { seq } of storage.load('s')) expect(seq).toBe(3);
    };
    await expect(load()).rejects.toMatchObject(corrupt('column value of a row holds "{"cut"'));
    await expect(storage.read('s', 0, { ops: 9 })).rejects.toMatchObject(corrupt('dance'));
    const asked = { ids: [answer(1)], clients: [] };
    await expect(storage.answers('s', asked)).rejects.toMatchObject(corrupt('reply'));
    expect(await storage.read('s', 2, { ops: 9 })).toHaveLength(1);
    await storage.close();
  });

  it('fails appends beyond its quota with nothing stored, and takes them when that is raised', async () => {
    await fill(1);
    const storage = sqlite({ directory, bytesMax: 200_000 });
    const big = batchOf(opsAfter(1, 2000), { answers: [answer(2)] });
    const result = await storage.append('s', 1, big);
    expect(result).toMatchObject({
      status: 'failed',
      reason: 'full',
      message: expect.stringMatching(/no space left .* raise/),
    });
    expect((await storage.open('s'))?.head).toBe(1);
    expect((await storage.answers('s', { ids: [answer(2)], clients: [] })).answers).toEqual([]);
    expect(await storage.append('s', 1, batchOf([op(2)]))).toEqual({ status: 'stored' });
    await storage.close();
    const roomy = sqlite({ directory });
    const rest = batchOf(opsAfter(2, 2000));
    expect(await roomy.append('s', 2, rest)).toEqual({ status: 'stored' });
    await roomy.close();
  });

  it('goes on with sweeping a purged store after a restart', async () => {
    await fill(5000);
    const first = sqlite({ directory });
    const purged = first.stores.purge('s');
    await first.close();
    expect(await purged).toBe(true);
    const second = sqlite({ directory });
    await expect.poll(remains).toBe(0);
    await second.close();
  });

  it('goes on with sweeping a purged store, without a restart, when its disk takes deletes again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    await fill(600);
    const storage = sqlite({ directory });
    const exec = Reflect.get(DatabaseSync.prototype, 'exec');
    const disk = vi.spyOn(DatabaseSync.prototype, 'exec');
    disk.mockImplementation(function refusing(this: DatabaseSync, sql: string) {
      if (sql === 'PRAGMA secure_delete = ON') throw new Error('database or disk is full');
      exec.call(this, sql);
    });
    expect(await storage.stores.purge('s')).toBe(true);
    await expect.poll(() => [vi.getTimerCount(), remains()]).toEqual([1, 601]);
    disk.mockRestore();
    vi.advanceTimersByTime(60_000);
    await expect.poll(remains).toBe(0);
    await storage.close();
  });

  it('holds nothing of what a purged store held, not in pages that are free again either', async () => {
    const storage = sqlite({ directory });
    const store = { id: 's', name: asStoreName('acme/app'), incarnation: 'i', expiresAt: null };
    await storage.stores.create(store);
    for (let head = 0; head < 3000; head += 100) {
      const ops = Array.from({ length: 100 }, (_, n) => op(head + 1 + n, { value: 'of a person' }));
      // oxlint-disable-next-line no-await-in-loop -- one append follows the other
      expect(await storage.append('s', head, batchOf(ops))).toEqual({ status: 'stored' });
    }
    await storage.stores.purge('s');
    await expect.poll(remains).toBe(0);
    await storage.close();
    expect(readFileSync(file).includes('of a person')).toBe(false);
  });

  it('keeps less than the spec demands for nobody', () => {
    const below = { answers: 99_999, answersMs: 3_600_000, resyncMs: 0 };
    for (const [name, value] of Object.entries(below)) {
      expect(() => sqlite({ directory, retention: { [name]: value } })).toThrow(RangeError);
    }
  });

  it.each([
    ['moved', () => renameSync(file, `${file}.away`)],
    ['deleted', () => rmSync(file)],
    ['robbed of its log', () => rmSync(`${file}-wal`)],
    ['robbed of its index', () => rmSync(`${file}-shm`)],
    [
      'replaced',
      () => {
        copyFileSync(file, `${file}.copy`);
        renameSync(`${file}.copy`, file);
      },
    ],
  ])('stores nothing in a file that was %s under it, and says so', async (_how, move) => {
    await fill(3);
    const storage = sqlite({ directory });
    move();
    const batch = batchOf(opsAfter(3, 1));
    const message = expect.stringMatching(/moved, deleted or replaced/);
    const refusal = { status: 'failed', reason: 'io', message };
    expect(await storage.append('s', 3, batch)).toEqual(refusal);
    await expect(storage.load('s')[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      reason: 'io',
      message,
    });
    expect(await storage.open('s')).toMatchObject({ head: 3 });
    await storage.close();
  });

  it('has all that it said it stored, after a restart, where its log was deleted under it', async () => {
    await fill(3);
    const storage = sqlite({ directory });
    expect(await storage.append('s', 3, batchOf(opsAfter(3, 1)))).toEqual({ status: 'stored' });
    rmSync(`${file}-wal`);
    const refused = await storage.append('s', 4, batchOf(opsAfter(4, 1)));
    expect(refused).toMatchObject({ status: 'failed', reason: 'io' });
    await storage.close();
    const again = sqlite({ directory });
    expect(await again.open('s')).toMatchObject({ head: 4 });
    expect(await again.append('s', 4, batchOf(opsAfter(4, 1)))).toEqual({ status: 'stored' });
    await again.close();
  });

  it('takes over what a killed process has left in its log before anybody commits', async () => {
    const storage = sqlite({ directory });
    const store = { id: 's', name: asStoreName('acme/app'), incarnation: 'i', expiresAt: null };
    await storage.stores.create(store);
    expect(await storage.append('s', 0, batchOf(opsAfter(0, 3)))).toEqual({ status: 'stored' });
    const killed = join(root, 'killed');
    mkdirSync(killed);
    for (const name of ['holdfast.db', 'holdfast.db-wal']) {
      copyFileSync(join(directory, name), join(killed, name));
    }
    await storage.close();
    const log = join(killed, 'holdfast.db-wal');
    expect(statSync(log).size).toBeGreaterThan(0);
    const again = sqlite({ directory: killed });
    expect(statSync(log).size).toBe(0);
    expect(await again.open('s')).toMatchObject({ head: 3 });
    await again.close();
  });

  it('lets a ninth load wait for one of the eight before it, and tells it when it is closed meanwhile', async () => {
    await fill(2000);
    const storage = sqlite({ directory });
    const begin = (): AsyncIterator<LoadChunk> => storage.load('s')[Symbol.asyncIterator]();
    const begun = Array.from({ length: 8 }, begin);
    await Promise.all(begun.map((load) => load.next()));
    const ninth = begin();
    const first = ninth.next();
    await Promise.all(begun.map(readAll));
    await first;
    const others = Array.from({ length: 7 }, begin);
    await Promise.all(others.map((load) => load.next()));
    const late = begin().next();
    const told = expect(late).rejects.toThrow('The storage is closed. Open it again.');
    await storage.close();
    await told;
    await Promise.all([ninth, ...others].map(readAll));
  });

  it('loads again when its disk works again, however many loads have failed meanwhile', async () => {
    await fill(2000);
    const storage = sqlite({ directory });
    expect(await storage.append('s', 2000, batchOf(opsAfter(2000, 3)))).toEqual({
      status: 'stored',
    });
    const begun = Array.from({ length: 8 }, () => storage.load('s')[Symbol.asyncIterator]());
    await Promise.all(begun.map((load) => load.next()));
    const log = `${file}-wal`;
    const kept = readFileSync(log);
    truncateSync(log);
    const failed = { name: 'StorageError', reason: 'io', message: expect.stringContaining(file) };
    await Promise.all(begun.map((load) => expect(readAll(load)).rejects.toMatchObject(failed)));
    writeFileSync(log, kept, { flag: 'r+' });
    await readAll(storage.load('s')[Symbol.asyncIterator]());
    await storage.close();
  });

  it('stores again when a file that was moved is back', async () => {
    await fill(3);
    const storage = sqlite({ directory });
    renameSync(file, `${file}.away`);
    expect(await storage.append('s', 3, batchOf(opsAfter(3, 1)))).toMatchObject({
      status: 'failed',
    });
    renameSync(`${file}.away`, file);
    expect(await storage.append('s', 3, batchOf(opsAfter(3, 1)))).toEqual({ status: 'stored' });
    await storage.close();
  });

  it('says of a file that it cannot reach that, and why, not that it was moved; and stores again when it can', async () => {
    await fill(3);
    const storage = sqlite({ directory });
    renameSync(directory, `${directory}.away`);
    symlinkSync(directory, directory);
    const refusal = await storage.append('s', 3, batchOf(opsAfter(3, 1)));
    unlinkSync(directory);
    renameSync(`${directory}.away`, directory);
    const message = expect.stringMatching(/cannot be reached any more \(ELOOP/);
    expect(refusal).toEqual({ status: 'failed', reason: 'io', message });
    expect(await storage.append('s', 3, batchOf(opsAfter(3, 1)))).toEqual({ status: 'stored' });
    await storage.close();
  });
});
