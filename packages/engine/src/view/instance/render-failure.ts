import type { Layer } from './layer.ts';
import type { ViewNode } from './node.ts';

/** Why a try to render came to nothing. */
export class RenderFailure extends Error {
  override readonly name = 'RenderFailure';
  readonly node: ViewNode;
  /** The node whose reads alone have caused it; null: what tasks did has. */
  readonly culprit: ViewNode | null;
  /** The node with which it began; null: nobody knows. */
  readonly origin: ViewNode | null;

  constructor(
    node: ViewNode,
    why: { readonly culprit: ViewNode | null; readonly origin: ViewNode | null },
    cause: unknown,
  ) {
    super('render failed', { cause });
    this.node = node;
    this.culprit = why.culprit;
    this.origin = why.origin;
  }
}

/** The one layer that can have caused a failure; undefined: there is none, or it may be one of several. */
export function culpritOf(
  { origin }: RenderFailure,
  layers: readonly Layer[],
  byReads: ReadonlySet<ViewNode>,
): Layer | undefined {
  if (layers.length === 1 && byReads.size === 0) return layers[0];
  if (origin === null || byReads.has(origin)) return undefined;
  const suspects = layers.filter(({ dirty }) => dirty.has(origin));
  return suspects.length === 1 ? suspects[0] : undefined;
}
