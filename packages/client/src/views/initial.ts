import type { Json } from '@holdfast/protocol';
import type { StreamOp } from '@holdfast/protocol/views';

/** A root that a page was rendered from, with the params that it was rendered with, as canonical JSON. */
export type RenderedView = { readonly params: string; readonly initialData: InitialView };

/** A root as a server rendered it once: what a client shows before it is connected (views.md §13). */
export type InitialView = {
  readonly tree: Json;
  /** The ops that fill its streams. */
  readonly stream_ops?: readonly StreamOp[];
};
