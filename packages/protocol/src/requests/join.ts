import type { Glob } from '../brand.ts';
import type { JoinRequest } from '../frames/join.ts';
import { parseGlob } from '../glob.ts';
import { isObject } from '../json.ts';
import type { Limits } from '../limits.ts';
import type { PathLimits } from '../path.ts';
import { isRefusal, type Refusal, refuse } from '../refusals.ts';
import {
  invalidField,
  isCount,
  isString,
  orNull,
  readShape,
  type Shape,
  shaped,
} from '../shape.ts';
import type { Dialect } from './guards.ts';

type JoinLimits = PathLimits & Pick<Limits, 'max_patterns'>;

const textMax = 64;
const isToken = (value: unknown): value is string => isString(value) && value.length <= textMax;
/** A digest, a signature, and what is visible of up to 64 parts of the store and 100 queries. */
const proofMax = 1600;
const isProof = (value: unknown): value is string => isString(value) && value.length <= proofMax;
const snapshot: Shape<{ id: string; next: number }> = { id: isToken, next: isCount };
const fields: Shape<Pick<JoinRequest, 'incarnation' | 'scope' | 'snapshot' | 'seed'>> = {
  incarnation: orNull(isToken),
  scope: orNull(isToken),
  snapshot: orNull(shaped(snapshot)),
  seed: orNull(isProof),
};

// A capver-3 replica is always of the whole store.
const legacy = { incarnation: null, scope: null, patterns: null, snapshot: null, seed: null };

/** Reads the payload of a store's `phx_join` (stores.md §7.4.2, §10.1). */
export function readJoin(
  payload: unknown,
  dialect: Dialect,
  limits: JoinLimits,
): JoinRequest | Refusal {
  if (!isObject(payload)) return invalidField('payload');
  const { last_store_seq: lastSeq, patterns: asked } = payload;
  if (!isCount(lastSeq)) return invalidField('last_store_seq');
  if (dialect === 3) return { ...legacy, lastSeq };
  const read = readShape(payload, fields);
  if (isRefusal(read)) return read;
  const patterns =
    asked === undefined || asked === null ? null : readPatterns(asked, 'patterns', limits);
  return isRefusal(patterns) ? patterns : { lastSeq, ...read, patterns };
}

/** A `scope` push: patterns to add to the channel's set and to take from it (stores.md §10.4.4). */
export type ScopeChange = { readonly add: readonly Glob[]; readonly remove: readonly Glob[] };

/** Reads a `scope` push. */
export function readScope(payload: unknown, limits: JoinLimits): ScopeChange | Refusal {
  if (!isObject(payload)) return invalidField('payload');
  const add = readPatterns(payload['add'] ?? [], 'add', limits);
  if (isRefusal(add)) return add;
  const remove = readPatterns(payload['remove'] ?? [], 'remove', limits);
  return isRefusal(remove) ? remove : { add, remove };
}

function readPatterns(list: unknown, field: string, limits: JoinLimits): readonly Glob[] | Refusal {
  if (!Array.isArray(list)) return invalidField(field);
  if (list.length > limits.max_patterns) {
    return refuse('too_many_patterns', { limit: limits.max_patterns });
  }
  const patterns: Glob[] = [];
  for (const item of list) {
    if (!isString(item)) return invalidField(field);
    const pattern = parseGlob(item, limits);
    if (isRefusal(pattern)) {
      return refuse('invalid_pattern', { pattern: item, error: pattern.code });
    }
    patterns.push(pattern.source);
  }
  return patterns;
}
