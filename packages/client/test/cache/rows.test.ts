// oxlint-disable-next-line import/no-unassigned-import -- it gives Node an IndexedDB
import 'fake-indexeddb/auto';
import { openDB } from 'idb';
import { DatabaseSync } from 'node:sqlite';
import { asPath, asStoreName } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import type { Cache, Migrate } from '@holdfast/client';
import { indexedDB } from '@holdfast/client/cache/indexeddb';
import { sqlite } from '@holdfast/client/cache/sqlite';
import { app, change, held, pending, scratch, termsOf } from './desk.ts';

type Tampered = { readonly open: () => Cache; change(sql: string): void } & Disposable;

/** An SQLite cache, of which rows can be tampered with. */
function tampered(): Tampered {
  const place = scratch();
  const file = place.file('cache.db');
  return {
    open: () => sqlite(file),
    change(sql) {
      const db = new DatabaseSync(file);
      db.exec(sql);
      db.close();
    },
    [Symbol.dispose]: () => place[Symbol.dispose](),
  };
}

async function filled(open: () => Cache): Promise<void> {
  const cache = open();
  await cache.open?.(termsOf());
  await cache.load(app);
  await cache.commit(app, change(5, { a: 1, b: 2 }, [pending(1), pending(2), pending(3)]));
  await cache.close?.();
}

/** What a client finds, and what it is told. */
async function reopened(
  open: () => Cache,
  given: Parameters<typeof termsOf>[0] = {},
): Promise<Awaited<ReturnType<typeof held>> & { readonly faults: readonly unknown[] }> {
  const terms = termsOf(given);
  const cache = open();
  await cache.open?.(terms);
  const found = await held(cache);
  await cache.close?.();
  return { ...found, faults: terms.faults };
}

const all = ['laptop-1:s:1', 'laptop-1:s:2', 'laptop-1:s:3'];

describe('what is read from a cache', () => {
  const damages: readonly (readonly [string, string])[] = [
    ['no JSON', `UPDATE entry SET text = '[1,"integer"' WHERE id = 'a'`],
    ['no leaf', `UPDATE entry SET text = '[1,"nothing",1]' WHERE id = 'a'`],
    ['a revision that is none', `UPDATE entry SET text = '[1,"integer",-1]' WHERE id = 'a'`],
    ['no path', `UPDATE entry SET id = 'a//b' WHERE id = 'a'`],
    ['no text', `UPDATE entry SET text = x'00ff' WHERE id = 'a'`],
    ['a map without a revision', `INSERT INTO map VALUES (1, 'm', '"x"')`],
    ['no head', `UPDATE place SET head = NULL`],
    ['an older format', `UPDATE place SET head = json_set(head, '$.format', 0)`],
    ['a cursor that is none', `UPDATE place SET head = json_set(head, '$.seq', 1.5)`],
  ];
  it.each(damages)(
    'is a fresh start with the whole outbox where entries hold %s',
    async (_, sql) => {
      using place = tampered();
      await filled(place.open);
      place.change(sql);
      const found = await reopened(place.open);
      expect(found).toMatchObject({ seq: 0, leaves: {}, outbox: all, letters: [] });
      expect(found.faults).toEqual([{ why: 'corrupt', kept: true }]);
      // And that is the end of it.
      expect(await reopened(place.open)).toMatchObject({ outbox: all, faults: [] });
    },
  );

  it('is told without an end that says nothing', async () => {
    using place = tampered();
    await filled(place.open);
    place.change(`UPDATE request SET text = '{"format":1,"event":"write"}' WHERE id LIKE '%:2'`);
    const messages: string[] = [];
    await reopened(place.open, { report: ({ message }) => messages.push(message) });
    expect(messages).toEqual(['cache_failed: corrupt']);
  });

  it('is a dead letter for each request that makes no sense, and the others are sent', async () => {
    using place = tampered();
    await filled(place.open);
    place.change(`UPDATE request SET text = '{"format":1,"event":"write"}' WHERE id LIKE '%:2'`);
    const found = await reopened(place.open);
    expect(found).toMatchObject({ seq: 5, leaves: { a: 1, b: 2 } });
    expect(found.outbox).toEqual(['laptop-1:s:1', 'laptop-1:s:3']);
    expect(found.letters).toEqual([['laptop-1:s:2', 'outbox_failed']]);
    expect(found.faults).toEqual([{ why: 'corrupt', kept: true }]);
    const again = await reopened(place.open);
    expect(again).toMatchObject({ letters: found.letters, faults: [] });
  });

  it('waits where a newer version has written it', async () => {
    using place = tampered();
    await filled(place.open);
    place.change(`UPDATE request SET text = json_set(text, '$.format', 2) WHERE id LIKE '%:2'`);
    const found = await reopened(place.open);
    expect(found.faults).toEqual([{ why: 'newer', kept: true }]);
    expect([found.outbox.length, found.letters]).toEqual([2, []]);
    place.change(`UPDATE request SET text = json_set(text, '$.format', 1) WHERE id LIKE '%:2'`);
    expect((await reopened(place.open)).outbox).toEqual(all);
  });

  it('is another’s under another realm', async () => {
    using place = tampered();
    await filled(place.open);
    expect(await reopened(place.open, { realm: 'wss://example.org bob' })).toMatchObject({
      seq: -1,
      outbox: [],
    });
    expect((await reopened(place.open)).outbox).toEqual(all);
  });

  it('S69 is a dead letter where another device may have sent it: nobody can know what became of it', async () => {
    using place = tampered();
    const cache = place.open();
    await cache.open?.(termsOf());
    await cache.load(app);
    await cache.commit(app, change(5, {}, [pending(1, { firstSentAt: 3 }), pending(2)]));
    await cache.close?.();
    const found = await reopened(place.open, { deviceId: 'laptop-2' });
    expect(found.outbox).toEqual(['laptop-1:s:2']);
    expect(found.letters).toEqual([['laptop-1:s:1', 'outcome_unknown']]);
  });

  it('names the stores of which requests wait', async () => {
    using place = tampered();
    await filled(place.open);
    const cache = place.open();
    await cache.open?.(termsOf());
    const other = asStoreName('acme/other');
    await cache.load(other);
    await cache.commit(other, change(1, { a: 1 }));
    expect(await cache.waiting?.()).toEqual(['acme/app']);
    await cache.close?.();
  });
});

const renamed: Migrate = (request, from) =>
  request.op === 'set' && from === 1 ? { ...request, path: asPath(`v2/${request.path}`) } : null;

async function migrated(migrate: Migrate): Promise<{
  readonly requests: readonly unknown[];
  readonly letters: readonly unknown[];
  readonly faults: readonly unknown[];
}> {
  using place = tampered();
  const old = place.open();
  await old.open?.(termsOf({ schemaVersion: 1 }));
  await old.load(app);
  const increment = { op: 'increment', path: asPath('n'), value: 1 } as const;
  const requests = [pending(1, { firstSentAt: 3 }), pending(2), pending(3, { request: increment })];
  await old.commit(app, change(5, {}, requests));
  await old.close?.();
  const terms = termsOf({ schemaVersion: 2, migrate });
  const cache = place.open();
  await cache.open?.(terms);
  const image = await cache.load(app);
  const letters = (cache.letters?.list(app) ?? []).map(({ opId, refusal }) => [opId, refusal.code]);
  await cache.close?.();
  return {
    requests: (image?.outbox ?? []).map(({ request }) => request),
    letters,
    faults: terms.faults,
  };
}

describe('requests of a former version of the application', () => {
  it('R142 are migrated before they are sent; what cannot be is a dead letter, what may have been sent stays as it was', async () => {
    const { requests, letters } = await migrated(renamed);
    expect(requests).toEqual([
      { op: 'set', path: 'k', value: 1 },
      { op: 'set', path: 'v2/k', value: 2 },
    ]);
    expect(letters).toEqual([['laptop-1:s:3', 'schema_skew']]);
  });

  it('are dead letters where the migration throws, or gives what is no request', async () => {
    const broken = await migrated(() => {
      throw new Error('bug');
    });
    expect(broken.letters).toHaveLength(2);
    expect(broken.faults).toHaveLength(2);
    const wrong = await migrated(() => ({ op: 'set', path: '//', value: 1 }) as never);
    expect(wrong.letters.map((each) => (each as string[])[1])).toEqual([
      'empty_segment',
      'empty_segment',
    ]);
  });
});

/** Another IndexedDB for the platform; undefined: none. */
function put(value: unknown): void {
  Object.defineProperty(globalThis, 'indexedDB', { value, configurable: true });
}

function forbidden(): never {
  throw new DOMException('The operation is insecure.', 'SecurityError');
}

describe('an IndexedDB cache', () => {
  let count = 0;
  const name = (): string => {
    count += 1;
    return `faults-${count}`;
  };

  it('goes on after its connection was closed by another tab that changes or deletes the database', async () => {
    const [terms, at] = [termsOf(), name()];
    const cache = indexedDB(at);
    await cache.open?.(terms);
    await cache.load(app);
    await cache.commit(app, change(1, { a: 1 }, [pending(1)]));
    await new Promise<void>((resolve, reject) => {
      const deletion = globalThis.indexedDB.deleteDatabase(`holdfast/${at}`);
      deletion.addEventListener('success', () => resolve());
      deletion.addEventListener('error', () => reject(deletion.error ?? new Error('failed')));
    });
    await cache.commit(app, change(2, { b: 2 }, [pending(2)]));
    await cache.commit(app, change(3, { c: 3 }, [pending(3)]));
    expect(terms.faults).toEqual([{ why: 'cleared', kept: true }]);
    // What would be half of the state is not there; the requests are.
    expect(await held(cache)).toMatchObject({ seq: 0, leaves: {} });
    expect((await held(cache)).outbox).toEqual(['laptop-1:s:2', 'laptop-1:s:3']);
    await cache.close?.();
  });

  it('is not opened where a newer version of the library has changed the layout', async () => {
    const at = name();
    (await openDB(`holdfast/${at}`, 7)).close();
    await expect(indexedDB(at).open?.(termsOf())).rejects.toMatchObject({
      code: 'cache_failed',
      details: { why: 'newer' },
    });
  });

  it('says so where the platform has no IndexedDB, or forbids it', async () => {
    const kept = globalThis.indexedDB;
    try {
      const unavailable = { code: 'cache_failed', details: { why: 'unavailable' } };
      put({ open: forbidden });
      const cache = indexedDB(name());
      await expect(cache.load(app)).rejects.toMatchObject(unavailable);
      put(undefined);
      await expect(cache.load(app)).rejects.toMatchObject(unavailable);
      expect(() => indexedDB(name())).toThrow(expect.objectContaining({ code: 'cache_failed' }));
    } finally {
      put(kept);
    }
  });

  it('checks its options', () => {
    expect(() => indexedDB('')).toThrow(TypeError);
    expect(() => indexedDB('x', { durability: 'none' as never })).toThrow(/durability/);
  });
});
