import { diff } from '@holdfast/engine/data';
import jsonPatch from 'fast-json-patch';
import { createPatch } from 'rfc6902';
import type { Figure } from '../figure.ts';
import { timed } from './timed.ts';
import { boardTree, withLeafChanged } from './view-tree.ts';

const tree = boardTree();
const changed = withLeafChanged(tree, 'another title');

/** Of a tree of 5,000 values in which a leaf changed: on trees that share what did not change. */
export const viewDiff: Figure = {
  id: 'diff',
  unit: 'diffs/s',
  against: 'the faster of fast-json-patch and rfc6902, on the same two trees',
  goal: { ratio: 1.5, at: 'least' },
  measure: async (quick) => ({
    ours: timed(() => diff(tree, changed), quick),
    limit: fasterOf(tree, changed, quick),
  }),
};

/** The same, theirs on copies that share nothing, ours as it runs. */
export const viewDiffCopies: Figure = {
  ...viewDiff,
  id: 'diff-copies',
  against: 'the faster of fast-json-patch and rfc6902, on deep copies',
  goal: { ratio: 5, at: 'least' },
  measure: async (quick) => ({
    ours: timed(() => diff(tree, changed), quick),
    limit: fasterOf(structuredClone(tree), structuredClone(changed), quick),
  }),
};

function fasterOf(before: object, after: object, quick: boolean): number {
  const theirs = [
    timed(() => jsonPatch.compare(before, after), quick),
    timed(() => createPatch(before, after), true),
  ];
  return Math.max(...theirs);
}
