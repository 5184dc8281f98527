import type { Caller } from '@holdfast/engine/data';
import type { Principal } from './principal.ts';

/** Who asks, as the rules of records see it. Issued tokens without path rules are services of the operator (records.md §12). */
export function callerOf(principal: Principal): Caller {
  const { subject, tokenId, pathRules = null } = principal;
  return { principal: { ...principal, subject }, isExempt: tokenId !== null && pathRules === null };
}
