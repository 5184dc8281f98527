import type { Tree } from '@holdfast/engine/data';
import type { RefusalDetails } from '@holdfast/protocol';

import { contentOf } from '../storage/batch.ts';
import type { Line } from './import-lines.ts';

type Leaf = Extract<Line, { kind: 'leaf' }>;

/**
 * The lines that a quota has no room for, in their order: each that adds takes of what is left; what replaces passes. None
 * where it cannot be told from here.
 */
export function beyondRoom(
  lines: readonly Leaf[],
  { dimension, current, limit }: RefusalDetails,
  tree: Tree,
): readonly Leaf[] {
  if (typeof current !== 'number' || typeof limit !== 'number') return [];
  const costOf = costs[String(dimension)];
  if (costOf === undefined) return [];
  let room = limit - current;
  return lines.filter((line) => {
    const cost = costOf(line, tree);
    const fits = cost === 0 || cost <= room;
    if (fits) room -= cost;
    return !fits;
  });
}

const costs: { readonly [dimension: string]: (line: Leaf, tree: Tree) => number } = {
  keys: ({ leaf }, tree) => (tree.leaf(leaf.path) === undefined ? 1 : 0),
  file_storage: ({ leaf }) => (leaf.type === 'file' ? (contentOf(leaf.value)?.size ?? 0) : 0),
};
