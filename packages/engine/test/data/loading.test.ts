import { asPath, comparePaths, type Entry, renderPath } from '@holdfast/protocol';
import { Tree } from '@holdfast/engine/data';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const segment = fc.constantFrom(
  'a',
  'b',
  'a-',
  'a-b',
  'a/b',
  '~',
  '_',
  'é',
  '\u{10000}',
  '\u{ffff}',
);
const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map(renderPath);
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
