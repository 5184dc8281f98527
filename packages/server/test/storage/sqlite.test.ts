import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setImmediate as loop } from 'node:timers/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it, test } from 'vitest';
import { DatabaseSync } from 'node:sqlite';
import { asStoreName } from '@holdfast/protocol';
import { storageConformance } from '@holdfast/server/storage/conformance';
import { sqlite } from '@holdfast/server/storage/sqlite';
import type { TokenRow } from '../../src/storage/port.ts';
import { batchOf, op } from '../../src/storage/conformance/subject.ts';

const root = mkdtempSync(join(tmpdir(), 'holdfast-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const token: TokenRow = {
  id: 'one',
  hash: 'a',
  last4: '1234',
  name: 'one',
  org: 'acme',
  creator: null,
  scopes: ['entries:read'],
  storeAccess: { mode: 'all' },
  pathRules: null,
  presence: null,
  limits: null,
  insertedAt: 0,
  expiresAt: null,
  revokedAt: null,
  lastUsedAt: null,
};

describe('the SQLite driver keeps the law of storage', () => {
  let directory = root;
  let count = 0;
  const law = storageConformance({
    open: async (now) => {
      directory = join(root, `law ${String((count += 1))}`);
      return sqlite({ directory, now });
    },
    reopen: async (now) => sqlite({ directory, now }),
  });
  for (const { name, run } of law) it(name, run);
});

test('the SQLite driver writes nothing where a store is there already, so that who makes it at each start starts on a full disk', async () => {
  const directory = join(root, 'made twice');
  const storage = sqlite({ directory });
  const written = (): number => statSync(join(directory, 'holdfast.db-wal')).size;
  const made = { name: asStoreName('acme/app'), incarnation: 'i', expiresAt: null };
  await storage.stores.create({ ...made, id: 'first' });
  const before = written();
  expect(await storage.stores.create({ ...made, id: 'second' })).toBeNull();
  expect(written()).toBe(before);
  await storage.close();
});

test('the SQLite driver lists the many tokens of an org in turns, oldest first, and those of the same moment by id', async () => {
  const directory = join(root, 'many tokens');
  const storage = sqlite({ directory });
  const ids = Array.from({ length: 5000 }, (_, at) => String(at).padStart(4, '0'));
  const make = (id: string, org: string): Promise<boolean> =>
    storage.tokens.create({ ...token, id, hash: id, org, insertedAt: Math.floor(Number(id) / 7) });
  await Promise.all(ids.toReversed().map((id) => make(id, 'acme')));
  await make('9999', 'acme-2');
  let listed: readonly string[] | null = null;
  const listing = storage.tokens.list('acme').then((rows) => rows.map(({ id }) => id));
  let turns = 0;
  for (; listed === null; turns += 1) {
    // oxlint-disable-next-line no-await-in-loop -- turn by turn
    listed = await Promise.race([listing, loop(null)]);
  }
  expect(listed).toEqual(ids);
  expect(turns).toBeGreaterThanOrEqual(5);
  await storage.close();
});

test('the SQLite driver keeps administrative acts for 400 days, and lets go of them with the next act after that', async () => {
  const keptMs = 400 * 86_400_000;
  const clock = { at: 1_800_000_000_000 };
  const storage = sqlite({ directory: join(root, 'acts'), now: () => clock.at });
  const note = (target: string): Promise<void> =>
    storage.audit.note({
      at: clock.at,
      org: 'acme',
      act: 'token.issued',
      actor: null,
      store: null,
      target,
      details: {},
    });
  const targets = async (): Promise<unknown> =>
    (await storage.audit.list({ org: 'acme', limit: 10 })).map(({ target }) => target);
  await note('a');
  clock.at += 1;
  await note('b');
  clock.at += keptMs - 1;
  await note('c');
  expect(await targets()).toEqual(['c', 'b', 'a']);
  clock.at += 1;
  await note('d');
  expect(await targets()).toEqual(['d', 'c', 'b']);
  await storage.close();
});

test('the SQLite driver sweeps away what a purged store has left a megabyte at a time, however few rows that is', async () => {
  const directory = join(root, 'swept');
  const storage = sqlite({ directory });
  const store = { id: 's', name: asStoreName('acme/app'), incarnation: 'i', expiresAt: null };
  await storage.stores.create(store);
  const value = 'x'.repeat(100_000);
  const ops = Array.from({ length: 30 }, (_, at) => op(at + 1, { value }));
  expect(await storage.append('s', 0, batchOf(ops))).toEqual({ status: 'stored' });
  const db = new DatabaseSync(join(directory, 'holdfast.db'), { readOnly: true });
  const rest = db.prepare('SELECT count(*) AS n FROM log');
  const left: unknown[] = [];
  await storage.stores.purge('s');
  while (left.at(-1) !== 0) {
    // Comes with the next step, and is answered when that is stored.
    // oxlint-disable-next-line no-await-in-loop -- step by step
    await storage.keys.free('none');
    left.push(rest.get()?.['n']);
  }
  expect(left.filter((n) => n === 19 || n === 8)).toEqual([19, 8]);
  db.close();
  await storage.close();
});
