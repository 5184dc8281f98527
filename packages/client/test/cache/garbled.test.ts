// oxlint-disable-next-line import/no-unassigned-import -- it gives Node an IndexedDB
import 'fake-indexeddb/auto';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { openDB } from 'idb';
import type { Cache } from '@holdfast/client';
import { asPath, isObject, refuse } from '@holdfast/protocol';
import { describe, expect, it } from 'vitest';
import { indexedDB } from '@holdfast/client/cache/indexeddb';
import { sqlite } from '@holdfast/client/cache/sqlite';
import { app, change, held, pending, scratch, termsOf } from './desk.ts';

const outbox = [pending(1), pending(2)];

/** A store with entries in a block and in changes, a map, two requests and a dead letter. */
async function fill(cache: Cache): Promise<void> {
  await cache.open?.(termsOf());
  await cache.load(app);
  await cache.commit(app, { ...change(5, { 'm/a': 1, b: 2 }, outbox), replaces: true });
  cache.letters?.put(app, {
    opId: 'laptop-1:s:0',
    request: pending(0).request,
    refusal: refuse('path_not_allowed'),
    createdAt: 1,
    refusedAt: 2,
  });
  await cache.commit(app, { ...change(6, { later: 1 }), maps: [[asPath('m'), 5]] });
  await cache.close?.();
}

type Drawn = { readonly at: number; readonly length: number; readonly piece: string };
type Found = Awaited<ReturnType<typeof held>> & { readonly faults: readonly unknown[] };

async function reopened(cache: Cache): Promise<Found> {
  const terms = termsOf();
  await cache.open?.(terms);
  const found = await held(cache);
  await cache.commit(app, change(9, { after: 9 }));
  await cache.close?.();
  return { ...found, faults: terms.faults };
}

/** What was kept before, and what a cache finds now: anything that is missing is told, once. */
async function isToldAndHealed(open: () => Cache, before: Found): Promise<void> {
  const found = await reopened(open());
  const isMissing = Object.keys(before.leaves).some((path) => !(path in found.leaves));
  const count = ({ outbox: waiting, letters }: Found): number => waiting.length + letters.length;
  if (isMissing) expect(found.faults).toContainEqual(expect.objectContaining({ why: 'corrupt' }));
  if (count(found) < count(before)) {
    expect(found.faults).toContainEqual({ why: 'corrupt', kept: false });
  }
  const again = await reopened(open());
  expect(again.faults).toEqual([]);
  expect(again.seq).toBe(9);
  expect(again.leaves).toMatchObject({ after: 9 });
  expect([...again.outbox].toSorted()).toEqual([...found.outbox].toSorted());
  expect(again.letters).toHaveLength(found.letters.length);
}

/** A write that is cut is a dead letter, or told to be of a later version; entries can be had again. */
async function losesNoWrite(open: () => Cache): Promise<void> {
  const found = await reopened(open());
  const newer = found.faults.filter((fault) => isObject(fault) && fault['why'] === 'newer');
  expect(found.outbox.length + found.letters.length + newer.length).toBe(3);
  const again = await reopened(open());
  expect(again.faults).toEqual(newer);
  expect(again.leaves).toMatchObject({ after: 9 });
  expect([...again.outbox].toSorted()).toEqual([...found.outbox].toSorted());
}

function changed(text: string, { at, length, piece }: Drawn): string {
  const from = at % (text.length + 1);
  return text.slice(0, from) + piece + text.slice(from + length);
}

function isPlace(record: unknown): record is { readonly head: string } {
  return isObject(record) && typeof record['head'] === 'string';
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

let count = 0;

/** A database of its own for each case. */
function nextName(): string {
  count += 1;
  return `garbled-${count}`;
}

const runs = Number(process.env['HOLDFAST_RUNS'] ?? 40);

/** Texts that are no JSON, or not of what is kept. */
const oddTexts = ['', 'x', '{', '{}', '[]', 'null', '1'] as const;

const odd: readonly unknown[] = [
  undefined,
  null,
  true,
  0,
  -1,
  Number.NaN,
  1e300,
  10n,
  ...oddTexts,
  '"x"',
  '[1]',
  '['.repeat(5000),
  [],
  {},
  [null],
  [undefined],
  [['a']],
  [['a', 1]],
  [['a', '{}']],
  [['__proto__', '1']],
  [['']],
  new Date(0),
  new Uint8Array(5),
  new ArrayBuffer(8),
  new Map(),
  { n: 1 },
  { n: null },
  { n: '1' },
  { n: '1', head: 5 },
  { n: '../x', pen: 4, head: null, size: 0, loose: 0, next: 0 },
  { n: '1', pen: 4, head: '{', size: 0, loose: 0, next: 0 },
  { n: '1', pen: '', head: null, size: 0, loose: 'x', next: Number.NaN },
];

describe('an IndexedDB cache with a garbled record', () => {
  it.each(['notes', 'places', 'entry', 'map', 'request', 'letter'])(
    'in %s tells what is missing, heals and goes on, whatever is there instead',
    async (store) => {
      for (const value of odd) {
        // A block of nothing makes sense.
        if (Array.isArray(value) && value.length === 0 && store === 'entry') continue;
        for (let at = 0; ; at += 1) {
          const name = nextName();
          await fill(indexedDB(name));
          const db = await openDB(`holdfast/${name}`);
          const key = (await db.getAllKeys(store))[at];
          if (key !== undefined) await db.put(store, value, key);
          db.close();
          if (key === undefined) {
            expect(at).toBeGreaterThan(0);
            break;
          }
          await isToldAndHealed(() => indexedDB(name), whole);
        }
      }
    },
    60_000,
  );
});

it('a garbled place that is written before it is read does not look whole afterwards', async () => {
  const name = nextName();
  await fill(indexedDB(name));
  const db = await openDB(`holdfast/${name}`);
  const [key = ''] = await db.getAllKeys('places');
  await db.put('places', { n: '1' }, key);
  db.close();
  const cache = indexedDB(name);
  await cache.open?.(termsOf());
  await cache.commit(app, change(7, { more: 1 }));
  await cache.close?.();
  await isToldAndHealed(() => indexedDB(name), whole);
});

/** What {@link fill} keeps. */
const whole: Found = {
  seq: 6,
  leaves: { 'm/a': 1, b: 2, later: 1 },
  outbox: outbox.map(({ opId }) => opId),
  letters: [['laptop-1:s:0', 'path_not_allowed']],
  faults: [],
};

describe('an SQLite cache with a garbled row', () => {
  const columns = [
    'note.text',
    'note.name',
    'place.pen',
    'place.head',
    ...['entry', 'map', 'request', 'letter'].flatMap((table) => [`${table}.id`, `${table}.text`]),
  ];
  const long = 'x'.repeat(200);
  const values = [null, new Uint8Array(0), new Uint8Array(5), 7, 1.5, ...oddTexts, long];

  it.each(columns)(
    'in %s tells what is missing, heals and goes on, whatever is there instead',
    async (column) => {
      const [table = '', name = ''] = column.split('.');
      const isOwn = table === 'request' || table === 'letter';
      for (const value of values) {
        // A row of another name is another row.
        if (name === 'id' && typeof value === 'string' && value !== (isOwn ? long : null)) continue;
        if (name === 'id' && typeof value === 'number') continue;
        using place = scratch();
        const file = place.file('cache.db');
        await fill(sqlite(file));
        const db = new DatabaseSync(file);
        try {
          db.prepare(
            `UPDATE ${table} SET ${name} = ? WHERE ${name} = (SELECT max(${name}) FROM ${table})`,
          ).run(value);
        } catch (error) {
          expect(String(error)).toContain('NOT NULL');
          continue;
        } finally {
          db.close();
        }
        await isToldAndHealed(() => sqlite(file), whole);
      }
    },
    60_000,
  );
});

describe('a text that is cut, or in which something else stands', () => {
  const piece = fc.constantFrom('', '0', '}', '9'.repeat(20), '\\u0000', '"x"', 'null', ',', '2');
  const drawing = fc.record({ at: fc.nat(400), length: fc.nat(12), piece, pick: fc.nat(20) });
  it('is told, heals and costs no write in an SQLite cache', async () => {
    await fc.assert(
      fc.asyncProperty(
        drawing,
        fc.constantFrom('entry', 'map', 'request', 'letter', 'place'),
        async (drawn, table) => {
          using place = scratch();
          const file = place.file('cache.db');
          await fill(sqlite(file));
          const db = new DatabaseSync(file);
          const column = table === 'place' ? 'head' : 'text';
          const rows = db.prepare(`SELECT ${column} AS text FROM ${table}`).all();
          const text = String(rows[drawn.pick % rows.length]?.['text']);
          db.prepare(`UPDATE ${table} SET ${column} = ? WHERE ${column} = ?`).run(
            changed(text, drawn),
            text,
          );
          db.close();
          await losesNoWrite(() => sqlite(file));
        },
      ),
      { numRuns: runs },
    );
  });

  it('is told, heals and costs no write in an IndexedDB cache', async () => {
    await fc.assert(
      fc.asyncProperty(
        drawing,
        fc.constantFrom('entry', 'map', 'request', 'letter', 'places'),
        async (drawn, store) => {
          const name = nextName();
          await fill(indexedDB(name));
          const db = await openDB(`holdfast/${name}`);
          const keys = await db.getAllKeys(store);
          const key = keys[drawn.pick % keys.length] ?? '';
          const record: unknown = await db.get(store, key);
          if (store === 'places' && isPlace(record)) {
            await db.put(store, { ...record, head: changed(record.head, drawn) }, key);
          } else if (typeof record === 'string') await db.put(store, changed(record, drawn), key);
          else await db.put(store, parsed(changed(JSON.stringify(record), drawn)), key);
          db.close();
          await losesNoWrite(() => indexedDB(name));
        },
      ),
      { numRuns: runs },
    );
  });
});
