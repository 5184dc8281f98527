// oxlint-disable-next-line import/no-unassigned-import -- it gives Node an IndexedDB
import 'fake-indexeddb/auto';
import { afterEach, expect, test, vi } from 'vitest';
import { openDB } from 'idb';
import { asStoreName } from '@holdfast/protocol';
import type { Cache } from '@holdfast/client';
import { indexedDB } from '@holdfast/client/cache/indexeddb';
import { app, change, held, pending, termsOf } from './desk.ts';

/* Browsers close databases that are in use, as when the user has the data of a site cleared: amid a transaction, too. */

const { put } = IDBObjectStore.prototype;

async function found(at: string): ReturnType<typeof held> {
  const cache = indexedDB(at);
  await cache.open?.(termsOf());
  const is = await held(cache);
  await cache.close?.();
  return is;
}

/** A cache that holds an entry, as of a seq of 5. */
async function begun(at: string): Promise<{ cache: Cache; terms: ReturnType<typeof termsOf> }> {
  const terms = termsOf();
  const cache = indexedDB(at);
  await cache.open?.(terms);
  await cache.load(app);
  await cache.commit(app, { ...change(5, { a: 1 }), replaces: true });
  return { cache, terms };
}

/** The next transactions that put something of a kind are aborted by the browser, which gives no reason. */
function cutOff(kind: string, times: number): void {
  let left = times;
  vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (
    this: IDBObjectStore,
    ...[value, key]: Parameters<IDBObjectStore['put']>
  ) {
    const request = put.call(this, value, key);
    if (this.name === kind && left > 0) {
      left -= 1;
      this.transaction.abort();
    }
    return request;
  });
}

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test('a commit that the browser cuts off keeps its requests, and its entries are fetched again at the next start', async () => {
  const { cache, terms } = await begun('cut-commit');
  cutOff('entry', 1);
  await cache.commit(app, change(6, { b: 2 }, [pending(1)]));
  expect(terms.faults).toEqual([{ why: 'cleared', kept: true }]);
  // What comes later is not added to entries that lack these.
  await cache.commit(app, change(7, { c: 3 }, [pending(2)]));
  const outbox = [pending(1), pending(2)].map(({ opId }) => opId);
  expect(await found('cut-commit')).toMatchObject({ seq: 5, leaves: { a: 1 }, outbox });
  await cache.close?.();
});

test('a write whose storing the browser cuts off, and the database with it for a while, is stored', async () => {
  const { cache, terms } = await begun('cut-write');
  const { open } = IDBFactory.prototype;
  let refused = 0;
  vi.spyOn(IDBFactory.prototype, 'open').mockImplementation(function (
    this: IDBFactory,
    ...call: Parameters<IDBFactory['open']>
  ) {
    refused += 1;
    if (refused < 3) throw new DOMException('The connection was closed.', 'AbortError');
    return open.apply(this, call);
  });
  cutOff('request', 1);
  await cache.sharing?.keep(app, [[pending(1).opId, pending(1)]]);
  expect(refused).toBe(3);
  vi.restoreAllMocks();
  const outbox = [pending(1).opId];
  expect(await found('cut-write')).toMatchObject({ seq: 5, leaves: { a: 1 }, outbox });
  expect(terms.faults).toEqual([]);
  await cache.close?.();
});

test('a database that another page does not let go of is waited for once, however many stores are in it, and used when it does', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  // As the first version of the library has left it.
  const holding = await openDB('holdfast/held', 1, {
    upgrade(db) {
      for (const store of ['notes', 'places', 'entry', 'map', 'request', 'letter']) {
        db.createObjectStore(store);
      }
    },
  });
  const cache = indexedDB('held');
  const opening = [
    async () => cache.open?.(termsOf()),
    async () => cache.load(app),
    async () => cache.load(asStoreName('acme/b')),
  ];
  const failed = Promise.allSettled(opening.map((open) => open()));
  await vi.advanceTimersByTimeAsync(5000);
  vi.useRealTimers();
  const stuck = { status: 'rejected', reason: { details: { why: 'stuck' } } };
  expect(await failed).toMatchObject([stuck, stuck, stuck]);
  holding.close();
  await expect
    .poll(async () => held(cache).then(() => 'read', String), { timeout: 20_000 })
    .toBe('read');
  await cache.close?.();
});
