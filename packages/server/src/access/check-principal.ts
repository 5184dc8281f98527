import { isObject } from '@holdfast/protocol';
import { faultInRules } from './path-rules.ts';
import { type Principal, scopes } from './principal.ts';
import { isRates } from './rate-limits.ts';

const known: ReadonlySet<unknown> = new Set(scopes);

/** What is wrong with what an authenticator returned, in words; null if it is a principal. It is code of others. */
export function faultInPrincipal(value: unknown): string | null {
  if (!isObject(value)) return 'a principal must be an object, or null.';
  for (const [field, isGood, wanted] of fields) {
    if (!isGood(value[field])) return `${field} must be ${wanted}.`;
  }
  const rules = value['pathRules'] ?? null;
  return rules === null ? null : faultInRules(rules);
}

type Field = readonly [keyof Principal, (value: unknown) => boolean, wanted: string];

const fields: readonly Field[] = [
  ['subject', isTextOrNull, 'a string or null'],
  ['orgs', isTexts, 'a list of strings'],
  ['scopes', isScopes, `a list or Set of some of these: ${scopes.join(', ')}`],
  ['storeAccess', isStoreAccess, "{mode: 'all'} or {mode: 'selected', storeIds}"],
  ['expiresAt', isInstantOrNull, 'milliseconds since 1970, or null'],
  ['tokenId', isTextOrNull, 'a string or null'],
  ['presence', isFlagOrNone, 'true or false'],
  ['claims', isClaimsOrNone, 'an object of JSON'],
  ['limits', isRatesOrNone, 'rates that are positive integers'],
];

function isTextOrNull(value: unknown): boolean {
  return value === null || typeof value === 'string';
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function isScopes(value: unknown): boolean {
  return value instanceof Set && [...value].every((each) => known.has(each));
}

function isStoreAccess(value: unknown): boolean {
  if (!isObject(value)) return false;
  return value['mode'] === 'all' || (value['mode'] === 'selected' && isTexts(value['storeIds']));
}

function isInstantOrNull(value: unknown): boolean {
  return value === null || (typeof value === 'number' && Number.isFinite(value));
}

function isRatesOrNone(value: unknown): boolean {
  return value === undefined || isRates(value);
}

function isClaimsOrNone(value: unknown): boolean {
  return value === undefined || isObject(value);
}

function isFlagOrNone(value: unknown): boolean {
  return value === undefined || typeof value === 'boolean';
}
