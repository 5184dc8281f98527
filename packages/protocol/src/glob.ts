import { asGlob, type Glob } from './brand.ts';
import { type PathLimits, type Segments, segmentsOf, toPath } from './path.ts';
import { isRefusal, type Refusal, refuse } from './refusals.ts';

/** One segment of a pattern: a literal (unescaped), `*`, or a trailing `**` (stores.md §2.2.1). */
export type Part =
  | { readonly kind: 'literal'; readonly segment: string }
  | { readonly kind: 'one' }
  | { readonly kind: 'many' };

/** A parsed glob. */
export type Pattern = { readonly source: Glob; readonly parts: readonly Part[] };

const one: Part = { kind: 'one' };
const many: Part = { kind: 'many' };

/** Parses a rendered glob; path errors apply (stores.md §2.2.1). */
export function parseGlob(rendered: string, limits?: PathLimits): Pattern | Refusal {
  const path = toPath(rendered, limits);
  if (isRefusal(path)) return path;
  const parts = segmentsOf(path).map(toPart);
  const misplaced = parts.indexOf(many);
  if (misplaced !== -1 && misplaced < parts.length - 1) return refuse('wildcard_many_not_tail');
  return { source: asGlob(rendered), parts };
}

/** The patterns of globs that were parsed before. */
export function patternsOf(globs: readonly string[]): readonly Pattern[] {
  return globs.map((glob) => parseGlob(glob)).filter((each): each is Pattern => !isRefusal(each));
}

function toPart(segment: string): Part {
  if (segment === '*') return one;
  if (segment === '**') return many;
  const literal = segment === '\\*' || segment === '\\**' ? segment.slice(1) : segment;
  return { kind: 'literal', segment: literal };
}

/** Strict matching: `posts/**` does not match `posts` (stores.md §2.2.2). */
export function matches(pattern: Pattern, segments: Segments): boolean {
  const { parts } = pattern;
  const fixed = fixedLength(pattern);
  const fits = fixed < parts.length ? segments.length > fixed : segments.length === fixed;
  return fits && matchesFixed(parts, fixed, segments);
}

/** Scope matching: `P/**` also covers `P` (stores.md §2.2.4). */
export function covers(pattern: Pattern, segments: Segments): boolean {
  const { parts } = pattern;
  const fixed = fixedLength(pattern);
  const fits = fixed < parts.length ? segments.length >= fixed : segments.length === fixed;
  return fits && segments.length > 0 && matchesFixed(parts, fixed, segments);
}

/** Whether every path that `inner` matches is matched by `outer` (stores.md §2.2.3). */
export function contains(outer: Pattern, inner: Pattern): boolean {
  const fixed = fixedLength(outer);
  const fits =
    fixed < outer.parts.length
      ? inner.parts.length > fixed
      : inner.parts.length === fixed && fixedLength(inner) === fixed;
  return fits && containsFixed(outer, inner, fixed);
}

/** {@link contains} for scope patterns: `P/**` also covers `P`, on both sides (stores.md §2.2.4). */
export function containsScope(outer: Pattern, inner: Pattern): boolean {
  if (contains(outer, inner)) return true;
  const fixed = fixedLength(outer);
  if (fixed === outer.parts.length) return false;
  // Everything has a first segment, so as a scope pattern `*/**` is as wide as `**`.
  if (fixed === 1 && outer.parts[0]?.kind === 'one') return true;
  return (
    inner.parts.length === fixed &&
    fixedLength(inner) === fixed &&
    containsFixed(outer, inner, fixed)
  );
}

/** The literal segments before the first wildcard. */
export function literalPrefix(pattern: Pattern): Segments {
  const prefix: string[] = [];
  for (const part of pattern.parts) {
    if (part.kind !== 'literal') break;
    prefix.push(part.segment);
  }
  return prefix;
}

/** Parts before a trailing `**`. */
function fixedLength({ parts }: Pattern): number {
  return parts.at(-1)?.kind === 'many' ? parts.length - 1 : parts.length;
}

function matchesFixed(parts: readonly Part[], fixed: number, segments: Segments): boolean {
  for (let i = 0; i < fixed; i++) {
    const part = parts[i];
    if (part?.kind === 'literal' && part.segment !== segments[i]) return false;
  }
  return true;
}

function containsFixed(outer: Pattern, inner: Pattern, fixed: number): boolean {
  for (let i = 0; i < fixed; i++) {
    const mine = outer.parts[i];
    const theirs = inner.parts[i];
    if (theirs?.kind === 'many') return false;
    if (mine?.kind !== 'literal') continue;
    if (theirs?.kind !== 'literal' || theirs.segment !== mine.segment) return false;
  }
  return true;
}
