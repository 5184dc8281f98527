import type { Path, Seq } from '../brand.ts';
import type { EntryTuple, MapTuple } from '../frames/snapshot.ts';
import { isEntryTuples, isMapTuples } from '../frames/snapshot.ts';
import { isObject, type JsonObject } from '../json.ts';
import { isWirePath } from '../path.ts';
import { isRefusal, type Refusal } from '../refusals.ts';
import {
  invalidField,
  isBoolean,
  isCount,
  isString,
  isText,
  orNull,
  readShape,
  type Shape,
} from '../shape.ts';

/** The payload of `query_open` (records.md §14.4). */
export type QueryOpen = {
  /** The client's name for it. */
  readonly sub: string;
  readonly record: string;
  readonly spec: JsonObject;
  /** Revisions of the rows that the client has. */
  readonly have: { readonly [path: string]: Seq };
};

/** A step from one window to the next. */
export type QueryStep =
  | readonly ['ins', path: Path, after: Path | null]
  | readonly ['del', path: Path]
  | readonly ['mov', path: Path, after: Path | null];

/** The payload of `query_delta` (records.md §14.4). */
export type QueryDelta = {
  readonly sub: string;
  readonly at: Seq;
  /** All rows, where it is a reset. */
  readonly rows: readonly Path[] | null;
  readonly ops: readonly QueryStep[];
  readonly entries: readonly EntryTuple[];
  readonly maps: readonly MapTuple[];
  readonly hasMore: boolean;
  readonly endCursor: string | null;
};

const nameBytesMax = 128;

/** Reads a `query_open` push; what the spec says is the query's to check. */
export function readQueryOpen(payload: unknown): QueryOpen | Refusal {
  if (!isObject(payload)) return invalidField('payload');
  const { sub, record, spec, have = {} } = payload;
  if (!isText(sub, nameBytesMax)) return invalidField('sub');
  if (!isText(record, nameBytesMax)) return invalidField('record');
  if (!isObject(spec)) return invalidField('spec');
  if (!isRevisions(have)) return invalidField('have');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- decoded JSON
  return { sub, record, spec: spec as JsonObject, have };
}

/** Reads a `query_close` push: which query. */
export function readQueryClose(payload: unknown): string | Refusal {
  const sub = isObject(payload) ? payload['sub'] : undefined;
  return isText(sub, nameBytesMax) ? sub : invalidField('sub');
}

function isRevisions(value: unknown): value is QueryOpen['have'] {
  return isObject(value) && Object.values(value).every(isCount);
}

type Told = Pick<QueryDelta, 'sub' | 'at' | 'entries' | 'maps'> & {
  readonly has_more: boolean;
  readonly end_cursor: string | null;
};

const told: Shape<Told> = {
  sub: isString,
  at: isCount,
  entries: isEntryTuples,
  maps: isMapTuples,
  has_more: isBoolean,
  end_cursor: orNull(isString),
};

/** Reads a `query_delta` event. */
export function readQueryDelta(payload: unknown): QueryDelta | Refusal {
  const read = readShape(payload, told);
  if (isRefusal(read)) return read;
  if (!isObject(payload)) return invalidField('payload');
  const { rows = [], ops = [] } = payload;
  const isReset = payload['reset'] === true;
  if (!Array.isArray(rows) || !rows.every(isWirePath)) return invalidField('rows');
  if (!Array.isArray(ops) || !ops.every(isStep)) return invalidField('ops');
  const { sub, at, entries, maps, has_more: hasMore, end_cursor: endCursor } = read;
  return { sub, at, rows: isReset ? rows : null, ops, entries, maps, hasMore, endCursor };
}

function isStep(value: unknown): value is QueryStep {
  if (!Array.isArray(value)) return false;
  const [op, path, after]: readonly unknown[] = value;
  if (!isWirePath(path)) return false;
  if (op === 'del') return value.length === 2;
  return (op === 'ins' || op === 'mov') && (after === null || isWirePath(after));
}
