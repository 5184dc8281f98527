import type { EpochMs, Glob, Path, Seq } from '../brand.ts';
import { isObject } from '../json.ts';
import type { OpName, WriteReply, WriteResult } from '../op.ts';
import type { Refusal } from '../refusals.ts';
import {
  invalidField,
  isCount,
  isGlobs,
  isString,
  orNull,
  readShape,
  type Shape,
} from '../shape.ts';

/** The ok response to a `scope` push (stores.md §10.4.4). */
export type ScopeReply = {
  readonly patterns: readonly Glob[] | null;
  readonly scope: string;
  readonly seq: Seq;
  readonly denied: readonly Glob[];
};

const scopeReply: Shape<ScopeReply> = {
  patterns: orNull(isGlobs),
  scope: isString,
  seq: isCount,
  denied: isGlobs,
};

/** Reads the ok response to `scope`. */
export function readScopeReply(payload: unknown): ScopeReply | Refusal {
  return readShape(payload, scopeReply);
}

/** Reads the ok response to a `write` or `transact` (stores.md §7.5, §10.5.3). */
export function readWriteReply(payload: unknown): WriteReply | Refusal {
  if (!isObject(payload)) return invalidField('response');
  if (payload['released'] === false) return { released: false };
  const result = readWriteResult(payload);
  const { first_seq: first, results } = payload;
  if (result === null) return invalidField('store_seq');
  if (results === undefined) return result;
  const read = Array.isArray(results) ? results.map(readWriteResult) : [null];
  const whole = read.filter((item) => item !== null);
  return isCount(first) && whole.length === read.length
    ? { store_seq: result.store_seq, first_seq: first, results: whole }
    : invalidField('results');
}

function readWriteResult(value: unknown): WriteResult | null {
  if (!isObject(value) || !isCount(value['store_seq'])) return null;
  const { store_seq, noop, token, expires_at, holder } = value;
  if (token === undefined) return noop === true ? { store_seq, noop } : { store_seq };
  const lease = isCount(token) && isCount(expires_at) && (holder === null || isString(holder));
  return lease ? { store_seq, token, expires_at, holder } : null;
}

/** The ok response to `op_status` (stores.md §10.7.1): null where the id was never committed or is forgotten. */
export function readOpStatusReply(payload: unknown): WriteReply | null | Refusal {
  const state = isObject(payload) ? payload['state'] : undefined;
  if (state === 'unknown') return null;
  return state === 'committed' ? readWriteReply(payload) : invalidField('state');
}

/** The ok response to a `rollback` push (stores.md §7.5): of a path, or of the whole store. */
export type RollbackReply =
  | { readonly store_seq: Seq; readonly noop?: true }
  | { readonly store_seq: Seq; readonly ops_written: number };

/** The ok response to a `status` push (stores.md §7.5); counts and ops as the principal may read. */
export type StatusReply = {
  readonly current_seq: Seq;
  readonly entry_count: number;
  readonly op_count: number;
  readonly file_storage_bytes: number;
  readonly db_size_bytes: number;
  readonly expires_at: EpochMs | null;
  readonly permissions: { readonly read: boolean; readonly write: boolean };
  readonly scopes: readonly string[];
  readonly store_access: {
    readonly mode: 'all' | 'selected';
    readonly store_ids: readonly string[];
  };
  readonly latest_snapshot_seq: Seq | null;
  readonly latest_snapshot_at: string | null;
  readonly recent_ops: readonly {
    readonly store_seq: Seq;
    readonly op: OpName;
    readonly path: Path;
    readonly inserted_at: string;
  }[];
  readonly incarnation: string;
  readonly oldest_seq: Seq;
};
