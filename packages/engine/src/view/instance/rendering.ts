import { utf8Length } from '@holdfast/protocol';
import type { ViewLimits } from '@holdfast/protocol/views';
import type { Layer } from './layer.ts';
import { type Rendered, type ViewNode, withDescendants } from './node.ts';
import type { Reading } from './reads.ts';
import type { Message } from './scope.ts';

/** What a try has come to, to be made true. */
export type Rendering = {
  /** What became of nodes that rendered, or that hold one that did not stay the same. */
  readonly rendered: ReadonlyMap<ViewNode, Rendered>;
  readonly added: ReadonlyMap<string, ViewNode>;
  readonly doomed: ReadonlySet<ViewNode>;
  /** What each of them has read. */
  readonly readings: ReadonlyMap<ViewNode, Reading>;
  /** What mounts and `onProps` have done. */
  readonly layer: Layer;
  /** What mounts and `onProps` have said to other nodes. */
  readonly messages: readonly Message[];
  /** How many nodes rendered. */
  readonly count: number;
};

/** Makes a rendering true: the tree is what it says, what vanished has ended. Returns the nodes that ended. */
export function applyRendering(
  { rendered, added, doomed, readings }: Rendering,
  index: Map<string, ViewNode>,
): readonly ViewNode[] {
  const ended: ViewNode[] = [];
  for (const node of doomed) ended.push(...withDescendants(node));
  for (const node of ended) index.delete(node.key);
  for (const [key, node] of added) index.set(key, node);
  for (const [node, reading] of readings) node.keepReading(reading);
  for (const [node, result] of rendered) node.rendered = result;
  return ended;
}

/** Throws where the tree would be larger than it may be (views.md §15). */
export function checkSize({ rendered }: Rendering, limits: ViewLimits): void {
  const { tree_depth: depthMax, tree_bytes: bytesMax } = limits;
  const root = [...rendered].find(([node]) => node.parent === null)?.[1];
  if (root === undefined) return;
  if (root.totalHeight > depthMax) throw new RangeError(`The tree is deeper than ${depthMax}.`);
  // A character takes at most six bytes: only what may be too large is measured.
  if (root.totalWeight * 6 <= bytesMax) return;
  const bytes = utf8Length(JSON.stringify(root.wire));
  if (bytes > bytesMax) throw new RangeError(`The tree has ${bytes} bytes, over ${bytesMax}.`);
}
