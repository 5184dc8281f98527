import type { Json } from '@holdfast/protocol';
import { isOfClass } from './canonical.ts';
import type { PathRule } from './path-rules.ts';
import type { Principal, StoreAccess } from './principal.ts';

/**
 * A principal as it is now: code may change in place what it has given, and give the same object again, which would be held
 * against itself. What is of a class may have more than is seen of it, and stays what it is; so does what an application adds.
 */
export function asOfNow(principal: Principal): Principal {
  if (isOfClass(principal)) return principal;
  const { orgs, scopes, storeAccess, pathRules, claims } = principal;
  return {
    ...principal,
    orgs: [...orgs],
    scopes: new Set(scopes),
    storeAccess: accessOf(storeAccess),
    ...(pathRules && { pathRules: pathRules.map(ruleOf) }),
    ...(claims && { claims: isOfClass(claims) ? claims : membersOf(claims, []) }),
  };
}

function ruleOf({ pattern, allow }: PathRule): PathRule {
  return { pattern, allow: [...allow] };
}

function accessOf(access: StoreAccess): StoreAccess {
  const { mode } = access;
  return mode === 'all' ? { mode } : { mode, storeIds: [...access.storeIds] };
}

type Members = { readonly [name: string]: Json };

function membersOf(of: Members, above: readonly object[]): Members {
  const inside = [...above, of];
  return Object.fromEntries(Object.entries(of).map(([name, each]) => [name, copied(each, inside)]));
}

/** It is code of others that has made it: what is no JSON stays as it is. */
function copied(value: Json, above: readonly object[]): Json {
  if (typeof value !== 'object' || value === null || above.includes(value)) return value;
  if (isList(value)) return value.map((each) => copied(each, [...above, value]));
  return isOfClass(value) ? value : membersOf(value, above);
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
