import {
  asPath,
  comparePaths,
  type Entry,
  type EntryTuple,
  entryTuple,
  type Path,
} from '@holdfast/protocol';
import { Tree } from '@holdfast/engine/data';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { path } from './paths.ts';

/*
 * Rows that are adopted find their places when something near them is looked at: nobody can tell them from leaves that
 * were put one after the other.
 */
const written = fc.tuple(path, fc.integer({ min: 1, max: 50 })).map(([at, seq]): Entry => {
  return { path: at, value: [seq], type: 'list', revision: seq };
});
/** What is done between two pieces. */
type Act =
  | { readonly type: 'nothing' | 'fork' }
  | { readonly type: 'look' | 'remove' | 'hollow'; readonly at: Path }
  | { readonly type: 'put'; readonly entry: Entry };

const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ type: fc.constantFrom('nothing', 'fork') }),
  fc.record({ type: fc.constantFrom('look', 'remove', 'hollow'), at: path }),
  fc.record({ type: fc.constant('put'), entry: written }),
);

test('pieces in any order, with looks, writes and forks between them, are adopted as one put after the other', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.array(written, { maxLength: 30 }), fc.boolean(), act), { maxLength: 6 }),
      (pieces) => {
        const adopting = Tree.empty();
        const plain = Tree.empty();
        const forks: (readonly [Tree, readonly Entry[]])[] = [];
        for (const [piece, isSorted, what] of pieces) {
          const entries = isSorted ? piece.toSorted(byPath) : piece;
          adopting.adopt(entries.map(entryTuple), []);
          for (const each of entries) plain.put(each.path, each);
          expect(adopting.size).toBe(plain.size);
          if (what.type === 'look') look(adopting, plain, what.at);
          if (what.type === 'fork') forks.push([adopting.fork(), [...plain.entries()]]);
          for (const tree of [adopting, plain]) change(tree, what);
        }
        expect(adopting.maps()).toEqual(plain.maps());
        expect([...adopting.entries()]).toEqual([...plain.entries()]);
        for (const entry of plain.entries()) look(adopting, plain, entry.path);
        for (const [fork, entries] of forks) expect([...fork.entries()]).toEqual(entries);
      },
    ),
  );
});

test('a map of thousands of leaves, some in maps of their own, is found whole from wherever one looks first', () => {
  const entries = wide(2000);
  const plain = Tree.empty();
  for (const each of entries) plain.put(each.path, each);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 900 }),
      fc.array(fc.nat(entries.length - 1), { maxLength: 8 }),
      (size, looks) => {
        const adopting = Tree.empty();
        for (let from = 0; from < entries.length; from += size) {
          adopting.adopt(entries.slice(from, from + size).map(entryTuple), []);
        }
        expect(adopting.size).toBe(entries.length);
        for (const index of looks) {
          const { path: at } = entries[index] ?? { path: asPath('none') };
          look(adopting, plain, at);
          const [next] = adopting.entries({ after: at });
          expect(next).toEqual(entries[index + 1]);
        }
        expect([...adopting.entries({ order: 'desc' })]).toEqual(entries.toReversed());
      },
    ),
    { numRuns: 8 },
  );
});

test('rows of maps that came before their leaves are theirs when these are adopted', () => {
  const tree = Tree.empty();
  tree.adopt([rowOf('a/x/y')], [[asPath('b/x'), 7]]);
  tree.adopt([rowOf('b/x/y'), rowOf('c/x/y')], [[asPath('c/x'), 9]]);
  expect(tree.maps()).toEqual([
    [asPath('b/x'), 7],
    [asPath('c/x'), 9],
  ]);
  expect(tree.mapRevision(asPath('a/x'))).toBe(1);
});

function rowOf(at: string): EntryTuple {
  return [asPath(at), 1, 'integer', 1];
}

/** Leaves in path order below one map: every fifth of its members is a map, one of them with very many leaves. */
function wide(count: number): readonly Entry[] {
  const paths = Array.from({ length: count }, (_, at) => {
    const member = `all/${String(at).padStart(5, '0')}`;
    if (at % 5 > 0) return [member];
    const below = at === 500 ? 400 : 2;
    return Array.from({ length: below }, (__, key) => `${member}/k${String(key).padStart(3, '0')}`);
  });
  return paths.flat().map((at, index): Entry => {
    return { path: asPath(at), value: index, type: 'integer', revision: 1 + (index % 90) };
  });
}

function change(tree: Tree, what: Act): void {
  if (what.type === 'put') tree.put(what.entry.path, what.entry);
  if (what.type === 'remove') tree.remove(what.at, 60);
  if (what.type === 'hollow' && tree.hasBelow(what.at)) tree.load([], [[what.at, 70]]);
}

function look(tree: Tree, plain: Tree, at: Path): void {
  expect(tree.leaf(at)).toEqual(plain.leaf(at));
  expect(tree.leafAbove(at)).toBe(plain.leafAbove(at));
  for (let end = at.indexOf('/'); end > 0; end = at.indexOf('/', end + 1)) {
    const above = asPath(at.slice(0, end));
    expect(tree.read(above)).toEqual(plain.read(above));
    expect(tree.count(above)).toBe(plain.count(above));
  }
}

function byPath(a: Entry, b: Entry): number {
  return comparePaths(a.path, b.path);
}

test('who looks for one leaf of many thousands that have just been loaded looks at few of them', () => {
  let looks = 0;
  const count = 40_000;
  const rows = Array.from({ length: count }, (_, at): EntryTuple => {
    const name = asPath(`all/${Math.floor(at / 400) + 1000}/${at + 100_000}`);
    const row: EntryTuple = [name, at, 'integer', ((at * 7) % count) + 1];
    return new Proxy(row, {
      get: (of, key, self: unknown): unknown => {
        looks += 1;
        return Reflect.get(of, key, self);
      },
    });
  });
  const tree = Tree.empty();
  tree.adopt(rows, []);
  looks = 0;
  expect(tree.leaf(asPath('all/1050/120123'))?.value).toBe(20_123);
  expect(tree.mapRevision(asPath('all'))).toBe(count);
  expect(looks).toBeLessThan(count / 4);
});
