import type { StreamOp } from '@holdfast/protocol/views';
import type { Layer, Sending } from './layer.ts';
import type { ViewNode } from './node.ts';
import { jsonBytes } from './tail.ts';

/** An op of a stream on its way. */
export type Streaming = { readonly node: ViewNode; readonly op: StreamOp };

type Lists = { readonly streamOps: readonly Streaming[]; readonly events: readonly Sending[] };

/** What tasks have sent while nobody was there, for the next cycle; beyond its limit it is dropped (views.md §4.4). */
export class Outbox {
  readonly #bytesMax: number;
  #streamOps: Streaming[] = [];
  #events: Sending[] = [];
  #bytes = 0;
  #hasDropped = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get isEmpty(): boolean {
    return this.#streamOps.length + this.#events.length === 0 && !this.#hasDropped;
  }

  add(layer: Layer): void {
    // What is for some only is for those who are there.
    const all = layer.events.filter(({ to }) => to === 'all');
    const streamOps = streamed(layer);
    this.#streamOps.push(...streamOps);
    this.#events.push(...all);
    for (const { op } of streamOps) this.#bytes += jsonBytes(op);
    for (const { event } of all) this.#bytes += jsonBytes(event);
    if (this.#bytes <= this.#bytesMax) return;
    this.clear();
    this.#hasDropped = true;
  }

  /** What is held, and what these layers add to it. */
  with(layers: readonly Layer[]): Lists {
    return {
      streamOps: [...this.#streamOps, ...layers.flatMap(streamed)],
      events: [...this.#events, ...layers.flatMap((layer) => layer.events)],
    };
  }

  /** It was sent; true: something had been dropped before. */
  clear(): boolean {
    const hasDropped = this.#hasDropped;
    this.#streamOps = [];
    this.#events = [];
    this.#bytes = 0;
    this.#hasDropped = false;
    return hasDropped;
  }
}

function streamed({ streamOps }: Layer): readonly Streaming[] {
  return streamOps.flatMap(({ node, ops }) => ops.map((op) => ({ node, op })));
}

/** Owners before what they own. */
export function byDepth(a: ViewNode, b: ViewNode): number {
  return a.depth - b.depth;
}

/** From shallow to deep; of one node in the order of the calls, together (views.md §8.1). */
export function byNode<T extends { readonly node: ViewNode }>(items: readonly T[]): readonly T[] {
  if (items.length < 2) return items;
  const groups = new Map<ViewNode, T[]>();
  for (const item of items) {
    const group = groups.get(item.node);
    if (group === undefined) groups.set(item.node, [item]);
    else group.push(item);
  }
  return [...groups].toSorted(([a], [b]) => byDepth(a, b)).flatMap(([, group]) => group);
}
