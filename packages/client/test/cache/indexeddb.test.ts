// oxlint-disable-next-line import/no-unassigned-import -- it gives Node an IndexedDB
import 'fake-indexeddb/auto';
import fc from 'fast-check';
import { type IDBPDatabase, openDB } from 'idb';
import type { Cache } from '@holdfast/client';
import { asPath, type Leaf, type Path } from '@holdfast/protocol';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { indexedDB } from '@holdfast/client/cache/indexeddb';
import { app, change, held, leaf, pending, termsOf } from './desk.ts';

let count = 0;

/** A database of its own for each test. */
function name(): string {
  count += 1;
  return `layout-${count}`;
}

/** What a client finds, and what it is told. */
async function reopened(
  at: string,
): Promise<Awaited<ReturnType<typeof held>> & { readonly faults: readonly unknown[] }> {
  const terms = termsOf();
  const cache = indexedDB(at);
  await cache.open?.(terms);
  const found = await held(cache);
  await cache.close?.();
  return { ...found, faults: terms.faults };
}

async function tamper<T>(at: string, deed: (db: IDBPDatabase) => Promise<T>): Promise<T> {
  const db = await openDB(`holdfast/${at}`);
  const done = await deed(db);
  db.close();
  return done;
}

/** Commits nothing while much is loose: what folds it is loaded when it is needed first, and is there for a later commit. */
async function folds(cache: Cache, at: string): Promise<void> {
  const loose = async (): Promise<number> => {
    const [place] = await tamper(at, (db): Promise<{ loose: number }[]> => db.getAll('places'));
    if ((place?.loose ?? 0) > 250_000) await cache.commit(app, change(1000, {}));
    return place?.loose ?? 0;
  };
  await expect.poll(loose).toBeLessThanOrEqual(250_000);
}

const outbox = [pending(1), pending(2)];
const opIds = outbox.map(({ opId }) => opId);

async function filled(at: string, leaves: { readonly [path: string]: number }): Promise<void> {
  const cache = indexedDB(at);
  await cache.open?.(termsOf());
  await cache.load(app);
  await cache.commit(app, { ...change(5, leaves, outbox), replaces: true });
  await cache.commit(app, change(6, { later: 1 }));
  await cache.close?.();
}

/** Makes of a database what the first version of the library would have left: a record for each entry. */
async function aged(at: string): Promise<void> {
  const cache = indexedDB(`${at}-new`);
  await cache.open?.(termsOf());
  await cache.load(app);
  await cache.commit(app, change(5, { k: 1 }, outbox));
  await cache.close?.();
  const [now, old] = await Promise.all([
    openDB(`holdfast/${at}-new`),
    openDB(`holdfast/${at}`, 1, {
      upgrade(db) {
        for (const store of ['notes', 'places', 'entry', 'map', 'request', 'letter']) {
          db.createObjectStore(store);
        }
      },
    }),
  ]);
  for (const store of ['notes', 'places', 'request']) {
    for (const key of await now.getAllKeys(store)) {
      await old.put(store, await now.get(store, key), key);
    }
  }
  const [place = ''] = await old.getAllKeys('places');
  const { n, pen, head }: { n: string; pen: string; head: string } = await old.get('places', place);
  await old.put('places', { n, pen, head }, place);
  for (let doc = 0; doc < 2500; doc += 1) {
    await old.put('entry', JSON.stringify([doc, 'integer', 1]), `${n}!docs/${doc}`);
  }
  await old.put('map', '4', `${n}!docs`);
  now.close();
  old.close();
}

const leavesOfOld = Object.fromEntries(Array.from({ length: 2500 }, (_, at) => [`docs/${at}`, at]));

describe('a database of the first layout', () => {
  const { put } = IDBObjectStore.prototype;

  /** Does something before each block is put. */
  function onBlock(deed: () => void): void {
    vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
      this: IDBObjectStore,
      ...[value, key]: Parameters<IDBObjectStore['put']>
    ) {
      if (Array.isArray(value)) deed();
      return put.call(this, value, key);
    });
  }

  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it('is opened with its entries and its outbox, and once only', async () => {
    const at = name();
    await aged(at);
    const found = await reopened(at);
    expect(found).toMatchObject({ seq: 5, outbox: opIds, faults: [] });
    expect(found.leaves).toEqual(leavesOfOld);
    expect(await reopened(at)).toEqual(found);
  });

  it('is waited for while it is changed, though that takes longer than to open one', async () => {
    const at = name();
    await aged(at);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onBlock(() => vi.advanceTimersByTime(2000));
    expect(await reopened(at)).toMatchObject({ seq: 5, outbox: opIds, faults: [] });
  });

  it('is a fresh start with its outbox where there is no room to keep the entries', async () => {
    const at = name();
    await aged(at);
    onBlock(() => {
      throw new DOMException('full', 'QuotaExceededError');
    });
    expect(await reopened(at)).toMatchObject({ seq: 0, leaves: {}, outbox: opIds, faults: [] });
  });
});

it('a commit is stored when its transaction is complete, not before', async () => {
  const cache = indexedDB(name());
  await cache.open?.(termsOf());
  await cache.load(app);
  const complete: boolean[] = [];
  const spy = vi.spyOn(IDBDatabase.prototype, 'transaction');
  spy.mockImplementation(function (this: IDBDatabase, ...args) {
    spy.mockRestore();
    const tx = this.transaction(...args);
    complete.push(false);
    tx.addEventListener('complete', () => (complete[0] = true));
    return tx;
  });
  await cache.commit(app, change(5, { k: 1 }, outbox));
  expect(complete).toEqual([true]);
  await cache.close?.();
});

describe('entries in blocks', () => {
  const damages: readonly (readonly [string, unknown])[] = [
    ['is no list', 'text'],
    ['has something else in it', [1]],
    ['has a row without a text', [['a', null]]],
    ['has a row that is no leaf', [['a', '[]']]],
  ];
  it.each(damages)(
    'are a fresh start with the whole outbox where a record %s',
    async (_, record) => {
      for (const mark of ['!', '#']) {
        const at = name();
        await filled(at, { a: 1, b: 2 });
        let touched = 0;
        await tamper(at, async (db) => {
          for (const key of await db.getAllKeys('entry')) {
            if (typeof key !== 'string' || !key.includes(mark)) continue;
            touched += 1;
            await db.put('entry', record, key);
          }
        });
        expect(touched).toBe(1);
        // In a change, a row without a text is one that was removed.
        const isFine = mark === '#' && JSON.stringify(record) === '[["a",null]]';
        const found = await reopened(at);
        expect(found.outbox).toEqual(opIds);
        expect(found).toMatchObject(
          isFine
            ? { seq: 6, leaves: { b: 2 }, faults: [] }
            : { seq: 0, leaves: {}, faults: [{ why: 'corrupt', kept: true }] },
        );
        expect((await reopened(at)).faults).toEqual([]);
      }
    },
  );

  it('are few records, however they came', async () => {
    const at = name();
    const cache = indexedDB(at);
    await cache.load(app);
    for (let n = 0; n < 700; n += 1) {
      await cache.commit(app, change(n + 1, { [`k/${n % 300}`]: n }));
    }
    const leaves = (await held(cache)).leaves;
    await folds(cache, at);
    await cache.close?.();
    expect(leaves).toEqual(
      Object.fromEntries(
        Array.from({ length: 300 }, (_, n) => [`k/${n}`, n < 100 ? n + 600 : n + 300]),
      ),
    );
    await tamper(at, async (db) => expect(await db.count('entry')).toBeLessThan(300));
  });

  it('stay few when most of them are gone', async () => {
    const at = name();
    const cache = indexedDB(at);
    await cache.load(app);
    const leaves = Array.from(
      { length: 200 },
      (_, n) => [pathOf(n), n % 10 === 0 ? leaf(n) : big(n % 10)] as const,
    );
    await cache.commit(app, { ...change(1, {}), replaces: true, entries: leaves });
    const gone = leaves.filter((_, n) => n % 10 !== 0).map(([path]) => [path, null] as const);
    await cache.commit(app, { ...change(2, {}), entries: [...gone, [asPath('z'), big(8)]] });
    for (let n = 0; n < 30; n += 1) {
      await cache.commit(app, { ...change(n + 3, {}), entries: [[asPath('z'), big(n % 10)]] });
    }
    await folds(cache, at);
    await cache.close?.();
    await tamper(at, async (db) => {
      await inOrder(db);
      const keys = await db.getAllKeys('entry', IDBKeyRange.bound('1!', '1"'));
      expect(keys.length).toBeLessThan(10);
    });
  });

  it('are put anew a few at a time where changes are everywhere, so that no commit waits for all of them', async () => {
    const at = name();
    const cache = indexedDB(at);
    await cache.load(app);
    const size = 900;
    const model = new Map(Array.from({ length: size }, (_, n) => [pathOf(n), big(0)] as const));
    await cache.commit(app, { ...change(0, {}), replaces: true, entries: [...model] });
    // What is to be folded first waits for what folds, and for the next commit.
    await import('../../src/cache/fold.ts');
    await cache.commit(app, change(1, {}));
    const { put } = IDBObjectStore.prototype;
    let written = 0;
    const spy = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
      this: IDBObjectStore,
      ...[value, key]: Parameters<IDBObjectStore['put']>
    ) {
      if (typeof key === 'string' && key.includes('!')) written += 1;
      return put.call(this, value, key);
    });
    const most: number[] = [];
    for (let n = 0; n < 40; n += 1) {
      written = 0;
      const entries = Array.from({ length: 20 }, (_, k): readonly [Path, Leaf | null] => {
        const path = pathOf((n * 463 + k * 45) % size);
        return [path, (n + k) % 4 === 0 ? null : big((n + k) % 10)];
      });
      for (const [path, known] of entries) {
        if (known === null) model.delete(path);
        else model.set(path, known);
      }
      await cache.commit(app, { ...change(n + 2, {}), entries });
      most.push(written);
    }
    spy.mockRestore();
    expect(Math.max(...most)).toBeGreaterThan(0);
    expect(Math.max(...most)).toBeLessThan(150);
    const expected = [...model].map(([path, { value }]) => [path, value] as const);
    expect((await held(cache)).leaves).toEqual(Object.fromEntries(expected));
    await cache.close?.();
    expect(most.filter((blocks) => blocks > 0).length).toBeGreaterThan(1);
    await tamper(at, (db) => inOrder(db, 1_200_000));
  });

  it('are damaged as before after changes were put into others', async () => {
    const at = name();
    await filled(at, { a: 1, b: 2 });
    const cache = indexedDB(at);
    await cache.open?.(termsOf());
    await cache.load(app);
    await tamper(at, (db) => db.put('entry', 'text', '1!a'));
    for (let n = 7; n < 300; n += 1) await cache.commit(app, change(n, { b: n }));
    await cache.close?.();
    const found = await reopened(at);
    expect(found).toMatchObject({
      seq: 0,
      outbox: opIds,
      faults: [{ why: 'corrupt', kept: true }],
    });
  });

  it('are as before where there is no room to put changes into them', async () => {
    const at = name();
    const cache = indexedDB(at);
    await cache.load(app);
    const fold = vi.spyOn(IDBObjectStore.prototype, 'getAll').mockImplementation(() => {
      throw new DOMException('full', 'QuotaExceededError');
    });
    let put = 0;
    // It is folded when what does so has been loaded.
    for (; put < 300 || fold.mock.calls.length === 0; put += 1) {
      await cache.commit(app, change(put + 1, { [`k/${put}`]: put }));
    }
    expect(fold).toHaveBeenCalledTimes(1);
    fold.mockRestore();
    expect(Object.keys((await held(cache)).leaves)).toHaveLength(put);
    await cache.close?.();
  });

  it('are gone for who leads, too, where another tab forgets them before they are folded', async () => {
    const at = name();
    const [cache, other] = [indexedDB(at), indexedDB(at)];
    const reign = (await cache.sharing?.lead()) ?? 0;
    await cache.load(app);
    await cache.sharing?.commit(app, { ...change(1, { a: 1 }), replaces: true }, reign);
    let clearing: unknown = null;
    const { put } = IDBObjectStore.prototype;
    const spy = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
      this: IDBObjectStore,
      ...[value, key]: Parameters<IDBObjectStore['put']>
    ) {
      if (typeof key === 'string' && key.includes('#')) clearing ??= other.clear(app);
      return put.call(this, value, key);
    });
    const many = Array.from({ length: 40 }, (_, n) => [pathOf(40 - n), big(n % 10)] as const);
    await cache.sharing?.commit(app, { ...change(2, {}), entries: many }, reign);
    await clearing;
    spy.mockRestore();
    // Alone it would pass for all there is.
    await cache.sharing?.commit(app, change(3, { later: 1 }), reign);
    expect(await held(other)).toMatchObject({ seq: -1, leaves: {} });
    await Promise.all([cache.close?.(), other.close?.()]);
  });

  it('are what the commits have made of them, whatever these were', async () => {
    const commit = fc.record({
      replaces: fc.nat(5).map((drawn) => drawn === 0),
      rows: fc.array(fc.tuple(fc.nat(60), fc.option(fc.nat(9))), { maxLength: 40 }),
    });
    const runs = Number(process.env['HOLDFAST_RUNS'] ?? 25);
    await fc.assert(
      fc.asyncProperty(fc.array(commit, { minLength: 1, maxLength: 12 }), async (commits) => {
        const model = new Map<Path, Leaf>();
        const at = name();
        const cache = indexedDB(at);
        await cache.load(app);
        for (const [n, { replaces, rows }] of commits.entries()) {
          const entries = rows.map(
            ([key, value]) => [pathOf(key), value === null ? null : big(value)] as const,
          );
          if (replaces) model.clear();
          for (const [path, known] of entries) {
            if (known === null) model.delete(path);
            else model.set(path, known);
          }
          await cache.commit(app, { ...change(n + 1, {}), replaces, entries });
        }
        expect((await held(cache)).leaves).toEqual(
          Object.fromEntries([...model].map(([path, { value }]) => [path, value])),
        );
        await folds(cache, at);
        await cache.close?.();
        await tamper(at, (db) => inOrder(db));
      }),
      { numRuns: runs },
    );
  });
});

/** Blocks follow each other, changes are few, and what they weigh is known. */
async function inOrder(db: IDBPDatabase, looseMax = 250_000): Promise<void> {
  const [place]: { size: number; loose: number }[] = await db.getAll('places');
  const keys = (await db.getAllKeys('entry')).map(String);
  const records: string[][][] = await db.getAll('entry');
  const rowsOf = (mark: string): string[][] =>
    records.filter((_, at) => keys[at]?.[1] === mark).flat();
  const ids = rowsOf('!').map(([id]) => id);
  expect(ids.every((id, at) => at === 0 || (ids[at - 1] ?? '') < (id ?? ''))).toBe(true);
  expect(place?.size).toBe(weigh(rowsOf('!')));
  const changes = keys.filter((key) => key[1] === '#').length;
  expect(place?.loose).toBe(weigh(rowsOf('#')) + changes * 1000);
  expect(place?.loose).toBeLessThanOrEqual(looseMax);
}

function weigh(rows: readonly string[][]): number {
  return rows.reduce((sum, [id, text]) => sum + (id?.length ?? 0) + (text?.length ?? 0), 0);
}

function pathOf(n: number): Path {
  return asPath(`p${n % 7}/${n}`);
}

/** A leaf so big that a few dozen of them are folded. */
function big(n: number): Leaf {
  return { value: String(n).repeat(9000), type: 'string', revision: 1 };
}
