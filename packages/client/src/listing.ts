import { childPath, type Path, type Pattern, RejectedError, segmentsOf } from '@holdfast/protocol';
import type { Listing, ListPage, ListQuery, ShownEntry } from '@holdfast/engine/replica';
import { checkOptions } from './options.ts';

/** Which page of a listing. */
export type PageOptions = {
  /** At most so many; all where absent. */
  readonly limit?: number;
  /** The `next` of the page before. */
  readonly after?: Path | string;
  readonly order?: 'asc' | 'desc';
};

/** A page of a listing; `next` is null iff nothing follows. */
export type Page<T> = { readonly items: readonly T[]; readonly next: Path | null };

/** What a listing is of: leaves with their values, their paths alone, or the paths of the next level. */
export type Select = 'entries' | 'keys' | 'prefixes';

/** Lists a page of leaves. */
export type List = (query: ListQuery, page: ListPage) => Listing;

const pageTypes = { limit: ['number'], after: ['string'], order: ['string'], select: ['string'] };

/** Checks the options of a listing. */
export function pageOf(of: string, options: PageOptions & { readonly select?: Select }): ListPage {
  checkOptions(of, options, pageTypes);
  const { limit, after, order } = options;
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1)) {
    throw new RangeError(`${of}: "limit" must be a whole number from 1.`);
  }
  if (order !== undefined && order !== 'asc' && order !== 'desc') {
    throw new TypeError(`${of}: "order" is asc or desc, not ${String(order)}.`);
  }
  return {
    ...(limit !== undefined && { limit }),
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a bound need not be a path
    ...(after !== undefined && { after: after as Path }),
    ...(order !== undefined && { order }),
  };
}

/** A page of entries as the application asked for it. */
export function select(
  list: List,
  of: { readonly pattern: Pattern; readonly select: Select },
  page: ListPage,
): Page<ShownEntry | Path> {
  if (of.select === 'prefixes') return prefixes(list, of.pattern, page);
  const listing = list({ pattern: of.pattern }, page);
  if (of.select === 'entries') return listing;
  if (of.select !== 'keys') {
    throw new TypeError(
      `entries: "select" is entries, keys or prefixes, not ${String(of.select)}.`,
    );
  }
  return { items: listing.items.map(({ path }) => path), next: listing.next };
}

// In the order of paths everything below `a` lies from `a/` up to `a0`, the character after the slash.
const below = (path: Path): { readonly from: string; readonly to: string } => ({
  from: `${path}/`,
  to: `${path}0`,
});

/**
 * The paths one level below the base of `<base>/**`, each once, leaves and maps alike; the cost is that of what is listed,
 * not of what lies below it (stores.md §15.2.1).
 */
function prefixes(list: List, pattern: Pattern, page: ListPage): Page<Path> {
  const base = baseOf(pattern);
  const { limit = Infinity, after, order = 'asc' } = page;
  const items: Path[] = [];
  let range: { from?: string; to?: string } = base === null ? {} : below(base);
  let skip = after;
  for (;;) {
    // What is below a prefix that was listed is behind us; after a leaf only the leaf itself is.
    if (skip !== undefined && list(below(skip), { limit: 1 }).items.length > 0) {
      const { from, to } = below(skip);
      range = order === 'asc' ? { ...range, from: to } : { ...range, to: from };
      skip = undefined;
    }
    const [entry] = list(range, {
      limit: 1,
      order,
      ...(skip !== undefined && { after: skip }),
    }).items;
    if (entry === undefined) return { items, next: null };
    if (items.length >= limit) return { items, next: items.at(-1) ?? null };
    skip = prefixOf(entry.path, base);
    items.push(skip);
  }
}

function baseOf(pattern: Pattern): Path | null {
  const { parts, source } = pattern;
  const isTree = parts.at(-1)?.kind === 'many';
  const base = parts.slice(0, -1);
  if (!isTree || base.some(({ kind }) => kind !== 'literal')) {
    const error = 'prefixes need ** or <base>/**';
    throw new RejectedError('invalid_pattern', { pattern: source, error });
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what stands before the `/**` of such a pattern is a path
  return base.length === 0 ? null : (source.slice(0, -3) as Path);
}

function prefixOf(path: Path, base: Path | null): Path {
  if (base !== null) {
    const segment = segmentsOf(path)[segmentsOf(base).length];
    return segment === undefined ? path : childPath(base, segment);
  }
  const end = path.indexOf('/');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what stands before a '/' of a path is a path
  return end === -1 ? path : (path.slice(0, end) as Path);
}
