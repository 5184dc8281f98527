import type { StreamOp, ViewEvent } from '@holdfast/protocol/views';
import type { Drafts, Settled } from './cell.ts';
import type { ViewNode } from './node.ts';
import type { Watch } from './watch.ts';

/** An event on its way; `to` a number: that subscriber alone. */
export type Sending = {
  readonly node: ViewNode;
  readonly event: ViewEvent;
  readonly to: 'all' | number | ((principal: unknown) => unknown);
};

/** One change of a stream, and what tells clients of it. */
export type StreamChange = { readonly node: ViewNode; ops: readonly StreamOp[] };

/**
 * What one task has done and nobody has seen yet: it is committed as a whole, or was never there. Layers lie upon each
 * other: a task sees what those before it did, though no render has passed it yet.
 */
export class Layer implements Drafts {
  /** The layer below; null: what is committed. */
  parent: Layer | null;
  readonly cells: Set<Settled> = new Set();
  /** Nodes that must render. */
  readonly dirty: Set<ViewNode> = new Set();
  readonly streamOps: StreamChange[] = [];
  readonly events: Sending[] = [];
  /** Streams of nodes in their mount that were reset. */
  readonly seeded: Set<object> = new Set();
  readonly watches: Watch[] = [];
  readonly #then: (() => void)[] = [];
  readonly #else: (() => void)[] = [];

  constructor(parent: Layer | null) {
    this.parent = parent;
  }

  /** Whether nothing was done in it. */
  get isEmpty(): boolean {
    const { cells, dirty, streamOps, events, watches } = this;
    const count = cells.size + dirty.size + streamOps.length + events.length + watches.length;
    return count + this.#then.length === 0;
  }

  /** Has something done once the layer is committed, and something else if it never is. */
  whenCommitted(then: () => void, otherwise?: () => void): void {
    this.#then.push(then);
    if (otherwise !== undefined) this.#else.push(otherwise);
  }

  /** What lies below has changed: what was made of it is made anew. */
  rebase(parent: Layer | null): void {
    this.parent = parent;
    for (const cell of this.cells) cell.refresh(this);
  }

  /** Makes it true. What it starts is started by what is returned: once all layers of a cycle are true. */
  commit(): readonly (() => void)[] {
    for (const cell of this.cells) cell.settle(this);
    return this.#then;
  }

  drop(): void {
    for (const cell of this.cells) cell.drop(this);
    for (const undo of this.#else) undo();
  }
}
