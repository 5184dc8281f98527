import { isObject, type StoreName } from '@holdfast/protocol';
import { type Answer, callApi } from './api.ts';
import type { Endpoint } from './endpoint.ts';
import { textOf } from './fields.ts';

/** One entry as HTTP tells it: the value in the form of the wire (stores.md §3.1). */
export type ReadEntry = {
  readonly path: string;
  readonly value: unknown;
  readonly type: string;
  readonly revision: number;
};

/** Which leaves, and which page of them. */
export type Listing = {
  readonly pattern?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit?: number;
  readonly after?: string;
  readonly order: 'asc' | 'desc';
  /** As it was at this seq. */
  readonly atSeq?: number;
};

const PAGE = 1000;

/** Reads one entry, or null; the rest of the store stays where it is (stores.md §18 C23). */
export async function readEntry(
  endpoint: Endpoint,
  name: StoreName,
  path: string,
): Promise<ReadEntry | null> {
  const paths = [path];
  // By body: a URL cannot carry every path, and an entry that is missing is no error.
  const body = { paths, subtrees: true };
  const answer = await callApi(endpoint, `/api/stores/${name}/entries/batch`, {
    method: 'POST',
    body,
    says: { entries: 'object', missing: 'list' },
  });
  const { entries } = answer;
  const [found] = isObject(entries) ? Object.entries(entries) : [];
  return found === undefined || !isObject(found[1])
    ? null
    : entryOf({ ...found[1], path: found[0] });
}

/** Lists entries: one page if a limit is given, else page after page to the end. */
export async function listEntries(
  endpoint: Endpoint,
  name: StoreName,
  listing: Listing,
): Promise<{ readonly items: readonly ReadEntry[]; readonly next: string | null }> {
  const { items, next } = await listAll(endpoint, name, { ...listing, select: 'entries' });
  return { items: items.filter(isObject).map(entryOf), next };
}

/** The same, of their paths or of the next level's. */
export async function listPaths(
  endpoint: Endpoint,
  name: StoreName,
  listing: Listing & { readonly select: 'keys' | 'prefixes' },
): Promise<{ readonly items: readonly string[]; readonly next: string | null }> {
  const { items, next } = await listAll(endpoint, name, listing);
  return { items: items.map(textOf), next };
}

type Raw = { readonly items: readonly unknown[]; readonly next: string | null };

async function listAll(
  endpoint: Endpoint,
  name: StoreName,
  { limit = Infinity, atSeq, ...listing }: Listing & { readonly select: string },
): Promise<Raw> {
  const items: unknown[] = [];
  let after = listing.after ?? null;
  for (;;) {
    const query = queryOf({
      ...listing,
      at_seq: atSeq,
      after,

      limit: Math.min(PAGE, limit - items.length),
    });
    // oxlint-disable-next-line no-await-in-loop -- a page begins where the one before ended
    const answer = await callApi(endpoint, `/api/stores/${name}/entries?${query}`, {
      says: { items: 'list' },
    });
    items.push(...pageOf(answer));
    after = typeof answer['next_cursor'] === 'string' ? answer['next_cursor'] : null;
    if (after === null || items.length >= limit) return { items, next: after };
  }
}

function pageOf(answer: Answer): readonly unknown[] {
  return Array.isArray(answer['items']) ? answer['items'] : [];
}

/** A query string of what is given. */
export function queryOf(asked: { readonly [name: string]: unknown }): string {
  const given = Object.entries(asked).filter(([, value]) => value !== undefined && value !== null);
  return new URLSearchParams(
    given.map(([name, value]): [string, string] => [name, String(value)]),
  ).toString();
}

function entryOf(entry: { readonly [field: string]: unknown }): ReadEntry {
  return {
    path: textOf(entry['path']),
    value: entry['value'],
    type: textOf(entry['type']),
    revision: Number(entry['revision']),
  };
}
