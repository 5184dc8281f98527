import { isObject } from '../json.ts';
import type { PathLimits } from '../path.ts';
import { type Refusal, refuse } from '../refusals.ts';
import { isPlainObject, type ValueLimits } from '../value.ts';
import type { WriteDraft } from './check.ts';

/** The protocol generation of a channel; HTTP, MCP and transactions speak 4 (stores.md, opening). */
export type Dialect = 3 | 4;

/** How a payload is read: in which dialect, within which limits. */
export type ReadOptions<L extends PathLimits = ValueLimits> = {
  readonly dialect: Dialect;
  readonly limits: L;
};

type Payload = { readonly [field: string]: unknown };

type GuardDraft = Pick<WriteDraft, 'ifMatch' | 'ifAbsent' | 'fence'>;

/** The guards of a payload, unchecked; null is absent (stores.md §5.1.5). */
export function draftGuards(payload: Payload): GuardDraft {
  const { if_match: ifMatch, if_absent: ifAbsent, fence } = payload;
  return {
    ...((ifMatch ?? null) !== null && { ifMatch }),
    ...((ifAbsent ?? null) !== null && { ifAbsent }),
    ...((fence ?? null) !== null && { fence: draftFence(fence) }),
  };
}

/** The fields of a fence and no others. */
export function draftFence(fence: unknown): unknown {
  return isObject(fence) ? { key: fence['key'], token: fence['token'] } : fence;
}

/** On capver 3 the guards are for single leaves (stores.md §5.1.5). */
export function checkLegacyGuards(draft: WriteDraft, dialect: Dialect): Refusal | null {
  const { value = null, ifMatch, ifAbsent } = draft;
  const isMap = isObject(value) && isPlainObject(value) && Object.keys(value).length > 0;
  if (dialect !== 3 || !isMap) return null;
  if (ifMatch !== undefined) return refuse('if_match_multi_leaf');
  return ifAbsent === undefined ? null : refuse('if_absent_multi_leaf');
}
