import type { Glob, Path, Seq } from '../brand.ts';
import type { Json } from '../json.ts';
import { type Entry, isLeafType, type LeafType } from '../op.ts';
import { isWirePath } from '../path.ts';
import type { Refusal } from '../refusals.ts';
import { isCount, isGlobs, isJson, isString, orNull, readShape, type Shape } from '../shape.ts';

/** The payload of `snapshot_begin` (stores.md §10.3). `within` null: the snapshot replaces the replica. */
export type SnapshotBegin = {
  readonly id: string;
  readonly seq: Seq;
  readonly incarnation: string;
  readonly entries: number | null;
  readonly within: readonly Glob[] | null;
};

/** A leaf within `snapshot_chunk`. */
export type EntryTuple = readonly [Path, Json, LeafType, Seq];

/** A map whose revision exceeds that of its leaves, within `snapshot_chunk` (stores.md §10.3.1). */
export type MapTuple = readonly [Path, Seq];

/** The payload of `snapshot_chunk`. */
export type SnapshotChunk = {
  readonly id: string;
  readonly index: number;
  readonly entries: readonly EntryTuple[];
  readonly maps: readonly MapTuple[];
};

/** The payload of `snapshot_end`. */
export type SnapshotEnd = {
  readonly id: string;
  readonly seq: Seq;
  readonly chunks: number;
  readonly entries: number;
};

/** The payload of `catch_up_complete` (stores.md §7.6.4). */
export type CatchUpComplete = { readonly through_seq: Seq };

const begin: Shape<SnapshotBegin> = {
  id: isString,
  seq: isCount,
  incarnation: isString,
  entries: orNull(isCount),
  within: orNull(isGlobs),
};
const chunk: Shape<SnapshotChunk> = {
  id: isString,
  index: isCount,
  entries: isEntryTuples,
  maps: isMapTuples,
};
const end: Shape<SnapshotEnd> = { id: isString, seq: isCount, chunks: isCount, entries: isCount };
const complete: Shape<CatchUpComplete> = { through_seq: isCount };

/** Reads `snapshot_begin`. */
export function readSnapshotBegin(payload: unknown): SnapshotBegin | Refusal {
  return readShape(payload, begin);
}

/** Reads `snapshot_chunk`. */
export function readSnapshotChunk(payload: unknown): SnapshotChunk | Refusal {
  return readShape(payload, chunk);
}

/** Reads `snapshot_end`. */
export function readSnapshotEnd(payload: unknown): SnapshotEnd | Refusal {
  return readShape(payload, end);
}

/** Reads `catch_up_complete`. */
export function readCatchUpComplete(payload: unknown): CatchUpComplete | Refusal {
  return readShape(payload, complete);
}

/** A leaf as `snapshot_chunk` carries it. */
export function entryTuple(entry: Entry): EntryTuple {
  return [entry.path, entry.value, entry.type, entry.revision];
}

export function isEntryTuples(value: unknown): value is readonly EntryTuple[] {
  return Array.isArray(value) && value.every(isEntryTuple);
}

function isEntryTuple(tuple: unknown): tuple is EntryTuple {
  // By index: there are as many of these as leaves.
  return (
    Array.isArray(tuple) &&
    isWirePath(tuple[0]) &&
    isJson(tuple[1]) &&
    isLeafType(tuple[2]) &&
    isCount(tuple[3])
  );
}

export function isMapTuples(value: unknown): value is readonly MapTuple[] {
  return Array.isArray(value) && value.every(isMapTuple);
}

function isMapTuple(tuple: unknown): tuple is MapTuple {
  return Array.isArray(tuple) && isWirePath(tuple[0]) && isCount(tuple[1]);
}
