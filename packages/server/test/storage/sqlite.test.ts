import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
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
