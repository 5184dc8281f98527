export { type AdminToken, withAdmin } from './admin.ts';
export { canonicalText } from './canonical.ts';
export { isDeviceId } from './device.ts';
export {
  Access,
  type AccessConfig,
  mayUseStore,
  orgOf,
  refuseScope,
  sameGrants,
  sameRights,
  seesStore,
  storeIdsOf,
} from './access.ts';
export { type Act, AuditLog } from './audit.ts';
export { principalOf } from './given-principal.ts';
export { callerOf, fullPrincipal, rightsFor, rightsOf, seesAll, type Viewer } from './caller.ts';
export { faultInPrincipal } from './check-principal.ts';
export { cookieOf } from './cookies.ts';
export {
  type Grants,
  handedOn,
  isScope,
  legacyScopes,
  outlives,
  refuseDelegation,
  seesToken,
} from './delegation.ts';
export { explain, readAsked } from './explain.ts';
export { allowsOrigin, browserOrigin, isListed, type OriginHeaders } from './origin.ts';
export { faultInRules, grantsOf, grantsUnder, isRules, type PathRule } from './path-rules.ts';
export {
  type Authenticate,
  type Credentials,
  type AddedPrincipal,
  type GivenPrincipal,
  ownerOf,
  type Principal,
  type Scope,
  scopes,
  type StoreAccess,
} from './principal.ts';
export { type RateLimits, ratesOf } from './rate-limits.ts';
export { digestOf, rightsName, scopeHash, sourcesOf } from './scope-name.ts';
export { Signer } from './signer.ts';
export type { Look } from './looks.ts';
export { type Charge, Rates, type RateStanding } from './rates.ts';
export { redact, redactedLog } from './redact.ts';
export { type IssuedToken, TokenAuthority, type TokenRequest } from './tokens.ts';
