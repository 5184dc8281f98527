import type { Tree } from '@holdfast/engine/data';
import type { Path } from '@holdfast/protocol';
import { contentOf } from '../storage/batch.ts';

/** Below a path with more leaves than these nobody counts. */
const LOOK_MAX = 10_000;

/**
 * How many bytes of files go where one is put at a path: what is there, below it, and in its way above; Infinity where that is
 * too much to look at for each piece that comes, and the commit alone judges.
 */
export function replacedIn(tree: Pick<Tree, 'leafAbove' | 'leaf' | 'entries'>, path: Path): number {
  const above = tree.leafAbove(path);
  const blocking = above === undefined ? undefined : tree.leaf(above);
  let bytes = contentOf(blocking?.value ?? null)?.size ?? 0;
  let looks = 0;
  for (const { value } of tree.entries({ under: path })) {
    looks += 1;
    if (looks > LOOK_MAX) return Infinity;
    bytes += contentOf(value)?.size ?? 0;
  }
  return bytes;
}
