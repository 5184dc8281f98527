import type { Caller } from '@holdfast/engine/data';
import type { Principal } from './principal.ts';

/** Who asks, as the rules of records see it. */
export function callerOf(principal: Principal, veil: Caller['veil'] = null): Caller {
  return { principal: { ...principal }, isExempt: isService(principal), veil };
}

/** Issued tokens without path rules are services of the operator (records.md §12). */
function isService({ tokenId, pathRules = null }: Principal): boolean {
  return tokenId !== null && pathRules === null;
}

/** Whether nothing of a record is hidden from a principal (records.md §17). */
export function seesAll(principal: Principal): boolean {
  return principal.scopes.has('admin') || isService(principal);
}
