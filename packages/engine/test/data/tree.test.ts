import { asPath, comparePaths, type Json, type Leaf, type Path } from '@holdfast/protocol';
import { type MapRow, Tree } from '@holdfast/engine/data';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const at = (path: string): Path => asPath(path);
const leaf = (value: Json, revision: number): Leaf => ({ value, type: 'integer', revision });
const numbered = (count: number): Path[] =>
  Array.from({ length: count }, (_, i) => at(`m/${(i * 7919) % count}`));

function filled(paths: readonly string[]): Tree {
  const tree = Tree.empty();
  for (const [index, path] of paths.entries()) tree.put(at(path), leaf(index, index + 1));
  return tree;
}

const pathsOf = (tree: Tree): string[] => [...tree.entries()].map(({ path }) => path);

describe('The order of a tree', () => {
  test('S88 is that of the UTF-8 bytes of the rendered path, not of segments, units or locales', () => {
    const sorted = ['A', '_x', 'a!/z', 'a-b', 'a.b', 'a/b/c', 'a/b-', 'a0', 'é', '\uFF5E', '😀'];
    const expected = sorted.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(pathsOf(filled(sorted.toReversed()))).toEqual(expected);
    expect(expected.indexOf('a-b')).toBeLessThan(expected.indexOf('a/b/c'));
    expect(expected.at(-1)).toBe('😀');
  });

  test('is sought from any bound, in both directions, in maps of many nodes', () => {
    const tree = filled([...numbered(2000), 'a', 'm-', 'm0', 'z/1/2']);
    const sorted = pathsOf(tree).toSorted(comparePaths);
    expect(pathsOf(tree)).toEqual(sorted);
    const bounds = [
      '',
      'a',
      'm',
      'm/',
      'm/1000',
      'm/10005',
      'm/99999',
      'm/x/y',
      'z/1',
      'z/1/3',
      '~',
    ];
    for (const from of bounds) {
      for (const before of bounds) {
        const inside = sorted.filter(
          (path) => comparePaths(path, from) >= 0 && comparePaths(path, before) < 0,
        );
        const found = (order: 'asc' | 'desc'): string[] =>
          [...tree.entries({ from, before, order })].map(({ path }) => path);
        expect(found('asc')).toEqual(inside);
        expect(found('desc')).toEqual(inside.toReversed());
      }
    }
  });

  test('pages through by the last path returned', () => {
    const tree = filled(numbered(500));
    for (const order of ['asc', 'desc'] as const) {
      const seen: string[] = [];
      for (let last: string | undefined; ; last = seen.at(-1)) {
        const bound = order === 'asc' ? 'after' : 'before';
        const range = { under: at('m'), order, ...(last !== undefined && { [bound]: last }) };
        const page = [...tree.entries(range)].slice(0, 64);
        if (page.length === 0) break;
        seen.push(...page.map(({ path }) => path));
      }
      expect(seen).toEqual(order === 'asc' ? pathsOf(tree) : pathsOf(tree).toReversed());
    }
  });
});

describe('A map of many leaves', () => {
  test('agrees with a Map through any growth and shrinking, and so does a fork taken anywhere', () => {
    const script = fc.array(fc.tuple(fc.nat(400), fc.boolean()), { minLength: 1, maxLength: 900 });
    fc.assert(
      fc.property(script, fc.nat(900), (steps, forkAt) => {
        const tree = Tree.empty();
        const model = new Map<string, number>();
        let fork = tree.fork();
        let atFork: string[] = [];
        for (const [index, [number, isPut]] of steps.entries()) {
          const path = at(`m/${number}`);
          if (index === forkAt) {
            fork = tree.fork();
            atFork = pathsOf(tree);
          }
          if (isPut) tree.put(path, leaf(index, index + 1));
          else tree.remove(path, index + 1);
          if (isPut) model.set(path, index);
          else model.delete(path);
        }
        const sorted = [...model.keys()].toSorted(comparePaths);
        expect(pathsOf(tree)).toEqual(sorted);
        expect(sorted.map((path) => tree.leaf(at(path))?.value)).toEqual(
          sorted.map((path) => model.get(path)),
        );
        expect(tree.size).toBe(model.size);
        expect(pathsOf(fork)).toEqual(atFork);
      }),
      { numRuns: 60 },
    );
  });

  test('shrinks to nothing from either end, from the middle, and grows again', () => {
    const paths = pathsOf(filled(numbered(3000))).map(at);
    const orders = [paths, paths.toReversed(), numbered(3000)];
    for (const order of orders) {
      const tree = filled(paths);
      for (const [index, path] of order.entries()) {
        tree.remove(path, 4000 + index);
        if (index % 100 === 0 || index > 2900) expect(pathsOf(tree)).toHaveLength(2999 - index);
        expect(tree.leaf(path)).toBeUndefined();
      }
      expect([tree.size, tree.read(at('m')), tree.maps()]).toEqual([0, undefined, []]);
      tree.put(at('m/1'), leaf(1, 9000));
      expect(pathsOf(tree)).toEqual(['m/1']);
    }
  });

  test('of 100 000 keys is assembled, replaced and removed whole', () => {
    const tree = filled(Array.from({ length: 100_000 }, (_, i) => `big/${i}`));
    const big = tree.read(at('big'))?.value ?? {};
    expect(Object.keys(big)).toHaveLength(100_000);
    tree.remove(at('big/5'), 100_001);
    expect(tree.count(at('big'))).toBe(99_999);
    let changes = 0;
    tree.remove(at('big'), 100_002, { leaf: () => changes++, map: () => undefined });
    expect([changes, tree.size]).toEqual([99_999, 0]);
  });
});

describe('Assembled objects', () => {
  test('keep their identity until something below them changes, across forks too', () => {
    const tree = filled(['a/x/1', 'a/y/1', 'b']);
    const object = (path: string, from = tree): unknown => from.read(at(path))?.value;
    const [a, x, y] = ['a', 'a/x', 'a/y'].map((path) => object(path));
    expect(a).toHaveProperty('x', x);
    tree.put(at('b'), leaf(9, 10));
    tree.put(at('c/d'), leaf(9, 11));
    const fork = tree.fork();
    expect(object('a')).toBe(a);
    tree.put(at('a/x/1'), leaf(7, 12));
    expect(object('a')).toEqual({ x: { 1: 7 }, y: { 1: 1 } });
    expect(object('a/y')).toBe(y);
    expect(Reflect.get(Object(object('a')), 'y')).toBe(y);
    expect(object('a', fork)).toBe(a);
    expect(x).toEqual({ 1: 0 });
  });

  test('keep their identity when an equal value is written, though the revision moves', () => {
    const tree = filled(['a/x']);
    tree.put(at('a/l'), leaf([1, { b: 2 }], 2));
    const before = tree.read(at('a'));
    tree.put(at('a/l'), leaf([1, { b: 2 }], 3));
    expect(tree.read(at('a'))?.value).toBe(before?.value);
    expect(tree.mapRevision(at('a'))).toBe(3);
  });

  test('are frozen all through', () => {
    const tree = filled([]);
    const inner = [1];
    const middle = { b: inner };
    tree.put(at('a/l'), leaf([middle], 1));
    const parts = [tree.read(at('a'))?.value, tree.read(at('a/l'))?.value, middle, inner];
    expect(parts.map((part) => Object.isFrozen(part))).toEqual([true, true, true, true]);
  });

  test('are safe for any key', () => {
    const tree = filled(['m/__proto__/polluted', 'm/constructor', 'm/a~1b/~01', 'm/toString/x']);
    const value = tree.read(at('m'))?.value ?? null;
    expect(JSON.parse(JSON.stringify(value))).toEqual(
      JSON.parse('{"__proto__":{"polluted":0},"constructor":1,"a/b":{"~1":2},"toString":{"x":3}}'),
    );
    expect(Object.keys(value ?? {})).toContain('__proto__');
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });
});

describe('Forks and drafts', () => {
  test('do not see each other, whichever of them changes', () => {
    const tree = filled(['a/b/c', 'a/d']);
    const fork = tree.fork();
    fork.put(at('a/b/c'), leaf('fork', 5));
    tree.put(at('a/b/c'), leaf('tree', 6));
    const third = fork.fork();
    third.remove(at('a'), 7);
    expect([tree, fork, third].map((each) => each.leaf(at('a/b/c'))?.value)).toEqual([
      'tree',
      'fork',
      undefined,
    ]);
    expect([tree, fork, third].map(({ size }) => size)).toEqual([2, 2, 0]);
  });

  test('both know the map revisions that no leaf has', () => {
    const tree = filled(['a/x', 'a/y']);
    tree.remove(at('a/y'), 3);
    const fork = tree.fork();
    tree.put(at('a/z'), leaf(1, 4));
    fork.put(at('b'), leaf(1, 4));
    const rows: MapRow[] = [];
    fork.put(at('a/z'), leaf(1, 5), { leaf: () => undefined, map: (row) => rows.push(row) });
    expect(rows).toEqual([['a', null]]);
    expect([tree.maps(), fork.maps()]).toEqual([[], []]);
  });

  test('leave the tree they are drawn from as it was', () => {
    const tree = filled(numbered(300));
    const before = [...tree.entries()];
    const draft = tree.draft();
    draft.remove(at('m/7'), 400);
    draft.put(at('m/new/x'), leaf(1, 401));
    draft.put(at('m/8'), leaf(1, 402));
    expect([...tree.entries()]).toEqual(before);
    expect(tree.mapRevision(at('m'))).toBe(300);
  });
});

describe('Changes', () => {
  test('S43 map revisions that no leaf has are listed, and told when they come and go', () => {
    const tree = filled(['a/b/x', 'a/b/y', 'a/z']);
    const rows: MapRow[] = [];
    const witness = { leaf: (): void => undefined, map: (row: MapRow) => rows.push(row) };
    tree.remove(at('a/b/x'), 4, witness);
    expect(rows).toEqual([
      ['a/b', 4],
      ['a', 4],
    ]);
    expect(tree.maps()).toEqual(rows.toReversed());
    tree.put(at('a/n'), leaf(1, 5), witness);
    expect(rows.slice(2)).toEqual([['a', null]]);
    tree.remove(at('a/b/y'), 6, witness);
    expect(rows.slice(3)).toEqual([
      ['a/b', null],
      ['a', 6],
    ]);
    expect(tree.maps()).toEqual([['a', 6]]);
  });

  test('a tree loaded in pieces has every revision of the one it was taken from', () => {
    const tree = filled(numbered(100));
    tree.remove(at('m/3'), 101);
    tree.put(at('n/o/p'), leaf(1, 102));
    tree.put(at('n/o/q'), leaf(1, 103));
    tree.remove(at('n/o/q'), 104);
    const loaded = Tree.empty();
    const entries = [...tree.entries()];
    loaded.load(entries.slice(0, 40), tree.maps());
    loaded.load(entries.slice(40));
    expect([...loaded.entries()]).toEqual(entries);
    expect(loaded.maps()).toEqual([
      ['m', 101],
      ['n', 104],
      ['n/o', 104],
    ]);
    const late = Tree.empty();
    late.load(entries);
    late.load([], tree.maps());
    expect(late.maps()).toEqual(loaded.maps());
  });
});
