import {
  compareValues,
  Evaluation,
  fieldsOf,
  type Row,
  withOps,
} from '@holdfast/engine/collection';
import { asPath, type Json, passthrough, type Query, readQuery, record } from '@holdfast/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const Item = record({
  name: 'item',
  store: 'a/b',
  path: 'items/:id',
  version: '1.0',
  schema: passthrough<{ [field: string]: unknown }>(),
});

const queryOf = (spec: object): Query => readQuery(Item, spec);
const at = (id: number) => asPath(`items/${id}`);
const typed = (type: string, text: string): Json => ({ _type: type, _typed: text });

describe('The order of values', () => {
  test('absent, null, false, true, numbers, datetimes, strings by bytes, others', () => {
    const ascending: (Json | undefined)[] = [
      undefined,
      null,
      false,
      true,
      typed('bigint', '-99999999999999999999'),
      -1.5,
      0,
      typed('decimal', '0.1'),
      typed('decimal', '1e1'),
      10.5,
      typed('bigint', '11'),
      typed('datetime', '1969-12-31T23:59:59Z'),
      typed('datetime', '2024-02-29T12:00:00+02:00'),
      typed('datetime', '2024-02-29T10:00:00.001Z'),
      typed('datetime', '2024-03-01T00:00:00Z'),
      '',
      'Z',
      'a',
      'ab',
      '\u{ffff}',
      '\u{10000}',
      [1],
      { a: 1 },
    ];
    for (const [i, a] of ascending.entries()) {
      for (const [j, b] of ascending.entries()) {
        expect([i, j, Math.sign(compareValues(a, b))]).toEqual([i, j, Math.sign(i - j)]);
      }
    }
    const utc = typed('datetime', '2024-02-29T10:00:00Z');
    expect(compareValues(utc, typed('datetime', '2024-02-29T12:00:00+02:00'))).toBe(0);
    expect(compareValues(1, typed('decimal', '1.0'))).toBe(0);
  });

  test('numbers far beyond what a computer rounds to are in order, at the cost of their digits', () => {
    const decimals = ['-1e9999', '-2e9998', '-1e-9999', '1e-9999', '0.2e-9998', '2e9998', '1e9999'];
    const ascending = decimals.map((text) => typed('decimal', text));
    expect(ascending.toReversed().toSorted(compareValues)).toEqual(ascending);
    // Written out, there is no memory for the zeros of one of these.
    const [tiny, same, less] = ['1e-99999999999', '1.0e-99999999999', '9e-199999999999'].map(
      (text) => typed('decimal', text),
    );
    expect(compareValues(tiny, same)).toBe(0);
    expect(compareValues(less, tiny)).toBeLessThan(0);
    expect(compareValues(tiny, 0)).toBeGreaterThan(0);
  });
});

describe('Conditions', () => {
  const rows: readonly (readonly [number, Json])[] = [
    [1, { s: 'ada', n: 1 }],
    [2, { s: 'bob', n: 2, d: typed('datetime', '2024-01-01T00:00:00Z') }],
    [3, { n: null }],
    [4, {}],
  ];
  const found = (where: object): number[] => {
    const all = rows.map(([id, value]) => ({ path: at(id), value }));
    const { rows: paths } = new Evaluation('item', queryOf({ where }), all).window;
    return paths.map((path) => Number(path.split('/')[1]));
  };

  test.each([
    [{ s: 'ada' }, [1]],
    [{ s: { ne: 'ada' } }, [2, 3, 4]],
    [{ s: { nin: ['ada', 'bob'] } }, [3, 4]],
    [{ n: { gte: 1, lt: 2 } }, [1]],
    // Null comes before all numbers.
    [{ n: { lte: 1 } }, [1, 3]],
    [{ n: { gt: 0, lte: 2 } }, [1, 2]],
    [{ n: { in: [2, null] } }, [2, 3]],
    [{ n: null }, [3]],
    [{ s: { prefix: 'b' } }, [2]],
    [{ s: { exists: false } }, [3, 4]],
    [{ d: new Date('2024-01-01T00:00:00.000Z') }, []],
    [{ d: { gt: new Date('2023-01-01T00:00:00.000Z') } }, [2]],
    [{ $or: [{ s: 'ada' }, { n: 2 }] }, [1, 2]],
    [{ $and: [{ s: { exists: true } }, { n: { gt: 1 } }] }, [2]],
    [{ $not: { s: { exists: true } } }, [3, 4]],
  ])('%j finds %j', (where, ids) => {
    expect(found(where)).toEqual(ids);
  });
});

describe('Evaluation', () => {
  const numbers = fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined });
  const object = fc.record({ a: numbers, b: numbers }, { requiredKeys: [] });
  const change = fc.tuple(fc.integer({ min: 0, max: 19 }), fc.option(object, { nil: undefined }));
  const specs = fc.record({
    where: fc.constantFrom({}, { a: { gte: 2 } }, { a: { exists: true } }, { $not: { b: 1 } }),
    orderBy: fc.constantFrom<readonly (readonly [string, string])[]>(
      [],
      [['a', 'asc']],
      [
        ['b', 'desc'],
        ['a', 'asc'],
      ],
    ),
    limit: fc.integer({ min: 1, max: 6 }),
  });
  const history = fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { maxLength: 30 });
  const numRuns = Number(process.env['HOLDFAST_RUNS'] ?? 300);

  test('R195 R202 after every commit the window is what evaluating from scratch gives, and so is what its steps make of the one before', () => {
    fc.assert(
      fc.property(specs, history, fc.nat(20), (asked, commits, start) => {
        const objects = new Map<string, Json>();
        const rows = (): Row[] =>
          [...objects].map(([path, value]) => ({ path: asPath(path), value }));
        const first = new Evaluation('item', queryOf(asked), []);
        // Half of them begin behind a cursor.
        for (let id = 0; id < start; id++) objects.set(at(id), { a: id % 5, b: id % 3 });
        const { endCursor } = new Evaluation('item', queryOf(asked), rows()).window;
        const query = queryOf({
          ...asked,
          ...(start % 2 === 1 && endCursor && { after: endCursor }),
        });
        const live = new Evaluation('item', query, rows());
        let shown = live.window.rows;
        expect(first.window.rows).toEqual([]);
        for (const commit of commits) {
          const touched = new Map<string, Json | undefined>();
          for (const [id, value] of commit) {
            const clean = value && (JSON.parse(JSON.stringify(value)) as Json);
            if (clean === undefined) objects.delete(at(id));
            else objects.set(at(id), clean);
            touched.set(at(id), clean);
          }
          const steps = live.change(
            [...touched].map(([path, value]) => ({ path: asPath(path), value })),
          );
          const fresh = new Evaluation('item', query, rows()).window;
          expect(live.window).toEqual(fresh);
          expect(withOps(shown, steps ?? [])).toEqual(fresh.rows);
          shown = fresh.rows;
        }
      }),
      { numRuns },
    );
  });

  test('R201 pages by cursor neither repeat nor miss a row while others come and go, the row of the cursor too', () => {
    const all = new Map<string, Json>();
    for (let id = 0; id < 100; id++) all.set(at(id), { a: id % 7 });
    const spec = { orderBy: 'a', limit: 9 } as const;
    const rows = (): Row[] => [...all].map(([path, value]) => ({ path: asPath(path), value }));
    const before = [...all.keys()];
    const seen: string[] = [];
    let after: string | null = null;
    for (let page = 0; ; page++) {
      const query: Query = queryOf({ ...spec, ...(after !== null && { after }) });
      const { rows: paths, hasMore, endCursor } = new Evaluation('item', query, rows()).window;
      seen.push(...paths);
      if (!hasMore) break;
      after = endCursor;
      all.delete(paths.at(-1) ?? '');
      all.set(at(1000 + page), { a: 0 });
    }
    expect(seen.filter((path) => before.includes(path)).toSorted()).toEqual(before.toSorted());
  });

  test('R201 a page begins behind a row that lacks what it is ordered by, too: null is another place', () => {
    const rows = [1, 2, 3].map((id): Row => ({ path: at(id), value: id === 3 ? { a: null } : {} }));
    const spec = { orderBy: 'a', limit: 1 };
    const { endCursor: after } = new Evaluation('item', queryOf(spec), rows).window;
    const next = new Evaluation('item', queryOf({ ...spec, after, limit: 9 }), rows);
    expect(next.rows).toEqual([at(2), at(3)]);
  });

  test('R200 the fields of a condition are those of all its parts, of what is not to be as well', () => {
    const where = { $not: { a: 1 }, $or: [{ b: 1 }, { $and: [{ c: 1 }] }], d: 1 };
    expect(fieldsOf(where).toSorted()).toEqual(['a', 'b', 'c', 'd']);
  });

  test('R201 R202 a page keeps its rows when all that comes long before it is gone', () => {
    const rows = Array.from({ length: 768 }, (_, n): Row => ({ path: at(n), value: { n } }));
    const all = new Evaluation('item', queryOf({ orderBy: 'n', limit: 601 }), rows);
    const after = all.window.endCursor ?? '';
    const page = new Evaluation('item', queryOf({ orderBy: 'n', limit: 3, after }), rows);
    page.take(rows.slice(256, 512).map(({ path }) => ({ path, value: undefined })));
    page.take([{ path: at(601), value: undefined }]);
    expect(page.rows).toEqual([at(602), at(603), at(604)]);
  });

  test('R164 a field by the name of what every object has is absent where it was not stored', () => {
    const rows: Row[] = [
      { path: at(1), value: { constructor: 'b' } },
      { path: at(2), value: {} },
      { path: at(3), value: { constructor: 'a' } },
    ];
    const sorted = new Evaluation('item', queryOf({ orderBy: 'constructor' }), rows);
    expect(sorted.rows).toEqual([at(2), at(3), at(1)]);
    const where = { constructor: { exists: true } };
    expect(new Evaluation('item', queryOf({ where }), rows).rows).toEqual([at(1), at(3)]);
  });

  test('R201 a cursor of another query, or none, is invalid_cursor', () => {
    const one = new Evaluation('item', queryOf({ where: { a: 1 } }), [
      { path: at(1), value: { a: 1 } },
    ]);
    const after = one.window.endCursor;
    const open = (spec: object) => () => new Evaluation('item', queryOf(spec), []);
    expect(open({ where: { a: 1 }, after, limit: 3 })).not.toThrow();
    const [hash, keys] = JSON.parse(decodeURIComponent(after ?? ''));
    const forged = [
      [hash, keys, 7],
      [hash, keys],
      [hash, 'keys', at(1)],
      [hash, [7], at(1)],
    ];
    for (const bad of [
      ...forged.map((each) => ({ where: { a: 1 }, after: JSON.stringify(each) })),
      { where: { a: 2 }, after },
      { where: { a: 1 }, params: { id: '1' }, after },
      { after: 'x' },
      { after: '%' },
      { after: '[1,2,3]' },
    ]) {
      expect(open(bad)).toThrow(expect.objectContaining({ code: 'invalid_cursor' }));
    }
  });

  test('R195 what a commit costs hardly grows with the number of rows', () => {
    const asked = queryOf({ where: { a: { gte: 0 } }, orderBy: 'a', limit: 50 });
    const evaluationOf = (size: number): Evaluation => {
      const rows = Array.from({ length: size }, (_, id) => ({ path: at(id), value: { a: id } }));
      return new Evaluation('item', asked, rows);
    };
    let looks = 0;
    /** A number that counts how often somebody compares it. */
    const counting = (number: number): Json => ({
      _type: 'decimal',
      get _typed() {
        looks += 1;
        return String(number);
      },
    });
    const counted = (evaluation: Evaluation, size: number): number => {
      looks = 0;
      for (let i = 0; i < 100; i++) {
        const path = at(Math.floor((i * size) / 100));
        evaluation.change([{ path, value: { a: counting((i * 7919) % size) } }]);
      }
      return looks;
    };
    const [small, large] = [
      counted(evaluationOf(1000), 1000),
      counted(evaluationOf(100_000), 100_000),
    ];
    expect(small).toBeGreaterThan(100);
    expect(large).toBeLessThan(2 * small);
  });
});
