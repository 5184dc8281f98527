import { createHash } from 'node:crypto';
import type { EpochMs } from '@holdfast/protocol';
import {
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
} from 'jose';
import { KeySource } from './jwks.ts';
import { principalOf } from './given-principal.ts';
import type { Credentials, GivenPrincipal, Principal } from './principal.ts';

/** What the claims of a verified token say; read them as what strangers may have written into their profile. */
export type JwtClaims = JWTPayload;

/** What a token's claims entitle to. Its subject is `sub`, and its expiry `exp`, unless it ends earlier. */
export type JwtPrincipal = Omit<GivenPrincipal, 'subject' | 'tokenId'> & {
  /** Default: the claim `sub`. */
  readonly subject?: string | null;
};

/** Whose tokens are taken, and what they stand for. */
export type JwtOptions = {
  /** The address of the provider's key set, `https` or on this machine; or the public keys themselves. */
  readonly jwks: string | URL | JSONWebKeySet;
  readonly issuer: string | readonly string[];
  /** One of these must be among the token's audiences: a token for somebody else is none for us. */
  readonly audience: string | readonly string[];
  /** Null refuses. Asked again at most `cacheMs` after its last answer, so it may look up who was locked out. */
  readonly principal: (claims: JwtClaims) => JwtPrincipal | null | Promise<JwtPrincipal | null>;
  /** Signatures that count. Default: those with public keys that are in use; `none` and shared secrets never do. */
  readonly algorithms?: readonly string[];
  /** The header `typ` that a token must have, such as `at+jwt`. Default: any. */
  readonly typ?: string;
  /** How far the clocks of provider and server may be apart; default 5000, at most 60,000. */
  readonly clockSkewMs?: number;
  /** How long a verified token is not looked at again; default 1000, at most 2500 (stores.md §11.3). */
  readonly cacheMs?: number;
  /** Between two fetches for a key that nobody knows; default 30,000. */
  readonly cooldownMs?: number;
  /** Keys that could not be fetched again for so long count no more; default 600,000. */
  readonly keysMaxAgeMs?: number;
  /** For tests. Default: the system's. */
  readonly clock?: { now(): number; wall(): EpochMs };
};

const publicKeyAlgorithms = [
  'EdDSA',
  'Ed25519',
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
];
/** No header of a request is longer; what is, is not worth a digest. */
const TOKEN_CHARACTERS_MAX = 16_384;
const CACHED_MAX = 10_000;
const compact = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** What the claims stand for; the principal lacks what the verified token itself says. */
type Mapped = { readonly principal: Principal; readonly at: number };

/**
 * An `authenticate` for `createServer` that takes JSON Web Tokens of one provider (stores.md §11.1.1). Text that is no such
 * token, or none that counts, is refused with null, so that issued tokens go on to work beside it; where keys cannot be had
 * it rejects, and nobody gets in. Throws `TypeError` for options that would let in what they should not.
 */
export function jwt(options: JwtOptions): (credentials: Credentials) => Promise<Principal | null> {
  const verifier = new Verifier(options);
  return async ({ token }) => (token === null ? null : verifier.authenticate(token));
}

class Verifier {
  readonly #options: JwtOptions;
  readonly #clock: { now(): number; wall(): EpochMs };
  readonly #keyFor: JWTVerifyGetKey;
  readonly #rules: JWTVerifyOptions;
  readonly #skewMs: number;
  readonly #cacheMs: number;
  /** By digest, oldest first: tokens themselves are not kept. */
  readonly #known = new Map<string, Mapped>();

  constructor(options: JwtOptions) {
    this.#options = options;
    this.#clock = options.clock ?? { now: () => performance.now(), wall: Date.now };
    this.#skewMs = within(options.clockSkewMs ?? 5000, 60_000, 'clockSkewMs');
    this.#cacheMs = within(options.cacheMs ?? 1000, 2500, 'cacheMs');
    this.#keyFor = this.#keysOf(options);
    this.#rules = {
      algorithms: algorithmsOf(options),
      issuer: namesOf(options.issuer, 'issuer'),
      audience: namesOf(options.audience, 'audience'),
      requiredClaims: ['exp', 'sub'],
      clockTolerance: this.#skewMs / 1000,
      ...(options.typ !== undefined && { typ: options.typ }),
    };
  }

  async authenticate(token: string): Promise<Principal | null> {
    if (token.length > TOKEN_CHARACTERS_MAX || !compact.test(token)) return null;
    const digest = createHash('sha256').update(token).digest('base64');
    const known = this.#known.get(digest);
    if (known !== undefined && this.#clock.now() - known.at < this.#cacheMs) {
      return known.principal;
    }
    this.#known.delete(digest);
    // Counted from before the claims are looked at: what changes meanwhile is seen that much earlier.
    const at = this.#clock.now();
    const claims = await this.#verify(token);
    const principal = claims === null ? null : await this.#principalOf(claims);
    if (principal !== null) this.#keep(digest, { principal, at });
    return principal;
  }

  /** The claims; null if the token does not count. Rejects only if that cannot be known. */
  async #verify(token: string): Promise<JwtClaims | null> {
    const currentDate = new Date(this.#clock.wall());
    try {
      return (await jwtVerify(token, this.#keyFor, { ...this.#rules, currentDate })).payload;
    } catch (error) {
      if (error instanceof errors.JOSEError) return null;
      throw error;
    }
  }

  async #principalOf(claims: JwtClaims): Promise<Principal | null> {
    const { exp = 0, sub = null } = claims;
    const mapped = await this.#options.principal(claims);
    if (mapped === null) return null;
    const ends = exp * 1000 + this.#skewMs;
    const expiresAt = Math.min(mapped.expiresAt ?? ends, ends);
    const whole = { subject: sub, ...mapped, expiresAt, tokenId: null };
    return principalOf(whole, 'jwt: what `principal` gave is none:');
  }

  #keep(digest: string, mapped: Mapped): void {
    const [oldest] = this.#known.keys();
    if (this.#known.size >= CACHED_MAX && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(digest, mapped);
  }

  #keysOf({ jwks, cooldownMs = 30_000, keysMaxAgeMs = 600_000 }: JwtOptions): JWTVerifyGetKey {
    if (typeof jwks !== 'string' && !(jwks instanceof URL)) return createLocalJWKSet(jwks);
    const source = new KeySource({
      url: safeUrl(jwks),
      cooldownMs: within(cooldownMs, Infinity, 'cooldownMs'),
      maxAgeMs: within(keysMaxAgeMs, Infinity, 'keysMaxAgeMs'),
      clock: this.#clock,
    });
    return (header, input) => source.find(header, input);
  }
}

/** Who can change the keys on their way can be anybody. */
function safeUrl(address: string | URL): URL {
  const url = new URL(address);
  const isLocal = /^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(url.hostname);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLocal)) return url;
  throw new TypeError('jwt: the keys must come by https, or from this machine.');
}

function algorithmsOf({ algorithms = publicKeyAlgorithms }: JwtOptions): string[] {
  const strange = algorithms.filter((each) => !publicKeyAlgorithms.includes(each));
  if (strange.length === 0 && algorithms.length > 0) return [...algorithms];
  throw new TypeError(`jwt: algorithms must be of ${publicKeyAlgorithms.join(', ')}.`);
}

/** An empty list would let in every issuer, or every audience. */
function namesOf(given: string | readonly string[], option: string): string[] {
  const names = typeof given === 'string' ? [given] : given;
  const isGood = Array.isArray(names) && names.length > 0 && names.every((name) => name !== '');
  if (isGood) return [...names];
  throw new TypeError(`jwt: ${option} must be given.`);
}

function within(ms: number, most: number, option: string): number {
  if (ms >= 0 && ms <= most) return ms;
  throw new TypeError(`jwt: ${option} must be from 0 to ${most}.`);
}
