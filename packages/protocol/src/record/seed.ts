import type { Glob, Path, StoreName } from '../brand.ts';
import type { SeedClaim } from '../frames/join.ts';
import { type EntryTuple, isEntryTuples, isMapTuples, type MapTuple } from '../frames/snapshot.ts';
import { isObject, type Json } from '../json.ts';
import { isWirePath } from '../path.ts';
import { isRefusal, type Refusal } from '../refusals.ts';
import {
  type Guard,
  invalidField,
  isBoolean,
  isCount,
  isGlobs,
  isString,
  orNull,
  readShape,
  type Shape,
} from '../shape.ts';
import { parseStoreName } from '../store-name.ts';
import { decodeExact } from './exact.ts';

/** What a page was rendered from (records.md §18), its parts not looked at yet. */
export type SeedState = {
  readonly v: 1;
  /** Whose it is. */
  readonly principal: string;
  readonly stores: readonly unknown[];
  readonly queries: readonly unknown[];
  readonly envelopes: readonly unknown[];
  readonly views: readonly unknown[];
};

/** A replica within it, as a cache would keep it. */
export type SeededStore = Omit<SeedClaim, 'store' | 'digest'> & {
  readonly store: StoreName;
  readonly entries: readonly EntryTuple[];
  readonly maps: readonly MapTuple[];
  /** The server's, of who renders with it; null: nothing vouches for it. */
  readonly signature: string | null;
};

/** The rows of a query within it. */
export type SeededQuery = {
  readonly store: StoreName;
  /** What the client calls the query. */
  readonly key: string;
  readonly rows: readonly Path[];
  readonly has_more: boolean;
  readonly end_cursor: string | null;
};

/** Parts of one kind: more than any page is drawn from. */
const partsMax = 10_000;
const isList: Guard<readonly unknown[]> = (value): value is readonly unknown[] =>
  Array.isArray(value) && value.length <= partsMax;
const isName: Guard<StoreName> = (value): value is StoreName =>
  isString(value) && parseStoreName(value) !== null;
const isPaths: Guard<readonly Path[]> = (value): value is readonly Path[] =>
  Array.isArray(value) && value.every(isWirePath);

const state: Shape<SeedState> = {
  v: (value): value is 1 => value === 1,
  principal: isString,
  stores: isList,
  queries: isList,
  envelopes: isList,
  views: isList,
};
/** What a server would refuse in a join is left out before: for a store that cannot be joined there would be nothing else. */
const tokenMax = 64;
const patternsMax = 2000;
const signatureMax = 1500;
const isToken: Guard<string> = (value): value is string =>
  isString(value) && value.length <= tokenMax;
const isScope: Guard<readonly Glob[]> = (value): value is readonly Glob[] =>
  isGlobs(value) && value.length <= patternsMax;
const isSignature: Guard<string> = (value): value is string =>
  isString(value) && value.length <= signatureMax;
const store: Shape<SeededStore> = {
  store: isName,
  incarnation: isToken,
  seq: isCount,
  scope: isToken,
  patterns: isScope,
  entries: isEntryTuples,
  maps: isMapTuples,
  signature: orNull(isSignature),
};
const query: Shape<SeededQuery> = {
  store: isName,
  key: isString,
  rows: isPaths,
  has_more: isBoolean,
  end_cursor: orNull(isString),
};

/** Reads what a page was rendered from, as text or parsed. */
export function readSeed(given: unknown): SeedState | Refusal {
  try {
    const parsed: unknown = typeof given === 'string' ? JSON.parse(given) : given;
    return isObject(parsed) ? readShape(parsed, state) : invalidField('v');
  } catch {
    return invalidField('v');
  }
}

/** Reads one of its stores; patterns that are none are found out by the server. */
export function readSeededStore(given: unknown): SeededStore | Refusal {
  return readShape(given, store);
}

/** The parts of a list that can be read by one of these, and how many cannot. */
export function readSeededQueries(given: readonly unknown[]): {
  readonly read: readonly SeededQuery[];
  readonly bad: number;
} {
  const all = given.map((each) => readShape(each, query));
  const read = all.filter((each): each is SeededQuery => !isRefusal(each));
  return { read, bad: all.length - read.length };
}

/** Reads an envelope within it, of a record that is in no store; what it says is the record's to check. */
export function readSeededEnvelope(given: unknown): {
  readonly key: string;
  readonly envelope: unknown;
  /** As it was written. */
  readonly json: unknown;
  /** The server's, of who renders with it; null: nothing vouches for it. */
  readonly signature: string | null;
} | null {
  if (!isObject(given)) return null;
  const { key, envelope: json, signature = null } = given;
  if (!isString(key) || (signature !== null && !isString(signature))) return null;
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- parsed JSON, or what passes for it
    return { key, envelope: decodeExact(json as Json), json, signature };
  } catch {
    return null;
  }
}

/** JSON that is safe within a script of a page, whatever is in it. */
export function escapedJson(value: object): string {
  return JSON.stringify(value).replaceAll(/[<>&\u2028\u2029]/g, (character) => {
    const hex = character.charCodeAt(0).toString(16).padStart(4, '0');
    return String.raw`\u` + hex;
  });
}
