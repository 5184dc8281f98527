import {
  Evaluation,
  IndexWindow,
  Ordering,
  planOf,
  type Row,
  withOps,
} from '@holdfast/engine/collection';
import { sorting } from '@holdfast/engine/data';
import { asPath, type Json, passthrough, type Query, readQuery, record } from '@holdfast/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

type Fields = { readonly a?: string | number | null; readonly b?: number; readonly c?: boolean };

const Item = record({
  name: 'item',
  store: 'a/b',
  path: 'items/:id',
  version: '1.0',
  schema: passthrough<Fields>(),
  indexes: ['a', ['a', 'b'], 'b', ['b', 'a', 'c'], 'c'],
});

const queryOf = (spec: object): Query => readQuery(Item, spec);
const at = (id: number) => asPath(`items/${id}`);
const typed = (type: string, text: string): Json => ({ _type: type, _typed: text });

/** Values of each type, some of which are equal in the order and yet not the same. */
const values: readonly Json[] = [
  null,
  false,
  true,
  -0,
  0,
  1,
  typed('decimal', '1.0'),
  typed('bigint', '1'),
  2,
  typed('datetime', '2024-02-29T10:00:00Z'),
  typed('datetime', '2024-02-29T12:00:00+02:00'),
  '',
  'x',
  'xy',
  // In the order of UTF-8 bytes the other way round than in that of their units.
  '\u{1f600}',
  '\uffee',
];

// Some are more frequent, so that much is equal.
const value = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(...values) },
  { weight: 3, arbitrary: fc.constantFrom<Json>(null, true, 'x', 1) },
);
const object = fc.record({ a: value, b: value, c: value, z: value }, { requiredKeys: [] });
// A leaf where an object was is no row.
const change = fc.tuple(
  fc.integer({ min: 0, max: 14 }),
  fc.option(fc.oneof({ weight: 8, arbitrary: object }, value), { nil: undefined }),
);
const limits = fc.record({ lt: value, lte: value, gt: value, gte: value }, { requiredKeys: [] });
const others = fc.record(
  { eq: value, ne: value, in: fc.array(value, { maxLength: 3 }), gt: value, exists: fc.boolean() },
  { requiredKeys: [] },
);
const prefix = fc.constantFrom('', 'x', 'y').map((text) => ({ prefix: text }));
const condition = fc.oneof(value, value, limits, others, prefix);
const order = fc.constantFrom('asc', 'desc');
const where = fc
  .uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c', '$not'), condition), {
    selector: ([field]) => field,
    maxLength: 3,
  })
  .map((terms) =>
    Object.fromEntries(terms.map(([field, by]) => [field, field === '$not' ? { a: by } : by])),
  );
const limit = fc.integer({ min: 1, max: 5 });
const freely = fc.record({
  where,
  orderBy: fc.oneof(
    fc.constant([]),
    order.map((way) => [['a', way]]),
    order.map((way) => [['b', way]]),
    order.map((way) => [
      ['a', way],
      ['b', 'asc'],
    ]),
  ),
  limit,
});
/** Equal on the first fields of an index, perhaps between limits on the next, and in order of the rest. */
const byIndex = fc
  .record({
    fields: fc.constantFrom(...Item.indexes),
    equals: fc.array(value, { maxLength: 2 }),
    between: fc.option(limits),
    way: order,
    limit,
  })
  .map(({ fields, equals, between, way, limit: most }) => {
    const [same, rest] = [fields.slice(0, equals.length), fields.slice(equals.length)];
    return {
      where: Object.fromEntries([
        ...same.map((field, i) => [field, equals[i]]),
        ...rest.slice(0, 1).flatMap((field) => (between === null ? [] : [[field, between]])),
      ]),
      orderBy: rest.map((field) => [field, way]),
      limit: most,
    };
  });
const spec = fc.oneof(freely, { weight: 2, arbitrary: byIndex });
const commits = fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { maxLength: 20 });
const numRuns = Number(process.env['HOLDFAST_RUNS'] ?? 500);

/** An ordering of an index, with what there is by now. */
class Live {
  readonly objects = new Map<string, Json>();

  rows(): readonly Row[] {
    return [...this.objects].map(([path, each]) => ({ path: asPath(path), value: each }));
  }

  /** What a commit has made of the objects that it touched. */
  commit(changes: readonly (readonly [number, Json | undefined])[]): readonly Row[] {
    for (const [id, each] of changes) {
      if (each === undefined) this.objects.delete(at(id));
      else this.objects.set(at(id), each);
    }
    const touched = new Set(changes.map(([id]) => at(id)));
    return [...touched].map((path) => ({ path, value: this.objects.get(path) }));
  }

  fresh(query: Query): Evaluation {
    return new Evaluation('item', query, this.rows());
  }
}

/** The fields of the index that serves a query, and whether it answers it as a whole. */
function planFor(asked: object): readonly [string, boolean] | null {
  const plan = planOf(Item, queryOf(asked));
  return plan && [plan.orders.map(([field]) => field).join(), plan.isWhole];
}

describe('A declared index', () => {
  test('whatever comes, changes and goes, a query that uses it shows what evaluating from scratch gives, from the start or behind a cursor', () => {
    const seen = { whole: 0, range: 0 };
    fc.assert(
      fc.property(spec, commits, commits, (asked, before, after) => {
        const live = new Live();
        for (const each of before) live.commit(each);
        const { endCursor } = live.fresh(queryOf(asked)).window;
        const isPaged = before.length % 2 === 1 && endCursor !== null;
        const query = queryOf({ ...asked, ...(isPaged && { after: endCursor }) });
        const plan = planOf(Item, query);
        if (plan === null) return;
        seen[plan.isWhole ? 'whole' : 'range'] += 1;
        const ordering = new Ordering(plan.orders);
        ordering.gather(live.rows());
        expect([...ordering.arrange(sorting)].length).toBeLessThan(2);
        const candidates = [...ordering.objectsWithin(plan.range)].map((path) => ({
          path,
          value: live.objects.get(path),
        }));
        const shown = plan.isWhole
          ? new IndexWindow('item', query, { plan, ordering })
          : new Evaluation('item', query, candidates);
        let { rows } = live.fresh(query).window;
        expect(shown.window.rows).toEqual(rows);
        for (const each of after) {
          const touched = live.commit(each);
          const moves = ordering.change(touched);
          const step = shown instanceof IndexWindow ? shown.follow(moves) : shown.change(touched);
          const fresh = live.fresh(query).window;
          const { rows: now, hasMore, endCursor: end } = shown.window;
          expect([now, hasMore]).toEqual([fresh.rows, fresh.hasMore]);
          expect(withOps(rows, step ?? [])).toEqual(now);
          rows = now;
          if (end === null) continue;
          const next = live.fresh(queryOf({ ...asked, after: end })).window.rows;
          const same = live.fresh(queryOf({ ...asked, after: fresh.endCursor })).window.rows;
          expect(next).toEqual(same);
        }
      }),
      { numRuns },
    );
    expect(Math.min(seen.whole, seen.range)).toBeGreaterThan(0);
  });

  test('all objects of a range are found, be they ever so many', () => {
    const rows = Array.from({ length: 1300 }, (_, i) => ({
      path: at(i),
      value: { a: 'x', b: i % 7 },
    }));
    const plan = planOf(Item, queryOf({ where: { a: 'x' }, orderBy: 'c' }));
    const ordering = new Ordering(plan?.orders ?? []);
    ordering.change([...rows, { path: at(2000), value: { a: 'y' } }]);
    const found = plan === null ? [] : [...ordering.objectsWithin(plan.range)];
    expect(found.toSorted()).toEqual(rows.map(({ path }) => path).toSorted());
  });

  test('made of objects that come in order it takes a third of the comparisons of putting in one after the other, in parts', () => {
    let looks = 0;
    const rows = Array.from({ length: 12_000 }, (_, i) => {
      const counting = {
        _type: 'decimal',
        get _typed() {
          looks += 1;
          return String(i);
        },
      };
      return { path: at(i), value: { a: counting } };
    });
    const [one, all] = [new Ordering([['a', 'asc']]), new Ordering([['a', 'asc']])];
    one.change(rows);
    const oneByOne = looks;
    looks = 0;
    all.gather(rows);
    const parts = [...all.arrange(sorting)];
    expect(parts.length).toBeGreaterThan(3);
    expect(looks).toBeLessThan(oneByOne / 3);
    const everything = { fixed: [], sideOf: () => 0 };
    expect(all.within(everything, null, rows.length)).toHaveLength(rows.length);
  });

  test('of several the one serves that leaves the least to look at; one that leaves all of it, and in another order, serves nobody', () => {
    expect(planFor({ where: { a: 'x' } })).toEqual(['a', true]);
    expect(planFor({ where: { a: 'x' }, orderBy: 'b' })).toEqual(['a,b', true]);
    expect(planFor({ where: { b: { gt: 1 }, a: 'x' } })).toEqual(['a,b', false]);
    expect(planFor({ where: { b: true, c: false } })).toEqual(['b', false]);
    expect(planFor({ where: { b: true, a: { lt: 2 } }, orderBy: 'z' })).toEqual(['b,a,c', false]);
    expect(planFor({ where: { a: { gt: 1 }, b: 'x' } })).toEqual(['b,a,c', false]);
    expect(planFor({ where: { a: { gt: 1 }, c: 'x' } })).toEqual(['c', false]);
    // Of numbers others are equal in the order.
    expect(planFor({ where: { a: 1 } })).toEqual(['a', false]);
    // An index is of all objects, whatever their parameters are.
    expect(planFor({ params: { id: '1' }, where: { a: 'x' } })).toEqual(['a', false]);
    expect(planFor({ where: { z: 1 }, orderBy: 'b' })).toBeNull();
    expect(planFor({ where: { $and: [{ a: 'x' }] } })).toBeNull();
    expect(planFor({ orderBy: [['a', 'desc']] })).toEqual(['a', true]);
  });
});
