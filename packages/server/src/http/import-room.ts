import type { Tree } from '@holdfast/engine/data';
import type { RefusalDetails } from '@holdfast/protocol';

import { contentOf } from '../storage/batch.ts';
import type { HttpDeps, OpenStore } from './deps.ts';
import type { Line } from './import-lines.ts';

type Leaf = Extract<Line, { kind: 'leaf' }>;

/** Where the lines go. */
type Target = { readonly store: OpenStore; readonly files: HttpDeps['files'] };

/** What a line takes of a quota, once for all lines that take the same. */
type Cost = { readonly of: string; readonly size: number };

type CostOf = (line: Leaf) => Cost | Promise<Cost>;

/**
 * The lines that a quota has no room for, in their order: each that adds takes of what is left; what replaces, or is there
 * already or by a line before, passes. None where it cannot be told from here.
 */
export async function beyondRoom(
  lines: readonly Leaf[],
  { dimension, current, limit }: RefusalDetails,
  target: Target,
): Promise<readonly Leaf[]> {
  if (typeof current !== 'number' || typeof limit !== 'number') return [];
  const costOf = costIn(String(dimension), target);
  if (costOf === null) return [];
  let room = limit - current;
  const taken = new Set<string>();
  const beyond: Leaf[] = [];
  for (const line of lines) {
    // oxlint-disable-next-line no-await-in-loop -- not a thousand questions at once
    const { of, size } = await costOf(line);
    if (size === 0 || taken.has(of)) continue;
    if (size > room) {
      beyond.push(line);
      continue;
    }
    room -= size;
    taken.add(of);
  }
  return beyond;
}

function costIn(dimension: string, { store, files }: Target): CostOf | null {
  if (dimension === 'keys') {
    const { tree } = store.view();
    return (line) => keyOf(line, tree);
  }
  if (dimension !== 'file_storage') return null;
  return async ({ leaf }) => {
    const content = leaf.type === 'file' ? contentOf(leaf.value) : null;
    if (content === null || (await files.isNamed(store.row, content.hash))) return free;
    return { of: content.hash, size: content.size };
  };
}

const free: Cost = { of: '', size: 0 };

function keyOf({ leaf: { path } }: Leaf, tree: Tree): Cost {
  return tree.leaf(path) === undefined ? { of: path, size: 1 } : free;
}
