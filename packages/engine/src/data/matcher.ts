import { type Path, type Pattern, type Segments, segmentsOf } from '@holdfast/protocol';

type Registration<T> = { readonly item: T; readonly pattern: Pattern; live: boolean };

class Knot<T> {
  literal: Map<string, Knot<T>> | null = null;
  one: Knot<T> | null = null;
  /** Patterns that end here. */
  readonly ends = new Set<Registration<T>>();
  /** Patterns that end in `**` here. */
  readonly many = new Set<Registration<T>>();

  get isEmpty(): boolean {
    const { literal, one, ends, many } = this;
    return literal === null && one === null && ends.size === 0 && many.size === 0;
  }
}

type Hit<T> = (item: T, pattern: Pattern) => void;

/** Finds, among many patterns, those that match a path, at a cost that follows the depth of the path (stores.md §12.1). */
export class Matcher<T> {
  readonly #root = new Knot<T>();

  /** Registers an item under a pattern, any number of times; the returned function takes this one registration back. */
  add(pattern: Pattern, item: T): () => void {
    const registration = { item, pattern, live: true };
    const way = this.#wayTo(pattern);
    const isMany = pattern.parts.at(-1)?.kind === 'many';
    const knot = way.at(-1) ?? this.#root;
    const list = isMany ? knot.many : knot.ends;
    list.add(registration);
    return () => {
      if (!registration.live) return;
      registration.live = false;
      list.delete(registration);
      prune(way, pattern);
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
    if (this.#root.isEmpty) return;
    const found: Registration<T>[] = [];
    collect(this.#root, { segments: segmentsOf(path), isScope, found }, 0);
    for (const { live, item, pattern } of found) if (live) hit(item, pattern);
  }

  #wayTo(pattern: Pattern): Knot<T>[] {
    let knot = this.#root;
    const way = [knot];
    for (const part of pattern.parts) {
      if (part.kind === 'many') break;
      knot = part.kind === 'one' ? (knot.one ??= new Knot()) : literalOf(knot, part.segment);
      way.push(knot);
    }
    return way;
  }
}

function literalOf<T>(knot: Knot<T>, segment: string): Knot<T> {
  knot.literal ??= new Map();
  let next = knot.literal.get(segment);
  if (next === undefined) {
    next = new Knot();
    knot.literal.set(segment, next);
  }
  return next;
}

type Search<T> = {
  readonly segments: Segments;
  readonly isScope: boolean;
  readonly found: Registration<T>[];
};

function collect<T>(knot: Knot<T>, search: Search<T>, depth: number): void {
  const { segments, isScope, found } = search;
  const segment = segments[depth];
  if (segment !== undefined || isScope) for (const each of knot.many) found.push(each);
  if (segment === undefined) {
    for (const each of knot.ends) found.push(each);
    return;
  }
  const literal = knot.literal?.get(segment);
  if (literal !== undefined) collect(literal, search, depth + 1);
  if (knot.one !== null) collect(knot.one, search, depth + 1);
}

function prune<T>(way: readonly Knot<T>[], { parts }: Pattern): void {
  for (let depth = way.length - 1; depth > 0; depth--) {
    const parent = way[depth - 1];
    const part = parts[depth - 1];
    if (way[depth]?.isEmpty !== true || parent === undefined || part === undefined) return;
    if (part.kind === 'literal') forget(parent, part.segment);
    else parent.one = null;
  }
}

function forget<T>(knot: Knot<T>, segment: string): void {
  knot.literal?.delete(segment);
  if (knot.literal?.size === 0) knot.literal = null;
}
