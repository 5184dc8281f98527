import {
  asPath,
  checkValue,
  fingerprint,
  type Json,
  type Query,
  RejectedError,
} from '@holdfast/protocol';
import { canonicalJson } from '@holdfast/protocol/record';
import type { Place } from './order.ts';

/** Stands for all of a query but its window. */
function hashOf(record: string, { params, where, orderBy }: Query): number {
  return fingerprint({ op: 'query', record, value: { params, where, orderBy } });
}

/** Names the end of a window, so that another one can begin there (records.md §14.5). */
export function cursorOf(record: string, query: Query, { path, keys }: Place): string {
  // Absence has no JSON of its own.
  const values = keys.map((key): Json => (key === undefined ? [] : [key]));
  return encodeURIComponent(canonicalJson([hashOf(record, query), values, path]));
}

/** The place that a cursor names; throws `invalid_cursor` for one of another query, or none. */
export function placeAt(record: string, query: Query): Place | null {
  if (query.after === null) return null;
  const read = read3(query.after);
  if (read === null || read[0] !== hashOf(record, query)) throw new RejectedError('invalid_cursor');
  return { path: asPath(read[2]), keys: read[1] };
}

type Read = readonly [hash: number, keys: readonly (Json | undefined)[], path: string];

function read3(cursor: string): Read | null {
  try {
    const value: unknown = JSON.parse(decodeURIComponent(cursor));
    if (!Array.isArray(value) || value.length !== 3) return null;
    const [hash, keys, path]: readonly unknown[] = value;
    const isSound = typeof hash === 'number' && typeof path === 'string' && Array.isArray(keys);
    if (!isSound || !keys.every(isKey)) return null;
    return [hash, keys.map(([key]) => key), path];
  } catch {
    return null;
  }
}

const anywhere = asPath('key');

/** A value that a store may hold, in a list, or none: anybody can make a cursor, and what is no value has no order. */
function isKey(key: unknown): key is readonly Json[] {
  return Array.isArray(key) && key.every((each) => checkValue(each, anywhere) === null);
}
