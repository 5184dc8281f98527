import { asPath, comparePaths, type Entry, type Leaf, type Path } from '@holdfast/protocol';
import { type Child, MapNode } from './node.ts';
import { Branch, lowerBound, type Ordered, slotOf } from './ordered.ts';

/** Which leaves to list; bounds are compared as paths are (stores.md §1.3.4) and need not be valid paths. */
export type Range = {
  /** This path and what is below it. */
  readonly under?: Path;
  /** Least path, itself included. */
  readonly from?: string;
  /** Paths above this one only, itself excluded. */
  readonly after?: string;
  /** Paths below this one only, itself excluded. */
  readonly before?: string;
  readonly order?: 'asc' | 'desc';
};

/** Where a walk stands in one node. */
type Frame = { readonly node: Ordered<Child>; readonly prefix: string; at: number };

type Place = { readonly node: Ordered<Child>; readonly prefix: string };

/** Walks the leaves below a map in path order, or against it, from a bound that it seeks in O(log n). */
export class Walk {
  readonly #frames: Frame[] = [];
  readonly #step: 1 | -1;
  /** The path that {@link next} has come to. */
  path = '';

  constructor(start: Place, order: 'asc' | 'desc', bound?: string) {
    this.#step = order === 'asc' ? 1 : -1;
    if (bound === undefined) this.#enter(start);
    else if (bound.startsWith(start.prefix)) this.#seek(start, bound.slice(start.prefix.length));
    else if (comparePaths(bound, start.prefix) < 0 === (order === 'asc')) this.#enter(start);
  }

  next(): Leaf | null {
    for (;;) {
      const frame = this.#frames.at(-1);
      if (frame === undefined) return null;
      const child = this.#take(frame);
      if (child instanceof MapNode) this.#enter({ node: child.children, prefix: this.path });
      else if (child !== null) return child;
    }
  }

  /** The next child of a frame, or null where the frame is at its end or led to another one. */
  #take(frame: Frame): Child | null {
    const { node, at } = frame;
    frame.at += this.#step;
    if (node instanceof Branch) {
      const inner = node.nodes[at];
      if (inner === undefined) this.#frames.pop();
      else this.#enter({ node: inner, prefix: frame.prefix });
      return null;
    }
    const child = node.values[at];
    const key = node.keys[at];
    if (child === undefined || key === undefined) {
      this.#frames.pop();
      return null;
    }
    this.path = frame.prefix + key;
    return child;
  }

  #enter({ node, prefix }: Place): void {
    this.#frames.push({ node, prefix, at: this.#step === 1 ? 0 : node.keys.length - 1 });
  }

  // No sort key continues beyond a '/', so a map that holds part of the range is the last key below the bound.
  #seek({ node, prefix }: Place, bound: string): void {
    if (node instanceof Branch) {
      const at = slotOf(node.keys, bound);
      const inner = node.nodes[at];
      this.#frames.push({ node, prefix, at: at + this.#step });
      if (inner !== undefined) this.#seek({ node: inner, prefix }, bound);
      return;
    }
    const at = lowerBound(node.keys, bound);
    const key = node.keys[at - 1];
    const edge = node.values[at - 1];
    const cut = edge instanceof MapNode && key !== undefined && bound.startsWith(key);
    this.#frames.push({ node, prefix, at: this.#step === 1 ? at : at - (cut ? 2 : 1) });
    if (cut) {
      this.#seek({ node: edge.children, prefix: prefix + key }, bound.slice(key.length));
    }
  }
}

/** Lists the leaves of a range below a map. Nothing may change meanwhile: walk a fork where it might. */
export function* entriesOf(start: Place, range: Range): Generator<Entry, void, undefined> {
  const order = range.order ?? 'asc';
  const walk = new Walk(start, order, order === 'asc' ? least(range) : range.before);
  for (let leaf = walk.next(); leaf !== null; leaf = walk.next()) {
    const { path } = walk;
    if (path === range.after) continue;
    if (!inside(path, range)) return;
    yield entryOf(asPath(path), leaf);
  }
}

/** Whether a path lies between all bounds of a range. */
export function inside(path: string, { from, after, before }: Range): boolean {
  return (
    (from === undefined || comparePaths(path, from) >= 0) &&
    (after === undefined || comparePaths(path, after) > 0) &&
    (before === undefined || comparePaths(path, before) < 0)
  );
}

export function entryOf(path: Path, { value, type, revision }: Leaf): Entry {
  return { path, value, type, revision };
}

function least({ from, after }: Range): string | undefined {
  if (from === undefined || after === undefined) return from ?? after;
  return comparePaths(from, after) > 0 ? from : after;
}
