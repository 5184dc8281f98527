import { type EpochMs, type Refusal, refuse } from '@holdfast/protocol';

import type { TokenRow } from '../storage/port.ts';
import { refuseScope } from './access.ts';
import { coversRules, isRules, type PathRule } from './path-rules.ts';
import { type Principal, type Scope, scopes, type StoreAccess } from './principal.ts';
import type { TokenRequest } from './tokens.ts';

/** What a new token is to be able to do. */
export type Grants = {
  readonly scopes: readonly Scope[];
  readonly storeAccess: StoreAccess;
  readonly expiresAt: EpochMs | null;
  readonly pathRules: readonly PathRule[] | null;
};

/** Why a bearer may not hand out these grants: nobody gives what it does not have (stores.md §11.1.6). */
export function refuseDelegation(bearer: Principal, grants: Grants): Refusal | null {
  for (const scope of grants.scopes) {
    const missing = refuseScope(bearer, scope);
    if (missing !== null) return missing;
  }
  if (!coversStores(bearer.storeAccess, grants.storeAccess)) {
    return refuse('store_not_allowed', { message: 'This token may not use all of these stores.' });
  }
  if (!coversRules(bearer.pathRules ?? null, grants.pathRules)) {
    const message = 'Each path rule must be contained in one of those of this token.';
    return refuse('path_not_allowed', { message });
  }
  return null;
}

/** Whether the new token would live longer than its bearer: that too is more than it has. */
export function outlives(bearer: Principal, { expiresAt }: Grants): boolean {
  return bearer.expiresAt !== null && (expiresAt === null || expiresAt > bearer.expiresAt);
}

/** What binds a bearer and is not asked for with a new token: what it makes does not take part where it may not, nor do more at once. */
export function handedOn({
  presence,
  limits,
}: Principal): Pick<TokenRequest, 'presence' | 'limits'> {
  return { presence: presence === false ? false : null, limits: limits ?? null };
}

/**
 * Whether the bearer may list and revoke this token: it lies within its own stores (stores.md §11.1.6), and within its
 * own path rules, for a token's rules name paths.
 */
export function seesToken(
  bearer: Principal,
  token: Pick<TokenRow, 'org' | 'storeAccess' | 'pathRules'>,
): boolean {
  return (
    bearer.orgs.includes(token.org) &&
    coversStores(bearer.storeAccess, token.storeAccess) &&
    seesRules(bearer, token.pathRules)
  );
}

function seesRules({ pathRules = null }: Principal, rules: TokenRow['pathRules']): boolean {
  return pathRules === null || (isRules(rules) && coversRules(pathRules, rules));
}

function coversStores(own: StoreAccess, other: StoreAccess): boolean {
  if (own.mode === 'all') return true;
  return other.mode === 'selected' && other.storeIds.every((id) => own.storeIds.includes(id));
}

const legacyRead: readonly Scope[] = [
  'audit:read',
  'entries:read',
  'files:read',
  'stores:read',
  'webhooks:read',
];
const legacyWrite: readonly Scope[] = [
  'entries:write',
  'files:write',
  'stores:clone',
  'tokens:read',
  'tokens:write',
  'webhooks:write',
];

/** The scopes that the flags of older clients stand for (stores.md §11.1.3). */
export function legacyScopes(flags: {
  readonly read: boolean;
  readonly write: boolean;
}): readonly Scope[] {
  return [...(flags.read ? legacyRead : []), ...(flags.write ? legacyWrite : [])].toSorted();
}

/** Whether the text is one of {@link scopes}. */
export function isScope(text: unknown): text is Scope {
  return scopes.some((scope) => scope === text);
}
