import {
  asGlob,
  escapeSegment,
  type Json,
  type Part,
  type Path,
  type Pattern,
  type Segments,
  segmentsOf,
} from '@holdfast/protocol';

class Knot {
  literal: Map<string, Knot> | null = null;
  one: Knot | null = null;
  /** A pattern ends here. */
  isEnd = false;
  /** A pattern ends in `**` here. */
  isMany = false;
}

/** Pairs of patterns that are worth to be met one by one; more are asked side by side. */
const PAIRS_MAX = 1024;

/** Leaves that may be had, as far as something else than patterns tells; by its name it is known from others. */
export type Bound = {
  readonly name: string;
  covers(path: Path): boolean;
  coversSubtree(path: Path): boolean;
  reaches(path: Path): boolean;
  /** Looks at another state meanwhile, where it depends on that. */
  asOf?<T>(valueAt: (path: Path) => Json | undefined, look: () => T): T;
};

/**
 * Which leaves somebody may have: those that one of some scope patterns covers (stores.md §2.2.4). A question costs about
 * the depth of the path, however many patterns there are.
 */
export class Scope implements Bound {
  readonly name = 'patterns';
  /** They cover all that is in scope; no more than that, unless there were too many to tell. */
  readonly patterns: readonly Pattern[];
  readonly #root = new Knot();
  /** Must cover it too. */
  readonly bounds: readonly Bound[];

  constructor(patterns: readonly Pattern[], bounds: readonly Bound[] = []) {
    this.patterns = patterns;
    this.bounds = bounds;
    for (const pattern of patterns) this.#add(pattern);
  }

  get isWhole(): boolean {
    return this.#isOpen && this.bounds.length === 0;
  }

  /** The patterns alone cover everything. */
  get #isOpen(): boolean {
    return this.#root.isMany || this.#root.one?.isMany === true;
  }

  get isEmpty(): boolean {
    return this.patterns.length === 0;
  }

  /** Whether a leaf at the path is in scope. */
  covers(path: Path): boolean {
    if (!this.#isOpen && !covers(this.#root, segmentsOf(path), 0)) return false;
    return this.bounds.every((bound) => bound.covers(path));
  }

  /** Whether the path and all that is or might be below it are in scope. */
  coversSubtree(path: Path): boolean {
    if (!this.#isOpen && !coversSubtree(this.#root, segmentsOf(path), 0)) return false;
    return this.bounds.every((bound) => bound.coversSubtree(path));
  }

  /** Whether something at the path or below it may be in scope. */
  reaches(path: Path): boolean {
    if (!this.#isOpen && !reaches(this.#root, segmentsOf(path), 0)) return false;
    return this.bounds.every((bound) => bound.reaches(path));
  }

  /** Whether something may be both in scope and covered by the pattern, as far as patterns tell. */
  meets(pattern: Pattern): boolean {
    return !this.isEmpty && meets(this.#root, pattern.parts, 0);
  }

  /** What of it is within a bound. */
  under(bound: Bound): Scope {
    return new Scope(this.patterns, [...this.bounds, bound]);
  }

  /** What is in both scopes. */
  within(other: Scope): Scope {
    if (other.isWhole) return this;
    if (this.isWhole) return other;
    const bounds = [...this.bounds, ...other.bounds];
    if (this.patterns.length * other.patterns.length > PAIRS_MAX) {
      const met = this.patterns.filter((pattern) => other.meets(pattern));
      return new Scope(met, [...bounds, new Scope(other.patterns)]);
    }
    const both = new Map<string, Pattern>();
    for (const mine of this.patterns) {
      for (const theirs of other.patterns) {
        const shared = intersection(mine, theirs);
        if (shared !== null) both.set(shared.source, shared);
      }
    }
    return new Scope([...both.values()], bounds);
  }

  #add({ parts }: Pattern): void {
    let knot = this.#root;
    for (const part of parts) {
      if (part.kind === 'many') {
        knot.isMany = true;
        return;
      }
      knot = part.kind === 'one' ? (knot.one ??= new Knot()) : literalOf(knot, part.segment);
    }
    knot.isEnd = true;
  }
}

function literalOf(knot: Knot, segment: string): Knot {
  knot.literal ??= new Map();
  let next = knot.literal.get(segment);
  if (next === undefined) {
    next = new Knot();
    knot.literal.set(segment, next);
  }
  return next;
}

/** Whether a pattern, from a part on, has something in common with what the trie holds below a knot. */
function meets(knot: Knot, parts: readonly Part[], depth: number): boolean {
  const part = parts[depth];
  // What ends here in `**`, be it of the pattern or of the trie, has all in common that goes on.
  if (knot.isMany || part?.kind === 'many') return true;
  if (part === undefined) return knot.isEnd;
  return nextOf(knot, part).some((next) => meets(next, parts, depth + 1));
}

function nextOf({ literal, one }: Knot, part: Part): readonly Knot[] {
  const next = part.kind === 'literal' ? literal?.get(part.segment) : undefined;
  const literals = part.kind === 'literal' ? (next ?? []) : [...(literal?.values() ?? [])];
  return [one ?? [], literals].flat();
}

type Question = (knot: Knot, segments: Segments, depth: number) => boolean;

function covers(knot: Knot, segments: Segments, depth: number): boolean {
  if (knot.isMany) return true;
  return depth === segments.length ? knot.isEnd : descends(knot, { segments, depth }, covers);
}

function coversSubtree(knot: Knot, segments: Segments, depth: number): boolean {
  if (knot.isMany) return true;
  return depth < segments.length && descends(knot, { segments, depth }, coversSubtree);
}

function reaches(knot: Knot, segments: Segments, depth: number): boolean {
  if (knot.isMany) return true;
  // A knot is made only on the way to the end of a pattern.
  if (depth === segments.length) return knot.isEnd || knot.literal !== null || knot.one !== null;
  return descends(knot, { segments, depth }, reaches);
}

function descends(
  { literal, one }: Knot,
  { segments, depth }: { readonly segments: Segments; readonly depth: number },
  question: Question,
): boolean {
  const next = literal?.get(segments[depth] ?? '');
  if (next !== undefined && question(next, segments, depth + 1)) return true;
  return one !== null && question(one, segments, depth + 1);
}

/** The pattern of what both scope patterns cover; null where that is nothing. */
export function intersection(a: Pattern, b: Pattern): Pattern | null {
  const [mine, theirs] = [fixedParts(a), fixedParts(b)];
  const isOpen = { mine: mine.length < a.parts.length, theirs: theirs.length < b.parts.length };
  if (mine.length < theirs.length && !isOpen.mine) return null;
  if (theirs.length < mine.length && !isOpen.theirs) return null;
  const parts: Part[] = [];
  for (let at = 0; at < Math.max(mine.length, theirs.length); at++) {
    const part = meet(mine[at], theirs[at]);
    if (part === null) return null;
    parts.push(part);
  }
  if (isOpen.mine && isOpen.theirs) parts.push({ kind: 'many' });
  return { source: asGlob(parts.map(render).join('/')), parts };
}

/** The parts before a trailing `**`. */
function fixedParts({ parts }: Pattern): readonly Part[] {
  return parts.at(-1)?.kind === 'many' ? parts.slice(0, -1) : parts;
}

function meet(a: Part | undefined, b: Part | undefined): Part | null {
  if (a?.kind !== 'literal') return b ?? a ?? null;
  if (b?.kind !== 'literal') return a;
  return a.segment === b.segment ? a : null;
}

function render(part: Part): string {
  if (part.kind !== 'literal') return part.kind === 'one' ? '*' : '**';
  const { segment } = part;
  return segment === '*' || segment === '**' ? `\\${segment}` : escapeSegment(segment);
}
