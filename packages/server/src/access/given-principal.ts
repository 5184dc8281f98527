import { isObject } from '@holdfast/protocol';
import { faultInPrincipal } from './check-principal.ts';
import type { Principal } from './principal.ts';

const defaults: Omit<Principal, 'subject'> = {
  orgs: [],
  scopes: new Set(),
  storeAccess: { mode: 'all' },
  expiresAt: null,
  tokenId: null,
};

/**
 * The principal that code has given, with what it left out. One that is whole stays the same object, and one of a class
 * stays of that class. Throws a `TypeError` that begins with `what` for anything else: it is code of others.
 */
export function principalOf(given: unknown, what: string): Principal {
  const whole = isObject(given) ? fill(given) : given;
  const fault = faultInPrincipal(whole);
  if (fault !== null) throw new TypeError(`${what} ${fault}`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- there is no fault in it
  return whole as Principal;
}

function fill(given: { readonly [name: string]: unknown }): object {
  const { scopes, expiresAt } = given;
  const isWhole = Object.keys(defaults).every((name) => name in given);
  const end = typeof expiresAt === 'number' ? countable(expiresAt) : expiresAt;
  if (isWhole && !Array.isArray(scopes) && end === expiresAt) return given;
  const missing = Object.entries(defaults).filter(([name]) => !(name in given));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as empty as it is made
  const made = Object.create(Object.getPrototypeOf(given)) as object;
  return Object.assign(made, Object.fromEntries(missing), given, {
    ...(Array.isArray(scopes) && { scopes: new Set<unknown>(scopes) }),
    ...(end !== expiresAt && { expiresAt: end }),
  });
}

/** Clients are told whole milliseconds: a token may end at a part of a second (RFC 7519), or never in a lifetime. */
function countable(at: number): number {
  return Number.isFinite(at) ? Math.min(Math.floor(at), Number.MAX_SAFE_INTEGER) : at;
}
