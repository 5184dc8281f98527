import { randomBytes } from 'node:crypto';
import { type EpochMs, type Refusal, refuse } from '@holdfast/protocol';

import type { StoreRow } from '../storage/port.ts';
import { asOfNow } from './as-of-now.ts';
import { canonicalText } from './canonical.ts';
import { principalOf } from './given-principal.ts';
import { sameRules } from './path-rules.ts';
import type { Authenticate, Credentials, Principal, Scope, StoreAccess } from './principal.ts';
import { redact } from './redact.ts';
import type { TokenAuthority } from './tokens.ts';

/** What {@link Access} is made of. */
export type AccessConfig = {
  /** The user's own authenticator; it is asked first. */
  readonly authenticate?: Authenticate;
  readonly tokens: Pick<TokenAuthority, 'authenticate'>;
  readonly now: () => EpochMs;
  /** Hears who somebody is, each time that it is asked. */
  readonly heard?: (principal: Principal) => void;
};

/** The server's one authenticator (stores.md §11.1.1): the user's own, then the tokens issued here. */
export class Access {
  readonly #config: AccessConfig;
  /** Looks that began in this turn. */
  readonly #looks = new Map<string, Promise<Principal | null>>();
  readonly #keys = new WeakMap<Credentials, string>();
  /** Who was let in by code of this process, by the token of the visit. */
  readonly #visitors = new Map<string, Principal>();

  constructor(config: AccessConfig) {
    this.#config = config;
  }

  /** Who this is; null if nobody known, or no longer. Rejects only if an authenticator fails. */
  async authenticate(credentials: Credentials): Promise<Principal | null> {
    const { tokens, now, heard } = this.#config;
    const principal =
      this.#visitors.get(credentials.token ?? '') ??
      (await this.#ask(credentials)) ??
      (await tokens.authenticate(credentials));
    if (principal === null || hasExpired(principal, now())) return null;
    heard?.(principal);
    return principal;
  }

  /** Lets a principal in that code of this process has authenticated: with a token of its own, until that is ended. */
  vouchFor(principal: Principal): { readonly token: string; end(): void } {
    const token = randomBytes(32).toString('base64url');
    this.#visitors.set(token, principal);
    return { token, end: () => void this.#visitors.delete(token) };
  }

  async #ask(credentials: Credentials): Promise<Principal | null> {
    try {
      const given = (await this.#config.authenticate?.(credentials)) ?? null;
      return given === null
        ? null
        : asOfNow(principalOf(given, "The authenticator's answer is no principal:"));
    } catch (error) {
      throw withoutToken(error, credentials.token);
    }
  }

  /**
   * Whether open sockets of these credentials go on (stores.md §11.3). `changed`: other grants than before, which
   * a later expiry alone is not. `looks`: those that are new enough for whoever asks, by default those of this turn.
   */
  async recheck(
    credentials: Credentials,
    principal: Principal,
    looks?: Map<string, Promise<Principal | null>>,
  ): Promise<'valid' | 'invalid' | 'changed'> {
    const fresh = await this.#look(credentials, looks ?? this.#looksOfTurn());
    if (fresh === null) return 'invalid';
    return sameGrants(fresh, principal) ? 'valid' : 'changed';
  }

  /** Whether these credentials, which may have been renewed, still grant the same rights. Rejects only if an authenticator fails. */
  async grantsStill(credentials: Credentials, principal: Principal): Promise<boolean> {
    const fresh = await this.#look(credentials, this.#looksOfTurn());
    return fresh !== null && sameRights(fresh, principal);
  }

  #looksOfTurn(): Map<string, Promise<Principal | null>> {
    if (this.#looks.size === 0) queueMicrotask(() => this.#looks.clear());
    return this.#looks;
  }

  /** A look at who this is now, for all who ask alike. */
  #look(
    credentials: Credentials,
    looks: Map<string, Promise<Principal | null>>,
  ): Promise<Principal | null> {
    const key = this.#keyOf(credentials);
    const begun = looks.get(key);
    if (begun !== undefined) return begun;
    const look = this.authenticate(credentials);
    looks.set(key, look);
    return look;
  }

  /** Credentials of equal keys are answered alike: issued tokens go by nothing but themselves. */
  #keyOf(credentials: Credentials): string {
    if (this.#config.authenticate === undefined) return credentials.token ?? '';
    let key = this.#keys.get(credentials);
    if (key === undefined) {
      key = keyOf(credentials);
      this.#keys.set(credentials, key);
    }
    return key;
  }
}

const describesConnection =
  /^(?:sec-websocket-.*|connection|upgrade|host|origin|user-agent|accept.*|cache-control|pragma)$/;
const describesDevice: ReadonlySet<string> = new Set(['device_id', 'capver', 'vsn', 'node']);

/** All that an authenticator may go by, but for what tells one socket of the same user from another. */
function keyOf({ token, params, headers }: Credentials): string {
  const query = [...params].filter(([name]) => !describesDevice.has(name));
  const said = Object.entries(headers).filter(([name]) => !describesConnection.test(name));
  return JSON.stringify([token, query, said]);
}

/** What is known of a failure, without the token: it ends up in logs (stores.md §7.1.3). */
function withoutToken(failure: unknown, token: string | null): Error {
  const { message, stack = message } =
    failure instanceof Error ? failure : new Error(String(failure));
  const error = new Error(conceal(message, token));
  error.stack = conceal(stack, token);
  return error;
}

const words = /[\p{L}\p{N}]+/gu;
/** Such as a name in development: as a part of other words it tells nobody anything, and they would be torn. */
const shortWord = /^[\p{L}\p{N}]{1,7}$/u;

function conceal(text: string, token: string | null): string {
  let rest = redact(text);
  for (const secret of [token ?? '', encodeURIComponent(token ?? '')]) {
    if (secret === '') continue;
    rest = shortWord.test(secret)
      ? rest.replace(words, (word) => (word === secret ? '[redacted]' : word))
      : rest.replaceAll(secret, '[redacted]');
  }
  return rest;
}

function hasExpired({ expiresAt }: Principal, now: EpochMs): boolean {
  return expiresAt !== null && expiresAt <= now;
}

/** Whether two principals may do the same, by the same token; a later expiry alone changes nothing. */
export function sameGrants(a: Principal, b: Principal): boolean {
  return a.tokenId === b.tokenId && sameRights(a, b);
}

/** The same, also by a renewed token. Whoever comes by none that was issued is another: rules of records are for them. */
export function sameRights(a: Principal, b: Principal): boolean {
  return (
    isSamePerson(a, b) &&
    a.presence === b.presence &&
    sameRules(a.pathRules ?? null, b.pathRules ?? null) &&
    sameMembers(new Set(a.orgs), new Set(b.orgs)) &&
    sameMembers(a.scopes, b.scopes) &&
    a.storeAccess.mode === b.storeAccess.mode &&
    sameMembers(new Set(storeIdsOf(a.storeAccess)), new Set(storeIdsOf(b.storeAccess)))
  );
}

function isSamePerson(a: Principal, b: Principal): boolean {
  const isAlike = a.subject === b.subject && (a.tokenId === null) === (b.tokenId === null);
  return isAlike && membersAdded(a) === membersAdded(b);
}

/** What grants are compared by member by member, and what grants nothing. */
const known: ReadonlySet<string> = new Set([
  'subject',
  'tokenId',
  'presence',
  'pathRules',
  'orgs',
  'scopes',
  'storeAccess',
  'expiresAt',
  'limits',
]);

/** Claims, and what an application's authenticator says besides: rules may ask for any of it. A function says nothing. */
function membersAdded(principal: Principal): string {
  const added = Object.entries(principal).filter(([name]) => !known.has(name));
  return canonicalText(Object.fromEntries(added), () => '');
}

function sameMembers<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  return a.size === b.size && [...a].every((member) => b.has(member));
}

/** The explicit store ids; none for `all` (stores.md §7.4.4). */
export function storeIdsOf(access: StoreAccess): readonly string[] {
  return access.mode === 'all' ? [] : access.storeIds;
}

/** Whether the store exists for this principal; another org's is like an unknown one (stores.md §11.1.5). */
export function seesStore(principal: Principal, store: Pick<StoreRow, 'name'>): boolean {
  return principal.orgs.includes(orgOf(store.name));
}

/** Whether the principal may use the store: its org, and `all` or explicitly selected (stores.md §11.1.5). */
export function mayUseStore(principal: Principal, store: Pick<StoreRow, 'id' | 'name'>): boolean {
  const { storeAccess } = principal;
  return (
    seesStore(principal, store) &&
    (storeAccess.mode === 'all' || storeAccess.storeIds.includes(store.id))
  );
}

/** Why the principal may not do what needs this scope; null if it may. */
export function refuseScope(principal: Principal, scope: Scope): Refusal | null {
  if (principal.scopes.has(scope)) return null;
  return refuse('missing_scope', { scope, message: `This needs the scope ${scope}.` });
}

/** The org of `org/name`. */
export function orgOf(name: string): string {
  return name.slice(0, name.indexOf('/'));
}
