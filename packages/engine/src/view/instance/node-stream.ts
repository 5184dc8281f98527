import type { Json } from '@holdfast/protocol';
import type { StreamDefinition } from '../definition.ts';
import type { Cell } from './cell.ts';

/** An item that the server holds. */
export type HeldItem = { readonly key: string; readonly item: Json };

/** One stream of one node: what is held of it, and what it is called on the wire. */
export type NodeStream = {
  readonly name: string;
  /** Counts the streams of the node by first use. */
  readonly ref: string;
  readonly definition: StreamDefinition;
  /** Null: it is not retained, and nothing is held. */
  readonly items: Cell<readonly HeldItem[]> | null;
};
