import {
  comparePaths,
  type Entry,
  literalPrefix,
  matches,
  type Path,
  type Pattern,
  renderPath,
  segmentsOf,
} from '@holdfast/protocol';
import type { Range, Scope, Tree } from '@holdfast/engine/data';
import type { Context, Hono } from 'hono';

import type { Looker } from '../storage/turn.ts';
import { answerJson } from './answer-json.ts';
import type { HttpDeps } from './deps.ts';
import { invalidParam, Problem } from './errors.ts';
import { identify, needScope, readableIn, readableThen } from './identify.ts';
import { treeAt } from './past.ts';
import { queryOf, readPattern } from './query.ts';
import { storeOf } from './store-of.ts';
import { TURN_LEAVES } from './turns.ts';
import { openFor } from './open-for.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 1000;
const BYTES_MAX = 8 * 1024 * 1024;
const parameters = new Set([
  'pattern',
  'from',
  'to',
  'limit',
  'max_bytes',
  'order',
  'select',
  'after',
  'at_seq',
]);

type Order = 'asc' | 'desc';

/** Which leaves a page lists, and how (stores.md §15.2.1). */
type Query = {
  readonly pattern: Pattern | null;
  readonly range: Range;
  readonly order: Order;
  readonly limit: number;
  /** Of the JSON of all items, each with what comes behind it; null: as many as there are. */
  readonly maxBytes: number | null;
  readonly after: string | null;
  readonly select: 'entries' | 'keys' | 'prefixes';
};

/** A state, and what of it whoever asks may read. */
type Seen = { readonly tree: Tree; readonly scope: Scope; readonly looker: Looker };

type Page = { readonly items: readonly unknown[]; readonly next_cursor: string | null };

/** Listings: by pattern, by range, keys only, or the next segments of a folder. */
export function routeEntryList(app: Hono, deps: HttpDeps): void {
  app.get('/api/stores/:org/:store/entries', async (c) => {
    const principal = await identify(deps, c);
    const row = await storeOf(deps, c, principal);
    needScope(principal, 'entries:read');
    const query = readQuery(c, deps);
    const atSeq = c.req.query('at_seq');
    const list = query.select === 'prefixes' ? listPrefixes : listLeaves;
    const told = await deps.rates.looking(principal, row.id, async (looker) => {
      const seen = await openFor(c, { deps, principal, row }, async (store) => {
        const tree = await treeAt(store, atSeq, looker);
        const scope =
          atSeq === undefined
            ? readableIn(deps, principal, store)
            : readableThen(deps, principal, { store, past: tree });
        return { tree, scope };
      });
      return list({ ...seen, looker }, query);
    });
    return answerJson(c, told, { deps, principal, row });
  });
}

async function listLeaves({ tree, scope, looker }: Seen, query: Query): Promise<Page> {
  const { pattern, range, order, after, select } = query;
  const items: Entry[] = [];
  const place = new Place(query);
  let passed = 0;
  for (const entry of tree.entries({ ...behind(range, after, order), order })) {
    passed += 1;
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    if (passed % TURN_LEAVES === 0) await looker.rest();
    if (pattern !== null && !matches(pattern, segmentsOf(entry.path))) continue;
    if (!scope.covers(entry.path)) continue;
    const isTaken = place.takes(select === 'keys' ? entry.path : entry);
    // There is one more than the page has a place for, so the cursor never leads to an empty page.
    if (!isTaken) return page(items, select, items.at(-1)?.path ?? null);
    items.push(entry);
  }
  return page(items, select, null);
}

/** What of a range comes after a path, in the order asked for. */
function behind(range: Range, after: string | null, order: Order): Range {
  if (after === null) return range;
  if (order === 'asc') return { ...range, after };
  const isTighter = range.before === undefined || comparePaths(after, range.before) < 0;
  return isTighter ? { ...range, before: after } : range;
}

function page(items: readonly Entry[], select: Query['select'], next: Path | null): Page {
  return {
    items: select === 'keys' ? items.map(({ path }) => path) : items,
    next_cursor: next,
  };
}

async function listPrefixes(seen: Seen, query: Query): Promise<Page> {
  const { pattern, order, after } = query;
  const base = pattern === null ? [] : literalPrefix(pattern);
  const all = (await prefixesOf(seen, base)).toSorted(comparePaths);
  if (order === 'desc') all.reverse();
  const rest = after === null ? all : all.filter((path) => isBehind(path, after, order));
  const place = new Place(query);
  const end = rest.findIndex((path) => !place.takes(path));
  const items = end === -1 ? rest : rest.slice(0, end);
  return { items, next_cursor: rest.length > items.length ? (items.at(-1) ?? null) : null };
}

/** What a page has a place for: its first item always. */
class Place {
  readonly #query: Query;
  #count = 0;
  #bytes = 0;

  constructor(query: Query) {
    this.#query = query;
  }

  takes(item: unknown): boolean {
    const { limit, maxBytes } = this.#query;
    if (this.#count >= limit) return false;
    if (maxBytes !== null) this.#bytes += Buffer.byteLength(JSON.stringify(item)) + 1;
    if (this.#count > 0 && this.#bytes > (maxBytes ?? Infinity)) return false;
    this.#count += 1;
    return true;
  }
}

/** Every next segment below a folder once: from each leaf the walk leaps over what shares its prefix. */
async function prefixesOf(
  { tree, scope, looker }: Seen,
  base: readonly string[],
): Promise<readonly Path[]> {
  const found: Path[] = [];
  const under = base.length === 0 ? {} : { under: renderPath(base) };
  let passed = 0;
  for (let range: Range = under; ;) {
    passed += 1;
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    if (passed % TURN_LEAVES === 0) await looker.rest();
    const [leaf] = tree.entries(range);
    if (leaf === undefined) return found;
    const segments = segmentsOf(leaf.path);
    const prefix = renderPath(segments.slice(0, base.length + 1));
    const isHidden = !scope.covers(leaf.path);
    // The folder itself is a leaf: there is nothing below it.
    if (segments.length > base.length && !isHidden) found.push(prefix);
    // '0' is the character after '/': the first path that is no descendant. Behind a hidden leaf may be a visible one.
    const leaps = segments.length > base.length + 1 && !isHidden;
    range = { ...under, from: leaps ? `${prefix}0` : `${leaf.path}\0` };
  }
}

function isBehind(path: string, after: string, order: Order): boolean {
  const compared = comparePaths(path, after);
  return order === 'asc' ? compared > 0 : compared < 0;
}

function readQuery(c: Context, deps: HttpDeps): Query {
  const asked = queryOf(c, parameters);
  const { pattern, from, to, after = null } = asked;
  const byRange = from !== undefined || to !== undefined;
  if (byRange && pattern !== undefined) {
    throw new Problem(400, 'conflicting_params', { detail: 'Ask by pattern, or by from and to.' });
  }
  const select = readSelect(asked['select']);
  const parsed = byRange ? null : readPattern(pattern ?? '**', deps.limits);
  if (select === 'prefixes') needFolder(parsed);
  return {
    pattern: parsed,
    range: parsed === null ? bounds(from, to) : rangeOf(parsed),
    order: readOrder(asked['order']),
    limit: readLimit(asked['limit']),
    maxBytes: readMaxBytes(asked['max_bytes']),
    after,
    select,
  };
}

function needFolder(pattern: Pattern | null): void {
  const { parts = [] } = pattern ?? {};
  const inner = parts.slice(0, -1);
  if (parts.at(-1)?.kind === 'many' && inner.every(({ kind }) => kind === 'literal')) return;
  throw new Problem(400, 'invalid_pattern_for_prefixes', { detail: 'Ask for ** or <folder>/**.' });
}

function rangeOf(pattern: Pattern): Range {
  const prefix = literalPrefix(pattern);
  return prefix.length === 0 ? {} : { under: renderPath(prefix) };
}

function bounds(from: string | undefined, to: string | undefined): Range {
  return { ...(from !== undefined && { from }), ...(to !== undefined && { before: to }) };
}

function readSelect(select = 'entries'): Query['select'] {
  if (select === 'entries' || select === 'keys' || select === 'prefixes') return select;
  throw new Problem(400, 'unsupported_select', { detail: 'Select entries, keys or prefixes.' });
}

function readOrder(order = 'asc'): Order {
  if (order === 'asc' || order === 'desc') return order;
  throw invalidParam('order is asc or desc.');
}

function readLimit(limit = String(LIMIT_DEFAULT)): number {
  const count = /^\d{1,4}$/.test(limit) ? Number(limit) : 0;
  if (count >= 1 && count <= LIMIT_MAX) return count;
  throw invalidParam(`limit is an integer from 1 to ${LIMIT_MAX}.`);
}

function readMaxBytes(asked?: string): number | null {
  if (asked === undefined) return null;
  const bytes = /^\d{1,7}$/.test(asked) ? Number(asked) : 0;
  if (bytes >= 1 && bytes <= BYTES_MAX) return bytes;
  throw invalidParam(`max_bytes is an integer from 1 to ${BYTES_MAX}.`);
}
