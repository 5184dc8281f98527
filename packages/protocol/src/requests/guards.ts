import type { Seq } from '../brand.ts';
import { isObject } from '../json.ts';
import type { Fence, Write } from '../op.ts';
import { type PathLimits, toPath } from '../path.ts';
import { isRefusal, type Refusal, refuse } from '../refusals.ts';
import { isCount } from '../shape.ts';
import { isPlainObject, type ValueLimits } from '../value.ts';

/** The protocol generation of a channel; HTTP, MCP and transactions speak 4 (stores.md, opening). */
export type Dialect = 3 | 4;

/** How a payload is read: in which dialect, within which limits. */
export type ReadOptions<L = ValueLimits> = { readonly dialect: Dialect; readonly limits: L };

type Payload = { readonly [field: string]: unknown };

/** The guards of one request, parsed (stores.md §5.1). */
export type Guards = {
  readonly ifMatch?: Seq;
  readonly ifAbsent?: true;
  readonly leafOnly?: true;
  readonly fence?: Fence;
};

/** Reads the shape of the guards; null is absent (stores.md §5.1.5). */
export function readGuards(payload: Payload, options: ReadOptions<PathLimits>): Guards | Refusal {
  const match = readMatch(payload['if_match'] ?? null, options.dialect);
  if (isRefusal(match)) return match;
  const absent = readAbsent(payload['if_absent'] ?? null);
  if (isRefusal(absent)) return absent;
  if ('ifMatch' in match && 'ifAbsent' in absent) return refuse('invalid_precondition');
  const asked = payload['fence'] ?? null;
  if (asked === null) return { ...match, ...absent };
  const fence = readFence(asked, options.limits);
  return isRefusal(fence) ? fence : { ...match, ...absent, fence };
}

function readMatch(match: unknown, dialect: Dialect): Guards | Refusal {
  if (match === null) return {};
  if (!isCount(match)) return refuse('invalid_precondition');
  // On capver 3 if_match means a leaf: a map conflicts, whatever its revision (stores.md §5.1.1).
  return dialect === 3 ? { ifMatch: match, leafOnly: true } : { ifMatch: match };
}

function readAbsent(absent: unknown): Guards | Refusal {
  if (absent === null) return {};
  return absent === true ? { ifAbsent: true } : refuse('invalid_precondition');
}

/** Reads a fence; its key is a path (stores.md §5.1.3). */
export function readFence(fence: unknown, limits: PathLimits): Fence | Refusal {
  if (!isObject(fence)) return refuse('invalid_precondition');
  const { key, token } = fence;
  if (typeof key !== 'string' || !isInteger(token)) return refuse('invalid_precondition');
  const path = toPath(key, limits);
  return isRefusal(path) ? refuse('invalid_precondition') : { key: path, token };
}

/** Whether a decoded value is an integer, such as a lease's token. */
export function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** Which guards an op takes at all, and on capver 3 with which values (stores.md §5.1.1–2, §5.1.5, §7.7). */
export function checkGates(guards: Guards, write: Write, dialect: Dialect): Refusal | null {
  const { op } = write;
  const value = 'value' in write ? write.value : null;
  const manyLeaves = dialect === 3 && isPlainObject(value) && Object.keys(value).length > 0;
  if (guards.ifMatch !== undefined) {
    if (op !== 'set' && op !== 'delete') return refuse('if_match_unsupported_op', { op });
    if (manyLeaves) return refuse('if_match_multi_leaf');
  }
  if (guards.ifAbsent !== undefined) {
    if (op !== 'set') return refuse('if_absent_unsupported_op', { op });
    if (manyLeaves) return refuse('if_absent_multi_leaf');
  }
  return null;
}
