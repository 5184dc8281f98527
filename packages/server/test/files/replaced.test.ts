import { Tree } from '@holdfast/engine/data';
import { asPath } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { replacedIn } from '../../src/files/replaced.ts';

const file = {
  _type: 'file',
  hash: `sha256:${'0'.repeat(64)}`,
  size: 6,
  content_type: 'text/plain',
  filename: null,
  uploaded_at: '2026-01-01T00:00:00.000Z',
};

function treeOf(count: number): Tree {
  const tree = Tree.empty();
  for (let at = 0; at < count; at += 1) {
    tree.put(asPath(`map/${at}`), { value: file, type: 'file', revision: at + 1 });
  }
  return tree;
}

test('given a path with a million leaves below it, when a file comes in its place piece by piece, then ten thousand are looked at for each, and the commit alone judges its space', () => {
  expect(replacedIn(treeOf(10_000), asPath('map'))).toBe(60_000);
  expect(replacedIn(treeOf(10_001), asPath('map'))).toBe(Infinity);
  expect(replacedIn(treeOf(10_001), asPath('map/7'))).toBe(6);
});
