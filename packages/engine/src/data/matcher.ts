import { type Path, type Pattern, unescapeSegment } from '@holdfast/protocol';

type Registration<T> = { readonly item: T; readonly pattern: Pattern; isLive: boolean };

/** The key of what comes after `*`, and of what ends in `**`; literals are keys themselves. */
const one = 1;
const many = 2;
type Key = string | typeof one | typeof many;

type Knot<T> = { readonly next: Map<Key, Knot<T>>; readonly ends: Set<Registration<T>> };

type Hit<T> = (item: T, pattern: Pattern) => void;

/** Finds, among many patterns, those that match a path, at a cost that follows the depth of the path (stores.md §12.1). */
export class Matcher<T> {
  readonly #root: Knot<T> = knot();

  /** Registers an item under a pattern, any number of times; the returned function takes this one registration back. */
  add(pattern: Pattern, item: T): () => void {
    const registration = { item, pattern, isLive: true };
    const keys = pattern.parts.map((part) => {
      if (part.kind === 'literal') return part.segment;
      return part.kind === 'one' ? one : many;
    });
    let end = this.#root;
    for (const key of keys) {
      const next = end.next.get(key) ?? knot();
      end.next.set(key, next);
      end = next;
    }
    end.ends.add(registration);
    return () => {
      registration.isLive = false;
      if (end.ends.delete(registration)) prune(this.#root, keys);
    };
  }

  /**
   * Calls back for each item whose pattern matches the path strictly (stores.md §2.2.2). Callbacks may add and remove:
   * what was added meanwhile waits for the next call, what was removed is not called.
   */
  match(path: Path, hit: Hit<T>): void {
    this.#find(path, hit, false);
  }

  /** As {@link match}, by scope semantics: `P/**` also covers `P` (stores.md §2.2.4). */
  cover(path: Path, hit: Hit<T>): void {
    this.#find(path, hit, true);
  }

  #find(path: Path, hit: Hit<T>, isScope: boolean): void {
    if (this.#root.next.size === 0) return;
    const found: Registration<T>[] = [];
    let knots = [this.#root];
    // A path is read only as far as a pattern names what is on it: most that is watched is all below some place.
    for (let from = 0; from <= path.length && knots.length > 0;) {
      const slash = path.indexOf('/', from);
      const to = slash === -1 ? path.length : slash;
      const segment = unescapeSegment(path.slice(from, to));
      const next: Knot<T>[] = [];
      for (const at of knots) {
        take(at.next.get(many), found);
        const [named, any] = [at.next.get(segment), at.next.get(one)];
        if (named !== undefined) next.push(named);
        if (any !== undefined) next.push(any);
      }
      knots = next;
      from = to + 1;
    }
    for (const at of knots) {
      take(at, found);
      if (isScope) take(at.next.get(many), found);
    }
    for (const { isLive, item, pattern } of found) if (isLive) hit(item, pattern);
  }
}

function knot<T>(): Knot<T> {
  return { next: new Map(), ends: new Set() };
}

function take<T>(from: Knot<T> | undefined, found: Registration<T>[]): void {
  if (from !== undefined) for (const each of from.ends) found.push(each);
}

/** Takes out the knots on a way that nothing needs any more; true where the first one is such. */
function prune<T>(from: Knot<T>, keys: readonly Key[]): boolean {
  const [key, ...rest] = keys;
  const next = key === undefined ? undefined : from.next.get(key);
  if (key !== undefined && next !== undefined && prune(next, rest)) from.next.delete(key);
  return from.next.size === 0 && from.ends.size === 0;
}
