import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sqlite } from '@holdfast/client/cache/sqlite';
import { app, change, held, pending, scratch, termsOf } from './desk.ts';

let place: ReturnType<typeof scratch>;
let file: string;

beforeEach(() => {
  place = scratch();
  file = place.file('cache.db');
});

afterEach(() => place[Symbol.dispose]());

/** Runs the writer until it has said that `count` commits are stored, and kills it. */
async function killedAfter(count: number): Promise<number> {
  const program = fileURLToPath(new URL('writer.ts', import.meta.url));
  const child = spawn(process.execPath, ['--conditions=@holdfast/source', program, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text: string) => {
    said += text;
    if (said.split('\n').length > count) child.kill('SIGKILL');
  });
  await once(child, 'close');
  return Number(said.trim().split('\n').at(-1));
}

/** How often a text is in the files of the cache. */
function copiesOf(text: string): number {
  const folder = dirname(file);
  const contents = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'latin1'));
  return contents.join('').split(text).length - 1;
}

describe('an SQLite cache', () => {
  it('S80 a process that is killed between any two commits leaves a whole commit, with its cursor and its outbox (P3)', async () => {
    let last = 0;
    for (const count of [1, 7, 20]) {
      const told = await killedAfter(count);
      const cache = sqlite(file);
      await cache.open?.(termsOf());
      const { seq, leaves, outbox } = await held(cache);
      await cache.close?.();
      expect(seq).toBeGreaterThanOrEqual(told);
      expect(seq).toBeGreaterThan(last);
      expect(new Set(Object.values(leaves))).toEqual(new Set([seq]));
      expect(outbox).toHaveLength(seq);
      last = seq;
    }
  }, 30_000);

  it.each(['a snapshot that has none of it', 'leaving the store'])(
    'what was there is nowhere in its files after %s (P76)',
    async (how) => {
      const cache = sqlite(file);
      await cache.open?.(termsOf());
      await cache.load(app);
      const secrets = Array.from({ length: 500 }, (_, n) => [`secret${n}`, n]);
      await cache.commit(app, change(1, Object.fromEntries(secrets)));
      await cache.commit(app, change(2, { secret0: 7 }));
      expect(copiesOf('secret')).toBeGreaterThan(500);
      const none = { ...change(3, { mine: 1 }), replaces: true };
      await (how === 'leaving the store' ? cache.clear(app) : cache.commit(app, none));
      expect(copiesOf('secret')).toBe(0);
      await cache.close?.();
      expect(copiesOf('secret')).toBe(0);
    },
  );

  it('lets others have their turn while it forgets many leaves, a thousand at a time', async () => {
    const cache = sqlite(file);
    await cache.open?.(termsOf());
    await cache.load(app);
    const many = Array.from({ length: 5000 }, (_, n) => [`leaf${n}`, n]);
    await cache.commit(app, change(1, Object.fromEntries(many)));
    let turns = 0;
    let isDone = false;
    const turn = (): void => {
      turns += 1;
      if (!isDone) setImmediate(turn);
    };
    setImmediate(turn);
    await cache.clear(app);
    isDone = true;
    expect(turns).toBeGreaterThan(4);
    expect(await held(cache)).toMatchObject({ leaves: {} });
    await cache.close?.();
  });

  it('has entries give way to requests when there is no room, and says so once', async () => {
    const terms = termsOf();
    const cache = sqlite(file, { bytesMax: 64 * 1024 });
    await cache.open?.(terms);
    await cache.load(app);
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`leaf${n}`, n]));
    await cache.commit(app, change(1, { a: 1 }, [pending(1)]));
    await cache.commit(app, change(2, many, [pending(2)]));
    await cache.commit(app, change(3, { b: 2 }, [pending(3)]));
    expect(terms.faults).toEqual([{ why: 'full', kept: true }]);
    await cache.close?.();
    const again = sqlite(file);
    await again.open?.(terms);
    const { seq, leaves, outbox } = await held(again);
    expect([seq, leaves, outbox.length]).toEqual([0, {}, 3]);
    await again.close?.();
  });

  it('fails with "full" when there is no room even for requests, and can be read afterwards', async () => {
    const cache = sqlite(file, { bytesMax: 64 * 1024 });
    await cache.open?.(termsOf());
    await cache.load(app);
    await cache.commit(app, change(1, { a: 1 }, [pending(1)]));
    const requests = Array.from({ length: 1000 }, (_, n) => pending(n + 2));
    await expect(cache.commit(app, change(2, {}, requests))).rejects.toMatchObject({
      code: 'cache_failed',
      details: { why: 'full' },
    });
    // The entries gave way, in vain.
    expect(await held(cache)).toMatchObject({ seq: 0, leaves: {}, outbox: ['laptop-1:s:1'] });
    await cache.close?.();
  });

  it('puts a damaged file aside, says where, and begins anew', async () => {
    writeFileSync(file, 'This is no database. '.repeat(500));
    const terms = termsOf();
    const cache = sqlite(file);
    await cache.open?.(terms);
    expect(await held(cache)).toMatchObject({ seq: -1 });
    await cache.commit(app, change(1, { a: 1 }));
    expect((await held(cache)).leaves).toEqual({ a: 1 });
    expect(terms.faults).toEqual([{ why: 'corrupt', kept: false }]);
    const aside = readdirSync(dirname(file)).find((name) => name.includes('.damaged-'));
    expect(readFileSync(place.file(aside ?? ''), 'utf8')).toMatch(/^This is no database/);
    await cache.close?.();
  });

  it('does not touch a file of a newer version, nor one of somebody else', async () => {
    const db = new DatabaseSync(file);
    db.exec('PRAGMA user_version = 99; CREATE TABLE theirs (x)');
    const newer = sqlite(file);
    await expect(newer.open?.(termsOf())).rejects.toMatchObject({ details: { why: 'newer' } });
    db.exec('PRAGMA user_version = 0');
    const foreign = sqlite(file);
    await expect(foreign.open?.(termsOf())).rejects.toMatchObject({
      details: { why: 'unavailable' },
    });
    expect(db.prepare('SELECT count(*) AS n FROM theirs').get()).toEqual({ n: 0 });
    db.close();
  });

  it('waits for another process that holds the file, and commits when it lets go', async () => {
    const cache = sqlite(file);
    await cache.open?.(termsOf());
    await cache.load(app);
    const other = new DatabaseSync(file);
    other.exec('BEGIN IMMEDIATE');
    const commit = Promise.resolve(cache.commit(app, change(1, { a: 1 })));
    const first = await Promise.race([
      commit.then(() => 'commit'),
      new Promise((resolve) => setImmediate(() => resolve('others'))),
    ]);
    other.exec('COMMIT');
    await commit;
    expect([first, (await held(cache)).leaves]).toEqual(['others', { a: 1 }]);
    other.close();
    await cache.close?.();
  });

  it('of two processes that write one file, neither loses a request and no entry is mixed', async () => {
    const [first, second] = [sqlite(file), sqlite(file)];
    for (const cache of [first, second]) {
      await cache.open?.(termsOf());
      await cache.load(app);
    }
    for (let seq = 1; seq <= 20; seq++) {
      await Promise.all([
        first.commit(app, change(seq, { a: seq, b: seq }, [pending(seq)])),
        second.commit(app, change(seq, { a: seq, b: seq }, [pending(100 + seq)])),
      ]);
    }
    const found = await held(first);
    expect([found.seq, found.leaves, found.outbox.length]).toEqual([20, { a: 20, b: 20 }, 40]);
    await Promise.all([first.close?.(), second.close?.()]);
  });

  it('checks its options', () => {
    expect(() => sqlite('')).toThrow(TypeError);
    expect(() => sqlite(file, { bytesMax: 10 })).toThrow(/bytesMax/);
    expect(() => sqlite(file, { durability: 'none' as never })).toThrow(/durability/);
  });
});
