import type { DeviceId, EpochMs, OpId, Path, Seq } from './brand.ts';
import type { Json, JsonObject } from './json.ts';

/** The ten op names of the log (stores.md §4.2). */
export const opNames = [
  'set',
  'delete',
  'merge',
  'increment',
  'add',
  'remove',
  'put_file',
  'lease',
  'renew',
  'release',
] as const;

/** A name of {@link opNames}. */
export type OpName = (typeof opNames)[number];

/** Whether a decoded value is an op name. */
export function isOpName(value: unknown): value is OpName {
  return opNames.some((name) => name === value);
}

/** Whether an op is about leases (stores.md §5.2). */
export function isLeaseOp(op: string): op is 'lease' | 'renew' | 'release' {
  return op === 'lease' || op === 'renew' || op === 'release';
}

/** The types of leaves (stores.md §3.1). */
export const leafTypes = [
  'null',
  'boolean',
  'string',
  'integer',
  'float',
  'list',
  'map',
  'decimal',
  'datetime',
  'bigint',
  'bytes',
  'file',
  'lease',
  'counter',
  'set',
] as const;

/** The type of a leaf: one of {@link leafTypes}. A read of a non-empty map reports `map` too. */
export type LeafType = (typeof leafTypes)[number];

/** Whether a decoded value is a leaf type. */
export function isLeafType(value: unknown): value is LeafType {
  return knownTypes.has(value);
}

const knownTypes: ReadonlySet<unknown> = /* @__PURE__ */ new Set(leafTypes);

/** What is stored at one path. */
export type Leaf = { readonly value: Json; readonly type: LeafType; readonly revision: Seq };

/** A leaf with its path. */
export type Entry = Leaf & { readonly path: Path };

/** The value of a leaf of type `lease` (stores.md §3.1, §5.2). `expires_at` is epoch milliseconds. */
export type LeaseValue = {
  readonly _type: 'lease';
  readonly holder: string | null;
  readonly token: number;
  readonly expires_at: EpochMs;
};

/** One record of a store's log: a fact (stores.md §1.2.2). `value` is the result, `arg` what was asked where it differs. */
export type Op = {
  readonly seq: Seq;
  readonly op: OpName;
  readonly path: Path;
  readonly value: Json;
  readonly arg: Json;
  readonly deviceId: DeviceId;
  readonly clientOpId: OpId;
  /** The last seq of the commit, for every op of a commit of several ops; else null. */
  readonly tx: Seq | null;
  readonly at: EpochMs;
  /** The subject on whose behalf it was written; null for none. */
  readonly principal: string | null;
};

/** A write holds only if `key` holds a live lease with `token` (stores.md §5.1.3). */
export type Fence = { readonly key: Path; readonly token: number };

type Fenced = { readonly fence?: Fence };

/** `leafOnly`: a guard of capver 3, for which a map never matches (stores.md §5.1.1). */
type Matched = { readonly ifMatch?: Seq; readonly leafOnly?: true };

/** One write as a client asks for it, parsed and checked (stores.md §4.2, §5). */
export type Write =
  | ({
      readonly op: 'set';
      readonly path: Path;
      readonly value: Json;
      readonly ifAbsent?: true;
    } & Matched &
      Fenced)
  | ({ readonly op: 'delete'; readonly path: Path } & Matched & Fenced)
  | ({ readonly op: 'merge'; readonly path: Path; readonly value: JsonObject } & Fenced)
  | ({ readonly op: 'increment'; readonly path: Path; readonly value: number } & Fenced)
  | ({ readonly op: 'add' | 'remove'; readonly path: Path; readonly value: Json } & Fenced)
  | {
      readonly op: 'lease';
      readonly path: Path;
      readonly ttlMs: number;
      readonly holder: string | null;
    }
  | {
      readonly op: 'renew';
      readonly path: Path;
      readonly token: number;
      readonly ttlMs: number;
    }
  | { readonly op: 'release'; readonly path: Path; readonly token: number };

/** A named change of a record, run where the request is decided (records.md §11.2); logged as the ops that it results in. */
export type Mutate = {
  readonly op: 'mutate';
  readonly path: Path;
  readonly record: string;
  readonly name: string;
  /** The input. */
  readonly value: Json;
} & Fenced;

/** A `put_file` as a client asks for it, parsed; the content is base64 (stores.md §7.5, §14). */
export type PutFile = {
  readonly op: 'put_file';
  readonly path: Path;
  readonly content: string;
  readonly filename: string | null;
  readonly contentType: string | null;
  readonly ifMatch?: Seq;
  readonly ifAbsent?: true;
  readonly leafOnly?: true;
} & Fenced;

/** A condition on the state before a transaction (stores.md §10.5). */
export type Precondition =
  | { readonly kind: 'if_match'; readonly path: Path; readonly revision: Seq }
  | { readonly kind: 'if_absent'; readonly path: Path }
  | { readonly kind: 'exists'; readonly path: Path }
  | { readonly kind: 'equals'; readonly path: Path; readonly value: Json }
  | { readonly kind: 'fence'; readonly fence: Fence };

/** Several writes, all or nothing (stores.md §10.5). */
export type Transaction = {
  readonly op: 'transact';
  readonly ops: readonly (Write | Mutate)[];
  readonly preconditions: readonly Precondition[];
};

/** What a client may ask of a store in one push. */
export type Request = Write | Mutate | Transaction;

/** What one write of a request came to: its seq, and for lease and renew the lease. */
export type WriteResult = {
  readonly store_seq: Seq;
  readonly token?: number;
  readonly expires_at?: EpochMs;
  readonly holder?: string | null;
  /** What a `put_file` stored: `sha256:<hex>`. */
  readonly hash?: string;
  /** A mutation that changed nothing; the seq is the head (records.md §11.2). */
  readonly noop?: true;
};

/** What a rollback came to: of a path, or of the store; `noop` and 0 where nothing differed (stores.md §7.5). */
export type RollbackReply =
  | { readonly store_seq: Seq; readonly noop: true }
  | { readonly store_seq: Seq; readonly ops_written: number };

/** The ok response to a `write`, `transact` or `rollback` (stores.md §7.5, §10.5.3). */
export type WriteReply =
  | WriteResult
  | RollbackReply
  | { readonly released: false }
  | { readonly store_seq: Seq; readonly first_seq: Seq; readonly results: readonly WriteResult[] };
