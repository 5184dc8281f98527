import { mkdtempSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { sqlite } from '@holdfast/server/storage/sqlite';

/** What SQLite does for a statement, step by step. */
function planOf(db: DatabaseSync, text: string): readonly string[] {
  return db
    .prepare(`EXPLAIN QUERY PLAN ${text}`)
    .all()
    .map(({ detail }) => String(detail));
}

/**
 * Whether a statement that looks for an id or a hash goes through all rows that its store has. What was uploaded within a
 * day is counted, all of it.
 */
function goesThroughAStore(text: string, plan: readonly string[]): boolean {
  const looksFor = /\bop_id = |\bhash = |'\$\.hash'\) = /;
  return (
    looksFor.test(text) && plan.some((step) => /^SEARCH (?!uploads).* \(store=\?\)$/.test(step))
  );
}

test('what is looked up by an id or a hash is found by it, however much its store holds', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-'));
  const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare');
  const storage = sqlite({ directory });
  const texts = prepare.mock.calls.map(([text]) => text);
  prepare.mockRestore();
  const db = new DatabaseSync(join(directory, 'holdfast.db'), { readOnly: true });
  onTestFinished(async () => {
    db.close();
    await storage.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const explained = texts.filter((text) => /^\s*(?:SELECT|UPDATE|DELETE)\b/.test(text));
  expect(explained.length).toBeGreaterThan(40);
  expect(explained.filter((text) => goesThroughAStore(text, planOf(db, text)))).toEqual([]);
});
