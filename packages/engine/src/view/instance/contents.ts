import type { StreamOp } from '@holdfast/protocol/views';
import { type ViewNode, withDescendants } from './node.ts';
import { streamContent } from './streams.ts';

/** Everything of the streams that are held, owners before what they own (views.md §5.3). */
export function streamContents(root: ViewNode | null): StreamOp[] {
  return nodesOf(root).flatMap((node) =>
    [...(node.streams?.values() ?? [])].flatMap((stream) => streamContent(node, stream)),
  );
}

/** Whether the server holds all streams that were used: then it can tell anybody what is in them (views.md §4.5). */
export function areStreamsHeld(root: ViewNode | null): boolean {
  return nodesOf(root).every((node) =>
    [...(node.streams?.values() ?? [])].every(({ items }) => items !== null),
  );
}

/** From shallow to deep. */
export function nodesOf(root: ViewNode | null): readonly ViewNode[] {
  if (root === null) return [];
  return [...withDescendants(root)].toSorted((a, b) => a.depth - b.depth);
}
