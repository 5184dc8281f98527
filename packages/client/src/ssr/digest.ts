import { sha256 } from '@noble/hashes/sha2.js';
import type { EntryTuple, MapTuple } from '@holdfast/protocol';
import type { SeededQuery } from '@holdfast/protocol/record';

/** What of a store is rendered. */
export type Content = {
  readonly entries: readonly EntryTuple[];
  readonly maps: readonly MapTuple[];
  readonly queries: readonly SeededQuery[];
};

/** Stands for the content of a store: whoever changes any of it changes this. */
export function digestOf({ entries, maps, queries }: Content): string {
  const windows = queries.map(({ key, rows, has_more: hasMore, end_cursor: end }) => [
    key,
    rows,
    hasMore,
    end,
  ]);
  return digestOfJson([entries, maps, windows]);
}

/** Stands for a value: of equal texts, equal digests. */
export function digestOfJson(value: unknown): string {
  const bytes = sha256(new TextEncoder().encode(JSON.stringify(value)));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
