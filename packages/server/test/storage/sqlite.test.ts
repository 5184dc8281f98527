import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, test } from 'vitest';
import { storageConformance } from '@holdfast/server/storage/conformance';
import { sqlite } from '@holdfast/server/storage/sqlite';

const root = mkdtempSync(join(tmpdir(), 'holdfast-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

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
