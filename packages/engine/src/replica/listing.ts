import {
  comparePaths,
  type Entry,
  type Json,
  type LeafType,
  literalPrefix,
  matches,
  type Path,
  type Pattern,
  renderPath,
  segmentsOf,
  type Seq,
} from '@holdfast/protocol';
import { type Range, revisionAt, type Tree } from '../data/index.ts';

/** What a replica shows at a path (stores.md §18 C10). */
export type ShownEntry = {
  readonly path: Path;
  readonly value: Json;
  readonly type: LeafType;
  /** That of the committed state, 0 where nothing is committed there. */
  readonly revision: Seq;
  /** Whether an unanswered request of our own has a part in it. */
  readonly pending: boolean;
};

/** Which leaves to list: those a pattern matches, or those between two paths. */
export type ListQuery =
  | { readonly pattern: Pattern }
  | { readonly from?: string; readonly to?: string };

/** One page of a listing (stores.md §15.2.1). */
export type ListPage = {
  /** At most so many; all where absent. */
  readonly limit?: number;
  /** The last path of the page before. */
  readonly after?: Path;
  readonly order?: 'asc' | 'desc';
};

/** A page; `next` is null iff nothing follows. */
export type Listing = { readonly items: readonly ShownEntry[]; readonly next: Path | null };

/** Both states of a replica, and where its own requests bear on them. */
export type Sighted = {
  readonly committed: Tree;
  readonly view: Tree;
  touches(path: Path): boolean;
};

/** What is shown at a path. What is pending has the revision that is committed there (stores.md §18 C10). */
export function show(sighted: Sighted, path: Path): ShownEntry | undefined {
  const { view } = sighted;
  const shown = view.read(path);
  if (shown === undefined) return undefined;
  const isMap = view.leaf(path) === undefined;
  return shownAs(sighted, { path, ...shown }, isMap ? sighted.touches(path) : undefined);
}

function shownAs(
  { committed, view }: Sighted,
  { path, value, type, revision }: Entry,
  isOwn = !Number.isInteger(revision),
): ShownEntry {
  const pending = view !== committed && isOwn;
  const known = pending ? (revisionAt(committed, path) ?? 0) : revision;
  return { path, value, type, revision: known, pending };
}

/** Lists a page of the leaves that are shown. */
export function list(sighted: Sighted, query: ListQuery, page: ListPage): Listing {
  const limit = page.limit ?? Infinity;
  const pattern = 'pattern' in query ? query.pattern : null;
  const items: ShownEntry[] = [];
  for (const entry of sighted.view.entries(pageRange(query, page))) {
    if (pattern !== null && !matches(pattern, segmentsOf(entry.path))) continue;
    if (items.length >= limit) return { items, next: items.at(-1)?.path ?? null };
    items.push(shownAs(sighted, entry));
  }
  return { items, next: null };
}

/** The narrowest range that holds all a pattern matches or covers. */
export function rangeOf(pattern: Pattern): Range {
  const prefix = literalPrefix(pattern);
  return prefix.length === 0 ? {} : { under: renderPath(prefix) };
}

function pageRange(query: ListQuery, { after, order = 'asc' }: ListPage): Range {
  const isAbout = 'pattern' in query;
  const range = isAbout ? rangeOf(query.pattern) : { from: query.from, before: query.to };
  if (after === undefined) return { ...range, order };
  if (order === 'asc') return { ...range, order, after };
  const { before = after } = range;
  return { ...range, order, before: comparePaths(after, before) < 0 ? after : before };
}
