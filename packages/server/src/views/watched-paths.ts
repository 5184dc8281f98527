import { type Path, segmentsOf } from '@holdfast/protocol';

type Knot<T> = { readonly below: Map<string, Knot<T>>; readonly items: Set<T> };

/** Items by the paths they watch: finds those at a path, above it and below it, at a cost that follows what is found. */
export class WatchedPaths<T> {
  readonly #root: Knot<T> = knot();

  /** Puts an item at a path, null for the root; the returned function takes it back. */
  add(path: Path | null, item: T): () => void {
    const way = path === null ? [] : segmentsOf(path);
    let at = this.#root;
    for (const segment of way) {
      const next = at.below.get(segment) ?? knot<T>();
      at.below.set(segment, next);
      at = next;
    }
    at.items.add(item);
    return () => {
      if (at.items.delete(item)) prune(this.#root, way);
    };
  }

  /** Adds to `found` what a change at the path may concern. */
  collect(path: Path, found: Set<T>): void {
    let at = this.#root;
    for (const item of at.items) found.add(item);
    for (const segment of segmentsOf(path)) {
      const next = at.below.get(segment);
      if (next === undefined) return;
      at = next;
      for (const item of at.items) found.add(item);
    }
    collectBelow(at, found);
  }
}

function collectBelow<T>(at: Knot<T>, found: Set<T>): void {
  for (const next of at.below.values()) {
    for (const item of next.items) found.add(item);
    collectBelow(next, found);
  }
}

function prune<T>(at: Knot<T>, [segment, ...rest]: readonly string[]): boolean {
  const next = segment === undefined ? undefined : at.below.get(segment);
  if (segment !== undefined && next !== undefined && prune(next, rest)) at.below.delete(segment);
  return at.below.size === 0 && at.items.size === 0;
}

function knot<T>(): Knot<T> {
  return { below: new Map(), items: new Set() };
}
