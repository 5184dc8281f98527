import { type Path, type Pattern, RejectedError } from '@holdfast/protocol';
import type { ListPage, ListQuery, Replica, ShownEntry } from '@holdfast/engine/replica';
import { checkOptions } from './mistakes.ts';

/** What is at a path, and how old that may be. */
export type SyncedEntry = ShownEntry & {
  /** When the store was last in step with the server, epoch milliseconds: now while it is; 0: not in this process. */
  readonly syncedAt: number;
};

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

type Source = Pick<Replica, 'entries'>;

const kinds = {
  limit: 'number',
  after: 'string',
  order: ['asc', 'desc'],
  select: ['entries', 'keys', 'prefixes'],
};

type Asked = ListPage & { readonly select?: Select };

/** Checks the options of a listing. */
export function pageOf(of: string, options: PageOptions & { readonly select?: Select }): Asked {
  checkOptions(of, options, kinds);
  const { limit = 1 } = options;
  if (!(Number.isInteger(limit) && limit >= 1)) {
    throw new RangeError(`${of}: "limit" must be a whole number from 1.`);
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the bound need not be a path
  return options as Asked;
}

/** A page of entries as the application asked for it. */
export function select(source: Source, pattern: Pattern, page: Asked): Page<ShownEntry | Path> {
  if (page.select === 'prefixes') return prefixes(source, pattern, page);
  const { items, next } = source.entries({ pattern }, page);
  return { items: page.select === 'keys' ? items.map(({ path }) => path) : items, next };
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
function prefixes(source: Source, pattern: Pattern, page: ListPage): Page<Path> {
  const base = baseOf(pattern);
  const { limit = Infinity, after, order = 'asc' } = page;
  const first = (query: ListQuery, skip?: Path): ShownEntry | undefined =>
    source.entries(query, { limit: 1, order, ...(skip !== undefined && { after: skip }) }).items[0];
  const items: Path[] = [];
  let range: { from?: string; to?: string } = base === null ? {} : below(base);
  let skip = after;
  for (;;) {
    // What is below a prefix that was listed is behind us; after a leaf only the leaf itself is.
    if (skip !== undefined && first(below(skip)) !== undefined) {
      const { from, to } = below(skip);
      range = order === 'asc' ? { ...range, from: to } : { ...range, to: from };
      skip = undefined;
    }
    const entry = first(range, skip);
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
  const end = path.indexOf('/', base === null ? 0 : base.length + 1);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what stands before a '/' of a path is a path
  return end === -1 ? path : (path.slice(0, end) as Path);
}
