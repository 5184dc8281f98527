import type { Tree } from '@holdfast/engine/data';
import type { RefusalDetails } from '@holdfast/protocol';

import { contentOf } from '../storage/batch.ts';
import type { Line } from './import-lines.ts';

type Leaf = Extract<Line, { kind: 'leaf' }>;

/** What a line takes of a quota, once for all lines that take the same. */
type Cost = { readonly of: string; readonly size: number };

/**
 * The lines that a quota has no room for, in their order: each that adds takes of what is left; what replaces, or is there
 * by a line before, passes. None where it cannot be told from here.
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
  const taken = new Set<string>();
  return lines.filter((line) => {
    const { of, size } = costOf(line, tree);
    if (size === 0 || taken.has(of)) return false;
    const fits = size <= room;
    if (fits) {
      room -= size;
      taken.add(of);
    }
    return !fits;
  });
}

const costs: { readonly [dimension: string]: (line: Leaf, tree: Tree) => Cost } = {
  keys: ({ leaf: { path } }, tree) => ({ of: path, size: tree.leaf(path) === undefined ? 1 : 0 }),
  file_storage: ({ leaf }) => {
    const content = leaf.type === 'file' ? contentOf(leaf.value) : null;
    return { of: content?.hash ?? '', size: content?.size ?? 0 };
  },
};
