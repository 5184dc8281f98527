import type { EpochMs, Glob, Path, Seq } from '../brand.ts';
import { isObject } from '../json.ts';
import type { Refusal } from '../refusals.ts';
import {
  isBoolean,
  isCount,
  isGlobs,
  isString,
  isStrings,
  oneOf,
  orNull,
  readShape,
  type Shape,
  shaped,
} from '../shape.ts';

/** What a store is told when it is joined (stores.md §7.4.2, §10.1), parsed. */
export type JoinRequest = {
  /** Cursor of the replica; 0 means there is none. */
  readonly lastSeq: Seq;
  readonly incarnation: string | null;
  readonly scope: string | null;
  /** The scope patterns of the replica; null is the whole store. */
  readonly patterns: readonly Glob[] | null;
  /** The snapshot that was broken off, and the chunk to go on with (§10.3.4). */
  readonly snapshot: { readonly id: string; readonly next: number } | null;
  /** The replica is what a server has rendered: what shows that it is so, unaltered (records.md §18). */
  readonly seed: string | null;
};

/** What a server has rendered of a store, as it vouches for it (records.md §18). */
export type SeedClaim = {
  readonly store: string;
  readonly incarnation: string;
  readonly seq: Seq;
  readonly scope: string;
  readonly patterns: readonly Glob[];
  /** Stands for the entries and maps. */
  readonly digest: string;
};

/** What of a store a page is rendered from: the paths of its leaves, and the rows of each query. */
export type SeedContent = {
  readonly paths: readonly Path[];
  readonly windows: readonly (readonly Path[])[];
};

/** The payload of `phx_join` for a request of a capver-4 client. */
export function joinPayload(request: JoinRequest): object {
  const { lastSeq, seed, ...rest } = request;
  return { last_store_seq: lastSeq, ...rest, ...(seed !== null && { seed }) };
}

/** The fields of an ok join reply that both dialects have (stores.md §7.4.4). */
export type LegacyJoinReply = {
  readonly store_seq: Seq;
  readonly capver: number;
  readonly capver_min: number;
  readonly permissions: { readonly read: boolean; readonly write: boolean };
  readonly scopes: readonly string[];
  readonly store_access: {
    readonly mode: 'all' | 'selected';
    readonly store_ids: readonly string[];
  };
};

/** Why a join is answered with a snapshot (stores.md §10.1.1). */
export type SnapshotReason =
  | 'fresh'
  | 'incarnation'
  | 'scope'
  | 'ahead'
  | 'behind'
  | 'cheaper'
  | 'seed';

/** An ok join reply of capver 4 (stores.md §10.1). */
export type JoinReply = LegacyJoinReply & {
  readonly incarnation: string;
  readonly scope: string;
  readonly patterns: readonly Glob[] | null;
  /** Stands for the read rules alone, whatever the patterns; null: not told. Beside what stores.md §10.1 has. */
  readonly rights: string | null;
  /** What of the patterns can match nothing that may be read, and is not in `patterns`; null: nothing, or not told. */
  readonly denied: readonly Glob[] | null;
  readonly sync: 'tail' | 'snapshot';
  /** A {@link SnapshotReason}, or one of a later version. */
  readonly why: string | null;
  readonly oldest_seq: Seq;
  readonly dedupe_since: EpochMs;
  readonly server_time: EpochMs;
  readonly expires_at: EpochMs | null;
  /** By the names of stores.md §12.1. */
  readonly limits: { readonly [name: string]: number };
};

const permissions: Shape<LegacyJoinReply['permissions']> = { read: isBoolean, write: isBoolean };
const access: Shape<LegacyJoinReply['store_access']> = {
  mode: oneOf('all', 'selected'),
  store_ids: isStrings,
};

const joinReply: Shape<JoinReply> = {
  store_seq: isCount,
  capver: isCount,
  capver_min: isCount,
  permissions: shaped(permissions),
  scopes: isStrings,
  store_access: shaped(access),
  incarnation: isString,
  scope: isString,
  patterns: orNull(isGlobs),
  rights: orNull(isString),
  denied: orNull(isGlobs),
  sync: oneOf('tail', 'snapshot'),
  why: orNull(isString),
  oldest_seq: isCount,
  dedupe_since: isCount,
  server_time: isCount,
  expires_at: orNull(isCount),
  limits: isNumbers,
};

function isNumbers(value: unknown): value is { readonly [name: string]: number } {
  return isObject(value) && Object.values(value).every((item) => typeof item === 'number');
}

/** Reads an ok join reply of a store. */
export function readJoinReply(payload: unknown): JoinReply | Refusal {
  return readShape(payload, joinReply);
}
