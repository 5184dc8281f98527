import { expect, test } from 'vitest';
import type { Cache } from '@holdfast/client';
import { keptIn } from '@holdfast/client/cache';
import { asPath } from '@holdfast/protocol';
import { app, change, held, pending, termsOf } from './desk.ts';
import { FullRows } from './full-rows.ts';
import { Disk } from './map-rows.ts';

const many = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`leaf${n}`, n]));

/** Caches over one disk, each with rows of its own. */
async function opened(disk: Disk, terms = termsOf()) {
  const rows = new FullRows(disk);
  const cache = keptIn(rows);
  await cache.open?.(terms);
  return { rows, cache, terms };
}

/** What the next page finds on a disk. */
async function found(disk: Disk): ReturnType<typeof held> {
  const { cache } = await opened(disk);
  return held(cache);
}

/** What is there, and no more than a little. */
const scarce = 6000;

test('given a tab beside the leading one, when there is no room for its write, then the entries give way to it, and the leading one adds nothing to what is gone', async () => {
  const disk = new Disk();
  const [leading, other] = [await opened(disk), await opened(disk)];
  const reign = (await leading.cache.sharing?.lead()) ?? 0;
  await leading.cache.load(app);
  await other.cache.load(app);
  const whole = { ...change(5, many), replaces: true };
  expect(await leading.cache.sharing?.commit(app, whole, reign)).toBe(true);
  for (const { rows } of [leading, other]) rows.room = scarce;
  const request = { op: 'set', path: asPath('k'), value: 'x'.repeat(3000) } as const;
  await other.cache.sharing?.keep(app, [[pending(1).opId, pending(1, { request })]]);
  expect(other.terms.faults).toEqual([{ why: 'full', kept: true }]);
  // It leads no more until it knows that nothing of what it has stored is there.
  expect(await leading.cache.sharing?.commit(app, change(6, { more: 1 }), reign)).toBe(false);
  expect(await found(disk)).toMatchObject({ seq: 0, leaves: {}, outbox: [pending(1).opId] });
});

test('given a page beside another, when there is no room for its write, then the entries give way to it, and the other adds nothing to what is gone', async () => {
  const disk = new Disk();
  const [first, last] = [await opened(disk), await opened(disk)];
  await first.cache.load(app);
  await last.cache.load(app);
  await last.cache.commit(app, { ...change(5, many), replaces: true });
  for (const { rows } of [first, last]) rows.room = scarce;
  const request = { op: 'set', path: asPath('k'), value: 'x'.repeat(3000) } as const;
  await first.cache.commit(app, change(5, {}, [pending(1, { request })]));
  await last.cache.commit(app, change(6, { more: 1 }, [pending(2)]));
  expect(await found(disk)).toMatchObject({
    seq: 0,
    leaves: {},
    outbox: [pending(1).opId, pending(2).opId],
  });
});

/** A disk with a write that a former version of the application has made. */
async function left(): Promise<Disk> {
  const disk = new Disk();
  const { cache } = await opened(disk);
  await cache.load(app);
  await cache.commit(app, { ...change(5, many, [pending(1)]), replaces: true });
  return disk;
}

const upgraded = () => termsOf({ schemaVersion: 2, migrate: () => null });

test.each([
  ['room for no more', 10],
  ['no room at all', 0],
])(
  'given a write that nobody can migrate, when there is %s, then it is a dead letter, and the rest is loaded',
  async (_, more) => {
    const disk = await left();
    const { cache, rows, terms } = await opened(disk, upgraded());
    rows.room = rows.used + more;
    expect(await held(cache)).toMatchObject({
      seq: 5,
      leaves: many,
      outbox: [],
      letters: [[pending(1).opId, 'schema_skew']],
    });
    expect(terms.faults).toEqual([{ why: 'full', kept: true }]);
    rows.room = Infinity;
    await cache.letters?.drop(app, pending(1).opId);
    const later = await opened(disk, upgraded());
    expect(await held(later.cache)).toMatchObject({ outbox: [], letters: [] });
  },
);

test('given a tab that finds the entries damaged, when the leading one goes on, then it adds nothing to what is gone', async () => {
  const disk = new Disk();
  const leading = await opened(disk);
  const reign = (await leading.cache.sharing?.lead()) ?? 0;
  await leading.cache.load(app);
  const whole = { ...change(5, many), replaces: true };
  await leading.cache.sharing?.commit(app, whole, reign);
  for (const { rows } of disk.places.values()) rows.entry.set('leaf7', 'nonsense');
  const other = await opened(disk);
  await other.cache.load(app);
  expect(other.terms.faults).toEqual([{ why: 'corrupt', kept: true }]);
  await leading.cache.sharing?.commit(app, change(6, { more: 1 }), reign);
  expect(await found(disk)).toMatchObject({ seq: 0, leaves: {} });
});

test('given a cache without room, when a commit has failed and there is room again, then the next one stores its requests, too, and nothing is half of the state', async () => {
  const disk = new Disk();
  const { cache, rows } = await opened(disk);
  await cache.load(app);
  await cache.commit(app, { ...change(5, { a: 1 }), replaces: true });
  rows.room = 0;
  const full = { details: { why: 'full' } };
  const lost: readonly [Cache, ...Parameters<Cache['commit']>][] = [
    [cache, app, change(6, { b: 2 }, [pending(1)])],
    [cache, app, change(7, { c: 3 }, [pending(2)])],
  ];
  for (const [at, store, each] of lost) {
    await expect(at.commit(store, each)).rejects.toMatchObject(full);
  }
  rows.room = Infinity;
  const gone = { ...change(8, { d: 4 }), requests: [[pending(1).opId, null]] as const };
  await cache.commit(app, gone);
  expect(await found(disk)).toMatchObject({ seq: 5, leaves: { a: 1 }, outbox: [pending(2).opId] });
});

test('given a cache of which others have removed what waits, when that cannot be looked at, and entries are not stored anyhow, then the next commit tells', async () => {
  const disk = new Disk();
  const { cache, rows, terms } = await opened(disk);
  const watch = { isIdle: false, left: (ids: ReadonlySet<string>) => ids.size > 0 };
  await cache.load(app, undefined, watch);
  const cleared = { why: 'cleared', kept: false };
  disk.places.clear();
  rows.removed?.();
  await cache.sharing?.reign();
  expect(terms.faults).toEqual([cleared]);
  await cache.commit(app, change(6, { a: 1 }, [pending(1)]));
  disk.places.clear();
  const read = rows.read.bind(rows);
  rows.read = () => Promise.reject(new Error('not now'));
  rows.removed?.();
  await cache.sharing?.reign();
  rows.read = read;
  await cache.commit(app, change(7, { b: 1 }));
  expect(terms.faults).toEqual([cleared, cleared]);
});
