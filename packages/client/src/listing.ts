import {
  comparePaths,
  literalPrefix,
  type Path,
  type Pattern,
  RejectedError,
  renderPath,
} from '@holdfast/protocol';
import type { ListPage, Replica, ShownEntry } from '@holdfast/engine/replica';
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
 *
 * In the order of leaves what begins with `a-` comes before what is below `a`; in that of the paths listed, behind it.
 */
function prefixes(source: Source, pattern: Pattern, page: ListPage): Page<Path> {
  const { limit = Infinity, after } = page;
  const isDown = page.order === 'desc';
  const items: Path[] = [];
  for (const path of (isDown ? descending : ascending)(source, baseOf(pattern), after)) {
    const isBehind = after !== undefined && comparePaths(path, after) * (isDown ? -1 : 1) <= 0;
    if (isBehind) continue;
    if (items.length >= limit) return { items, next: items.at(-1) ?? null };
    items.push(path);
  }
  return { items, next: null };
}

function* ascending(source: Source, base: Path | null, after: Path | undefined): Generator<Path> {
  const early = new Set<Path>();
  for (const path of named(source, base, { order: 'asc', after })) {
    for (const shorter of shortened(source, base, path)) {
      if (early.has(shorter)) continue;
      early.add(shorter);
      yield shorter;
    }
    if (!early.has(path)) yield path;
  }
}

function* descending(source: Source, base: Path | null, after: Path | undefined): Generator<Path> {
  const open = after === undefined ? [] : shortened(source, base, after);
  for (const path of named(source, base, { order: 'desc', after })) {
    for (let last = open.at(-1); last !== undefined && !path.startsWith(last); last = open.at(-1)) {
      yield last;
      open.pop();
    }
    if (open.at(-1) !== path) open.push(path);
  }
  yield* open.toReversed();
}

/** What is listed, as the leaves come. */
function* named(
  source: Source,
  base: Path | null,
  { order, after }: { readonly order: 'asc' | 'desc'; readonly after: Path | undefined },
): Generator<Path> {
  const whole: { readonly from?: string; readonly to?: string } = base === null ? {} : below(base);
  let skip = after;
  let range = whole;
  for (;;) {
    const query = { limit: 1, order, ...(skip !== undefined && { after: skip }) };
    const [entry] = source.entries(range, query).items;
    if (entry === undefined) return;
    const path = prefixOf(entry.path, base);
    yield path;
    // What is below it is behind us; of a leaf only the leaf itself is.
    const { from, to } = below(path);
    const isLeaf = path === entry.path;
    skip = isLeaf ? path : undefined;
    if (!isLeaf) range = order === 'asc' ? { ...whole, from: to } : { ...whole, to: from };
  }
}

/** What is there and begins a path that is listed, its leaves behind those of that one; the shortest first. */
function shortened(source: Source, base: Path | null, path: string): Path[] {
  const begin = base === null ? 0 : base.length + 1;
  const found: Path[] = [];
  if (base !== null && !path.startsWith(`${base}/`)) return found;
  for (let end = begin + 1; end < path.length && path[end - 1] !== '/'; end++) {
    if ((path[end] ?? '') > '/') continue;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- looked up before it is one
    const shorter = path.slice(0, end) as Path;
    if (source.entries(below(shorter), { limit: 1 }).items.length > 0) found.push(shorter);
  }
  return found;
}

function baseOf(pattern: Pattern): Path | null {
  const { parts, source } = pattern;
  const isTree = parts.at(-1)?.kind === 'many';
  const base = parts.slice(0, -1);
  if (!isTree || base.some(({ kind }) => kind !== 'literal')) {
    const error = 'prefixes need ** or <base>/**';
    throw new RejectedError('invalid_pattern', { pattern: source, error });
  }
  return base.length === 0 ? null : renderPath(literalPrefix(pattern));
}

function prefixOf(path: Path, base: Path | null): Path {
  const end = path.indexOf('/', base === null ? 0 : base.length + 1);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what stands before a '/' of a path is a path
  return end === -1 ? path : (path.slice(0, end) as Path);
}
