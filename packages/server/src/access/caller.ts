import type { LoneRequest } from '@holdfast/engine/authority';
import type { Bound, Caller } from '@holdfast/engine/data';
import type { RecordContext } from '@holdfast/protocol';
import { grantsUnder } from './path-rules.ts';
import type { Principal } from './principal.ts';

/** Who looks at records: a principal, or what code of the application says of somebody. */
export type Viewer = RecordContext['principal'];

/** Who asks, as the rules of records see it. */
export function callerOf(principal: Viewer, veil: Caller['veil'] = null): Caller {
  return { principal: { ...principal }, isExempt: isService(principal), veil };
}

/** What a write is judged by that is a principal's, of which records hide from it what the veil does. */
export function rightsOf(
  principal: Principal,
  veil: (Bound & NonNullable<Caller['veil']>) | null,
): Pick<LoneRequest, 'caller' | 'grants'> {
  const isBounded = (principal.pathRules ?? veil) !== null;
  return {
    caller: callerOf(principal, veil),
    ...(isBounded && { grants: grantsUnder(principal, veil) }),
  };
}

/** Issued tokens without path rules are services of the operator (records.md §12). */
function isService({ tokenId, pathRules }: Viewer): boolean {
  return typeof tokenId === 'string' && (pathRules ?? null) === null;
}

/** Whether nothing of a record is hidden from a principal (records.md §17). */
export function seesAll(viewer: Viewer): boolean {
  const { scopes } = viewer;
  return (scopes instanceof Set && scopes.has('admin')) || isService(viewer);
}
