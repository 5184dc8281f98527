import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { describe, expect, it, vi } from 'vitest';
import { Commits } from '../../src/storage/sqlite/commits.ts';
import { UnknownOutcome } from '../../src/storage/sqlite/faults.ts';
import { migrations } from '../../src/storage/sqlite/schema.ts';

const fsyncFailed = 1034;
const full = 13;

/** A database whose COMMIT fails with the codes of the list, one after the other, and then works. */
function flaky(codes: number[]): { readonly db: DatabaseSync; readonly commits: Commits } {
  const db = new DatabaseSync(':memory:');
  for (const sql of migrations) db.exec(sql);
  const prepare = db.prepare.bind(db);
  db.prepare = (sql: string): StatementSync => {
    const statement = prepare(sql);
    if (sql !== 'COMMIT') return statement;
    const run = statement.run.bind(statement);
    statement.run = (): ReturnType<StatementSync['run']> => {
      const errcode = codes.shift();
      if (errcode !== undefined) throw Object.assign(new Error('disk I/O error'), { errcode });
      return run();
    };
    return statement;
  };
  return {
    db,
    commits: new Commits({ name: 'holdfast.db', writer: db, checkPlace: vi.fn<() => void>() }),
  };
}

const insert = (db: DatabaseSync, key: number) => (): unknown =>
  db.prepare('INSERT INTO purged VALUES (?)').run(key);
const keys = (db: DatabaseSync): unknown[] =>
  db
    .prepare('SELECT key FROM purged')
    .all()
    .map(({ key }) => key);

describe('group commit', () => {
  it('makes one transaction of what is asked for in one turn, and tells each its result', async () => {
    const { db, commits } = flaky([]);
    const results = [1, 2, 3].map((key) =>
      commits.enqueue(1, () => {
        insert(db, key)();
        return keys(db).length;
      }),
    );
    expect(keys(db)).toEqual([]);
    expect(await Promise.all(results)).toEqual([1, 2, 3]);
  });

  it('gives a large job a turn of its own, and a small one that of whoever asks', async () => {
    const { db, commits } = flaky([]);
    const seen = (weight: number, key: number): Promise<unknown> => {
      const turned = new Promise((resolve) => setImmediate(() => resolve('turned')));
      const committed = commits.enqueue(weight, insert(db, key)).then(() => 'committed');
      return Promise.race([turned, committed]);
    };
    expect(await seen(1, 1)).toBe('committed');
    await new Promise((resolve) => setImmediate(resolve));
    expect(await seen(2000, 2)).toBe('turned');
    await new Promise((resolve) => setImmediate(resolve));
    expect(keys(db)).toEqual([1, 2]);
  });

  it('undoes a job that fails alone, and lets the others of its transaction commit', async () => {
    const { db, commits } = flaky([]);
    const outcomes = await Promise.allSettled([
      commits.enqueue(1, insert(db, 1)),
      commits.enqueue(1, () => {
        insert(db, 2)();
        throw new RangeError('a bug');
      }),
      commits.enqueue(1, insert(db, 3)),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(keys(db)).toEqual([1, 3]);
  });

  it('tells of a failed COMMIT only when another commit has made sure that nothing comes back', async () => {
    const { db, commits } = flaky([fsyncFailed]);
    await expect(commits.enqueue(1, insert(db, 1))).rejects.toMatchObject({ reason: 'io' });
    expect(commits.read(() => keys(db))).toEqual([]);
    expect(db.prepare('SELECT count FROM settled').get()?.['count']).toBe(1);
  });

  it('calls the outcome unknown while that is not sure, and settles it before the next read', async () => {
    const { db, commits } = flaky([fsyncFailed, fsyncFailed, fsyncFailed, fsyncFailed]);
    await expect(commits.enqueue(1, insert(db, 1))).rejects.toBeInstanceOf(UnknownOutcome);
    expect(() => commits.read(() => keys(db))).toThrow(UnknownOutcome);
    expect(commits.read(() => keys(db))).toEqual([]);
    // A transaction without a write would overwrite nothing.
    expect(db.prepare('SELECT count FROM settled').get()?.['count']).toBe(1);
    await commits.enqueue(1, insert(db, 2));
    expect(keys(db)).toEqual([2]);
  });

  it('needs no such certainty where the disk was full, for nothing whole was written', async () => {
    const { db, commits } = flaky([full]);
    const [a, b] = await Promise.allSettled([
      commits.enqueue(1, insert(db, 1)),
      commits.enqueue(1, insert(db, 2)),
    ]);
    expect(a).toMatchObject({ status: 'rejected', reason: { reason: 'full' } });
    expect(b).toMatchObject({ status: 'rejected', reason: { reason: 'full' } });
    await commits.enqueue(1, insert(db, 3));
    expect(keys(db)).toEqual([3]);
  });
});
