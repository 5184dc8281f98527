import type { EpochMs, Json } from '@holdfast/protocol';

import type { PathRule } from './path-rules.ts';
import type { RateLimits } from './rate-limits.ts';

/** Every scope there is (stores.md §11.1.3), sorted. */
export const scopes = [
  'admin',
  'audit:read',
  'entries:read',
  'entries:write',
  'files:read',
  'files:write',
  'stores:clone',
  'stores:create',
  'stores:delete',
  'stores:read',
  'tokens:read',
  'tokens:write',
  'webhooks:read',
  'webhooks:write',
] as const;

/** A name of {@link scopes}. */
export type Scope = (typeof scopes)[number];

/** Which stores of its orgs a principal may use (stores.md §11.1.5). */
export type StoreAccess =
  | { readonly mode: 'all' }
  /** By their ids, as `server.stores.find` tells them: names open nothing. */
  | { readonly mode: 'selected'; readonly storeIds: readonly string[] };

/** Who speaks: what an authenticator makes of a token (stores.md §11.1.1). */
export type Principal = {
  /** Names the user or token, the same at every check; null: anonymous. */
  readonly subject: string | null;
  /** The orgs whose stores exist for it. */
  readonly orgs: readonly string[];
  readonly scopes: ReadonlySet<Scope>;
  readonly storeAccess: StoreAccess;
  /** Milliseconds since 1970, from when on it counts as unknown; null: never. */
  readonly expiresAt: EpochMs | null;
  /** The id of an issued token; null for principals of other sources. */
  readonly tokenId: string | null;
  /** What it may read and write of its stores (stores.md §11.2); null or absent: everything, `[]`: nothing. */
  readonly pathRules?: readonly PathRule[] | null;
  /** Whether it may take part in presence (stores.md §10.8.1); absent: yes, unless it has path rules. */
  readonly presence?: boolean;
  /** What else the rules of records may ask of it; where it changes, its sockets have to reconnect (records.md §17). */
  readonly claims?: { readonly [name: string]: Json };
  /** Rates of its own instead of the server's (stores.md §12.1.2). */
  readonly limits?: Partial<RateLimits>;
};

/**
 * A principal as code writes it: what is left out grants nothing, or narrows nothing of what is granted. `{ subject: 'ada' }`
 * may use the app's views, and no store by itself; `orgs` and `scopes` together open the stores of those orgs.
 */
export type GivenPrincipal = Pick<Principal, 'subject'> & {
  /** Default: none. */
  readonly orgs?: readonly string[];
  /** Default: none. */
  readonly scopes?: ReadonlySet<Scope> | readonly Scope[];
  /** Default: all stores of its orgs. */
  readonly storeAccess?: StoreAccess;
  /** Default: never, while the authenticator answers so. */
  readonly expiresAt?: EpochMs | null;
  readonly tokenId?: string | null;
} & Omit<Principal, 'subject' | 'orgs' | 'scopes' | 'storeAccess' | 'expiresAt' | 'tokenId'>;

/** Such a principal with what an application adds for its rules and views, such as a role. */
export type AddedPrincipal =
  | GivenPrincipal
  | (GivenPrincipal & { readonly [added: string]: unknown });

/** What an authenticator sees of a connection or request. The token is a secret: never log it. */
export type Credentials = {
  /** Of the `token` query parameter of an upgrade, or the `Authorization: Bearer` header; null: none was given. */
  readonly token: string | null;
  /** The query of the request. */
  readonly params: URLSearchParams;
  /** By lower-case name. */
  readonly headers: { readonly [name: string]: string | undefined };
};

/**
 * Maps credentials to a principal, or refuses with null. It is asked again while sockets are open (stores.md §11.3), once
 * for all whose credentials differ in nothing but `device_id`, `capver`, `vsn`, `node` and what describes the connection. If it
 * rejects, or returns anything else, nobody gets in, and open sockets have to reconnect; its error is logged without the
 * token. What it adds to a principal of its own is for rules to ask, and counts as a grant: where it is another than
 * before, sockets have to reconnect, so it must not say what differs each time, such as the hour. Functions, and objects of
 * classes that show nothing, are not compared.
 */
export type Authenticate = (credentials: Credentials) => Answer | Promise<Answer>;

type Answer = AddedPrincipal | null;

/** Names whoever a limit counts for: the token where it is an issued one, else the subject. */
export function ownerOf({ tokenId, subject }: Pick<Principal, 'tokenId' | 'subject'>): string {
  return tokenId ?? `subject ${subject ?? ''}`;
}
