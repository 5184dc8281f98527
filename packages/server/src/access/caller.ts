import type { LoneRequest } from '@holdfast/engine/authority';
import type { Bound, Caller } from '@holdfast/engine/data';
import type { RecordContext } from '@holdfast/protocol';
import { faultInPrincipal } from './check-principal.ts';
import { grantsOf, grantsUnder, isRules } from './path-rules.ts';
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

/** The same of somebody for whom code of the server writes, on conditions of its own: it looks at what it likes. */
export function rightsFor(
  viewer: Viewer,
  veil: NonNullable<Caller['veil']> | null,
): Pick<LoneRequest, 'caller' | 'grants'> {
  const { write } = grantsOf(fullPrincipal(viewer).pathRules ?? null);
  return { caller: callerOf(viewer, veil), grants: { ...grantsOf(null), write } };
}

/**
 * What code of the server says of somebody, as a principal: if it says too little for that, one who may name the files that
 * the store holds. Throws a `TypeError` for path rules that are none.
 */
export function fullPrincipal(viewer: Viewer): Principal {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it has been checked
  if (faultInPrincipal(viewer) === null) return viewer as unknown as Principal;
  const { subject, pathRules = null } = viewer;
  if (pathRules !== null && !isRules(pathRules)) {
    throw new TypeError('pathRules of a principal must be path rules, or null.');
  }
  return {
    subject,
    orgs: [],
    scopes: new Set(['files:write']),
    storeAccess: { mode: 'selected', storeIds: [] },
    expiresAt: null,
    tokenId: null,
    pathRules,
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
