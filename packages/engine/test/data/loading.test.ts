import { asPath, comparePaths, type Entry } from '@holdfast/protocol';
import { Tree } from '@holdfast/engine/data';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { path } from './paths.ts';

const revision = fc.integer({ min: 1, max: 50 });

test('a tree loaded with entries in path order is the tree that puts would build', () => {
  fc.assert(
    fc.property(fc.array(path, { maxLength: 60 }), (paths) => {
      const plain = treeOf(paths);
      const loaded = Tree.empty();
      loaded.load(plain.entries(), plain.maps());
      expectEqual(loaded, plain);
    }),
  );
});

test('entries that come in any order, leaves above leaves among them, make a tree whose leaves are in order, none above another', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(path, revision), { maxLength: 60 }), (written) => {
      const loaded = Tree.empty();
      for (const [at, seq] of written) {
        loaded.put(at, { value: seq, type: 'integer', revision: seq });
      }
      const paths = [...loaded.entries()].map((entry) => entry.path);
      expect(paths).toEqual(paths.toSorted(comparePaths));
      for (const each of paths) expect(loaded.leafAbove(each)).toBeUndefined();
      expect(loaded.size).toBe(paths.length);
    }),
  );
});

const written = fc.tuple(path, revision).map(([at, seq]): Entry => {
  return { path: at, value: seq, type: 'integer', revision: seq };
});

test('pieces in any order load as one put after the other, and forks and siblings stay as they are', () => {
  fc.assert(
    fc.property(fc.array(fc.array(written, { maxLength: 20 }), { maxLength: 6 }), (pieces) => {
      const loaded = Tree.empty();
      const put = Tree.empty();
      const seen: (readonly [Tree, readonly Entry[]])[] = [];
      for (const [index, piece] of pieces.entries()) {
        const entries = index % 2 === 0 ? piece.toSorted(byPath) : piece;
        loaded.load(entries);
        for (const each of entries) put.put(each.path, each);
        expectEqual(loaded, put);
        if (index % 3 === 0) seen.push([loaded.fork(), [...loaded.entries()]]);
        const [gone] = piece;
        if (gone === undefined) continue;
        loaded.remove(gone.path, 60);
        put.remove(gone.path, 60);
        expectEqual(loaded, put);
      }
      for (const [fork, entries] of seen) expect([...fork.entries()]).toEqual(entries);
    }),
  );
});

test('maps with the same keys change each for itself', () => {
  const keys = Array.from({ length: 7 }, (_, at) => `k${at}`);
  const loaded = Tree.empty();
  const leaf = { value: 0, type: 'integer', revision: 1 } as const;
  loaded.load(
    ['a', 'b', 'c'].flatMap((map) =>
      keys.map((key) => ({ path: asPath(`${map}/${key}`), ...leaf })),
    ),
  );
  loaded.put(asPath('a/k00'), leaf);
  loaded.remove(asPath('b/k1'), 2);
  loaded.put(asPath('c/k7'), leaf);
  loaded.put(asPath('c/k8'), leaf);
  const keysOf = (map: string): unknown => Object.keys(Object(loaded.read(asPath(map))?.value));
  expect(keysOf('a')).toEqual(['k0', 'k00', ...keys.slice(1)]);
  expect(keysOf('b')).toEqual(keys.filter((key) => key !== 'k1'));
  expect(keysOf('c')).toEqual([...keys, 'k7', 'k8']);
});

test('a map of many pages takes its leaves in any order, and gives them up', () => {
  const tree = Tree.empty();
  const keys = Array.from({ length: 2000 }, (_, at) => `wide/${(at * 7919) % 2000}`);
  for (const key of keys) tree.put(asPath(key), { value: 0, type: 'integer', revision: 1 });
  expect([...tree.entries()].map((each) => each.path)).toEqual(keys.toSorted(comparePaths));
  for (const key of keys.slice(0, 1500)) tree.remove(asPath(key), 2);
  const left = keys.slice(1500).toSorted(comparePaths);
  expect([...tree.entries()].map((each) => each.path)).toEqual(left);
});

test('a loaded tree takes further changes, and maps of more than one node are whole', () => {
  const loaded = Tree.empty();
  for (let index = 0; index < 5000; index += 1) {
    const key = String(index).padStart(5, '0');
    loaded.put(asPath(`wide/${key}`), { value: index, type: 'integer', revision: 1 });
  }
  const fork = loaded.fork();
  loaded.put(asPath('wide/00100/x'), { value: 'x', type: 'string', revision: 2 });
  loaded.remove(asPath('wide/04999'), 3);
  expect(loaded.size).toBe(4999);
  expect(loaded.leaf(asPath('wide/00100'))).toBeUndefined();
  expect(loaded.mapRevision(asPath('wide'))).toBe(3);
  expect(fork.size).toBe(5000);
  expect([...fork.entries({ under: asPath('wide') })].at(-1)?.value).toBe(4999);
});

/** Later writes have greater revisions, as in a log. */
function treeOf(paths: readonly Entry['path'][]): Tree {
  const tree = Tree.empty();
  for (const [index, at] of paths.entries()) {
    tree.put(at, { value: index, type: 'integer', revision: index + 1 });
  }
  return tree;
}

function expectEqual(loaded: Tree, plain: Tree): void {
  expect([...loaded.entries()]).toEqual([...plain.entries()]);
  expect(loaded.maps()).toEqual(plain.maps());
  expect(loaded.size).toBe(plain.size);
  for (const entry of plain.entries()) {
    for (let end = entry.path.indexOf('/'); end > 0; end = entry.path.indexOf('/', end + 1)) {
      const above = asPath(entry.path.slice(0, end));
      expect(loaded.read(above)).toEqual(plain.read(above));
    }
  }
}

function byPath(a: Entry, b: Entry): number {
  return comparePaths(a.path, b.path);
}
