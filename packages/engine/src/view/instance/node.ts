import type { JsonObject } from '@holdfast/protocol';
import type { NodeId } from '@holdfast/protocol/views';
import type { ViewDefinition } from '../definition.ts';
import type { AsyncValue } from './async-value.ts';
import { Cell } from './cell.ts';
import { Reader } from './reads.ts';
import type { NodeStream } from './node-stream.ts';

/** What a node was given: by its parent, or by the join. */
export type Props = {
  /** What came out of the view's schema. */
  readonly params: unknown;
  /** What went in: with this the next ones are compared (views.md §11.3). */
  readonly passed: unknown;
  /** Which message of the parent takes which signal. */
  readonly on: { readonly [signal: string]: string };
};

/** Where a node stands below its owner. */
export type Child = {
  readonly node: ViewNode;
  /** The way to the map or list that holds it; children of one holder share it. */
  readonly holder: readonly (string | number)[];
  readonly at: string | number;
};

/** What came of the last render. */
export type Rendered = {
  /** The node in wire form, its children within. */
  readonly wire: JsonObject;
  readonly children: readonly Child[];
  /** Of this node alone. */
  readonly weight: number;
  readonly height: number;
  /** With all below it. */
  readonly totalWeight: number;
  readonly totalHeight: number;
};

/** What few nodes have: thousands of them are held at once, and each member counts. */
type Rare = {
  streams: Map<string, NodeStream> | null;
  asyncs: Map<string, Cell<AsyncValue>> | null;
  controller: AbortController | null;
  /** What ends with it: timers, watches, loads. */
  endings: Set<() => void> | null;
  /** The root's: hears of every node that has to be rendered. */
  touched: ((node: ViewNode) => void) | null;
};

/** One live root or child (views.md §1). */
export class ViewNode extends Reader {
  readonly view: ViewDefinition;
  /** The mount id, or the id that the parent gave. */
  readonly id: string;
  readonly storeId: NodeId;
  readonly key: string;
  readonly parent: ViewNode | null;
  readonly props: Cell<Props>;
  readonly state: Cell<unknown> = new Cell<unknown>(undefined);
  rendered: Rendered | null = null;
  isEnded = false;
  #rare: Rare | null = null;

  constructor(
    of: {
      readonly view: ViewDefinition;
      readonly id: string;
      readonly storeId: NodeId;
      readonly parent: ViewNode | null;
    },
    props: Props,
    touched: (node: ViewNode) => void,
  ) {
    super();
    this.view = of.view;
    this.id = of.id;
    this.storeId = of.storeId;
    this.key = keyOf(of.storeId);
    this.parent = of.parent;
    this.props = new Cell(props);
    if (of.parent === null) this.rare.touched = touched;
  }

  /** 0: the root. */
  get depth(): number {
    return this.parent === null ? 0 : this.parent.depth + 1;
  }

  get streams(): Map<string, NodeStream> | null {
    return this.#rare?.streams ?? null;
  }

  get asyncs(): Map<string, Cell<AsyncValue>> | null {
    return this.#rare?.asyncs ?? null;
  }

  /** What few nodes have, for this one. */
  get rare(): Rare {
    const none = { streams: null, asyncs: null, controller: null, endings: null, touched: null };
    this.#rare ??= none;
    return this.#rare;
  }

  protected override readsChanged(): void {
    if (!this.isEnded) rootOf(this).rare.touched?.(this);
  }

  /** Aborted when the node ends. */
  get signal(): AbortSignal {
    const { rare } = this;
    rare.controller ??= new AbortController();
    if (this.isEnded) rare.controller.abort();
    return rare.controller.signal;
  }

  /** Has something done when the node ends, or now where it has; returns what takes that back. */
  whenEnded(end: () => void): () => void {
    if (this.isEnded) {
      end();
      return nothing;
    }
    const { rare } = this;
    rare.endings ??= new Set();
    rare.endings.add(end);
    return () => {
      rare.endings?.delete(end);
    };
  }

  end(): void {
    this.isEnded = true;
    this.endReading();
    const rare = this.#rare;
    if (rare === null) return;
    rare.controller?.abort();
    for (const end of rare.endings ?? []) end();
    rare.endings = null;
  }
}

function nothing(): void {
  // It is done.
}

function rootOf(node: ViewNode): ViewNode {
  return node.parent === null ? node : rootOf(node.parent);
}

/** The key of a node in maps. */
export function keyOf(storeId: NodeId): string {
  return JSON.stringify(storeId);
}

/** A node and all below it, owners before what they own. */
export function* withDescendants(node: ViewNode): Generator<ViewNode> {
  yield node;
  for (const child of node.rendered?.children ?? []) yield* withDescendants(child.node);
}
