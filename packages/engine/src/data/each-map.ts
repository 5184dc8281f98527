import { asPath, type Path, type Seq } from '@holdfast/protocol';
import { MapNode } from './node.ts';
import type { Tree } from './tree.ts';
import { advance, type Frame } from './walk.ts';

const PAUSE = 10_000;

/**
 * What `Tree.maps` lists, one by one; null after each ten thousand leaves and maps that were looked at, so that who looks
 * through a large tree can pause. The tree must not change meanwhile; a fork of it may.
 */
export function* eachMap(tree: Tree): Generator<readonly [Path, Seq] | null, void, undefined> {
  const top: Frame = { pages: tree.map(null)?.pages ?? [], prefix: '', slot: 0, passed: 0 };
  const frames = [top];
  let passed = 0;
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    const next = advance(frame, 1);
    if (next === null) {
      frames.pop();
      continue;
    }
    passed += 1;
    if (passed % PAUSE === 0) yield null;
    const [prefix, child] = next;
    if (!(child instanceof MapNode)) continue;
    if (child.hollow) yield [asPath(prefix.slice(0, -1)), child.revision];
    frames.push({ pages: child.pages, prefix, slot: 0, passed: 0 });
  }
}
