import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { sqlite } from '@holdfast/server/storage/sqlite';
import { expect, onTestFinished, test } from 'vitest';

import { applicationId, migrations } from '../../src/storage/sqlite/schema.ts';

const hash = (digit: string): string => `sha256:${digit.repeat(64)}`;
const file = (digit: string, size: number): object => ({
  _type: 'file',
  hash: hash(digit),
  size,
  content_type: 'text/plain',
  filename: null,
  uploaded_at: '2026-01-01T00:00:00Z',
});

test('a data folder from before files were counted opens, and what it names is counted', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-old-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const db = new DatabaseSync(join(directory, 'holdfast.db'));
  db.exec(`${migrations[0]} PRAGMA application_id = ${applicationId}; PRAGMA user_version = 1;
    INSERT INTO stores (id, name, status, incarnation, inserted_at, head)
      VALUES ('s', 'acme/app', 'active', 'i', 0, 3);`);
  const entry = db.prepare('INSERT INTO entries VALUES (1, ?, ?, ?, ?)');
  entry.run('a', JSON.stringify(file('a', 10)), 'file', 1);
  entry.run('t', JSON.stringify('{"_type":"file"}'), 'string', 2);
  const log = db.prepare(`INSERT INTO log (store, seq, op, path, value, device_id, client_op_id, at,
    removed) VALUES (1, ?, ?, ?, ?, 'd', 'o', 0, ?)`);
  const removed = JSON.stringify([['x', file('b', 20), 'file', 1]]);
  log.run(1, 'set', 'm', JSON.stringify({ deep: { '_"': file('c', 30), a: [1, {}] } }), null);
  log.run(2, 'set', 't', JSON.stringify('"_type":"file"'), null);
  log.run(3, 'delete', 'x', null, removed);
  db.close();

  const storage = sqlite({ directory });
  onTestFinished(() => storage.close());
  expect(await storage.files.held('s', hash('a'))).toBe(10);
  expect(await storage.files.held('s', hash('b'))).toBe(20);
  expect(await storage.files.held('s', hash('c'))).toBe(30);
  expect(await storage.files.usage('s')).toBe(10);
  await storage.compact('s', 3, 10);
  expect(await storage.files.held('s', hash('c'))).toBeNull();
  expect(await storage.files.held('s', hash('a'))).toBe(10);
});

test('a data folder from before answers said whose they are opens, and they say it where the log did, also when it has forgotten', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-old-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const db = new DatabaseSync(join(directory, 'holdfast.db'));
  db.exec(`${migrations.slice(0, 7).join('')} PRAGMA application_id = ${applicationId}; PRAGMA user_version = 7;
    INSERT INTO stores (id, name, status, incarnation, inserted_at, head, oldest_seq)
      VALUES ('s', 'acme/app', 'active', 'i', 0, 3, 2);
    INSERT INTO answers (store, seq, op_id, device_id, fingerprint, at) VALUES
      (1, 1, 'o', 'd', 7, 0), (1, 2, 'o', 'd', 7, 0), (1, 3, 'o', 'd', 7, 0);
    INSERT INTO log (store, seq, op, path, device_id, client_op_id, at, principal) VALUES
      (1, 2, 'delete', 'a', 'd', 'o', 0, NULL), (1, 3, 'delete', 'a', 'd', 'o', 0, 'ada');`);
  db.close();
  const storage = sqlite({ directory });
  onTestFinished(() => storage.close());
  const found = await storage.answers('s', { ids: [{ deviceId: 'd', opId: 'o' }], clients: [] });
  expect(found.answers.map(({ seq, principal }) => [seq, principal])).toEqual([
    [3, 'ada'],
    [2, null],
    [1, undefined],
  ]);
  await storage.compact('s', 3, 10);
  expect(await storage.read('s', 1, { ops: 10 })).toEqual([]);
  const later = await storage.answers('s', { ids: [{ deviceId: 'd', opId: 'o' }], clients: [] });
  expect(later).toEqual(found);
});
