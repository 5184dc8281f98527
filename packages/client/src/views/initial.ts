import type { Mirror } from '@holdfast/engine/mirror';
import type { Json } from '@holdfast/protocol';
import type { StreamOp } from '@holdfast/protocol/views';

/** A root that a page is rendered from. */
export type RenderedView = {
  /** What it was rendered with, as canonical JSON. */
  readonly params: string;
  /** What a mount begins with; absent: it was mounted with nothing. */
  readonly initialData?: InitialView | undefined;
  /** What it shows by now; absent: nobody has mounted it. */
  readonly mirror?: Pick<Mirror, 'tree' | 'slots'>;
};

/** A root as a server rendered it once: what a client shows before it is connected (views.md §13). */
export type InitialView = {
  readonly tree: Json;
  /** The ops that fill its streams. */
  readonly stream_ops?: readonly StreamOp[];
};
