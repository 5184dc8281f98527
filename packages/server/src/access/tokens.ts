import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';

import type { EpochMs } from '@holdfast/protocol';

import type { Storage, TokenRow } from '../storage/port.ts';
import { isRules, type PathRule } from './path-rules.ts';
import {
  type Credentials,
  type Principal,
  type Scope,
  scopes,
  type StoreAccess,
} from './principal.ts';
import { isRates, type RateLimits } from './rate-limits.ts';

/** A token to be. Whether its creator may give so much away is judged before (see `refuseDelegation`). */
export type TokenRequest = {
  /** For people; need not be unique. */
  readonly name: string;
  /** The one org whose stores it is for. */
  readonly org: string;
  readonly scopes: readonly Scope[];
  readonly storeAccess: StoreAccess;
  /** Milliseconds since 1970; null: never. */
  readonly expiresAt: EpochMs | null;
  /** The subject of the creator; null for the operator. */
  readonly createdBy: string | null;
  /** Default: none, so that nothing is hidden. */
  readonly pathRules?: readonly PathRule[] | null;
  /** Whether it may take part in presence (stores.md §10.8.1). Default: yes, unless it has path rules. */
  readonly presence?: boolean | null;
  /** Rates of its own (stores.md §12.1.2). Default: the server's. */
  readonly limits?: Partial<RateLimits> | null;
};

/** A new token: the only time that the token itself is known (stores.md §11.1.2). */
export type IssuedToken = { readonly row: TokenRow; readonly rawToken: string };

/** Tells the operator of something that failed and that nobody waits for. */
type Report = (what: string, error: unknown) => void;

const shape = /^hf_tok_[A-Za-z0-9_-]{43}$/;

/** Issues tokens, knows them again, and takes them back (stores.md §11.1.2). */
export class TokenAuthority {
  readonly #tokens: Storage['tokens'];
  readonly #clock: { now(): EpochMs };
  readonly #report: Report;

  constructor(
    storage: Pick<Storage, 'tokens'>,
    clock: { now(): EpochMs },
    report: Report = () => undefined,
  ) {
    this.#tokens = storage.tokens;
    this.#clock = clock;
    this.#report = report;
  }

  async issue(request: TokenRequest): Promise<IssuedToken> {
    const rawToken = `hf_tok_${randomBytes(32).toString('base64url')}`;
    const row: TokenRow = {
      id: randomUUID(),
      hash: digest(rawToken).toString('hex'),
      last4: rawToken.slice(-4),
      name: request.name,
      org: request.org,
      creator: request.createdBy,
      scopes: request.scopes.toSorted(),
      storeAccess: request.storeAccess,
      pathRules: request.pathRules ?? null,
      presence: request.presence ?? null,
      limits: request.limits ?? null,
      insertedAt: this.#clock.now(),
      expiresAt: request.expiresAt,
      revokedAt: null,
      lastUsedAt: null,
    };
    if (!(await this.#tokens.create(row))) throw new Error('A drawn token id exists already.');
    return { row, rawToken };
  }

  /** The principal of an issued token; null for any other, and for those revoked or expired. */
  async authenticate({ token }: Pick<Credentials, 'token'>): Promise<Principal | null> {
    if (token === null || !shape.test(token)) return null;
    const hash = digest(token);
    const row = await this.#tokens.find(hash.toString('hex'));
    if (row === null || !timingSafeEqual(hash, Buffer.from(row.hash, 'hex'))) return null;
    const now = this.#clock.now();
    if (!isLive(row, now)) return null;
    await this.#touch(row.id, now);
    return principalOf(row);
  }

  /** A disk that takes no more notes must not lock out those whose tokens it still knows. */
  async #touch(id: string, now: EpochMs): Promise<void> {
    try {
      await this.#tokens.touch(id, now);
    } catch (error) {
      this.#report('the use of a token was not noted', error);
    }
  }

  /** The tokens of an org that are not revoked, oldest first. */
  async list(org: string): Promise<readonly TokenRow[]> {
    const rows = await this.#tokens.list(org);
    return rows.filter((row) => row.revokedAt === null);
  }

  /** The token of this id; null if there is none, or it is revoked. */
  async get(id: string): Promise<TokenRow | null> {
    const row = await this.#tokens.get(id);
    return row?.revokedAt === null ? row : null;
  }

  /** From now on nobody gets in with it. False if there is no such token. */
  async revoke(id: string): Promise<boolean> {
    return this.#tokens.revoke(id, this.#clock.now());
  }
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** A row with rules or rates that this version cannot read stays shut: a principal without rules would see what they hide. */
function isLive(row: TokenRow, now: EpochMs): boolean {
  const expired = row.expiresAt !== null && row.expiresAt <= now;
  const { pathRules, limits } = row;
  const isKnown =
    (pathRules === null || isRules(pathRules)) && (limits === null || isRates(limits));
  return row.revokedAt === null && !expired && isKnown;
}

function principalOf(row: TokenRow): Principal {
  return {
    subject: `token:${row.id}`,
    orgs: [row.org],
    scopes: new Set(scopes.filter((scope) => row.scopes.includes(scope))),
    storeAccess: row.storeAccess,
    expiresAt: row.expiresAt,
    tokenId: row.id,
    ...(isRules(row.pathRules) && { pathRules: row.pathRules }),
    ...(row.presence !== null && { presence: row.presence }),
    ...(isRates(row.limits) && { limits: row.limits }),
  };
}
