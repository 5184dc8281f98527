import {
  createLocalJWKSet,
  type CryptoKey,
  errors,
  type FlattenedJWSInput,
  type JSONWebKeySet,
  type JWSHeaderParameters,
} from 'jose';

/** What of time the keys go by. */
export type KeyClock = {
  /** Monotonic milliseconds. */
  now(): number;
};

/** Where keys come from, and how long they count. */
export type KeyTerms = {
  readonly url: URL;
  /** Between two looks for a key that the set does not have. */
  readonly cooldownMs: number;
  /** Keys that were not fetched again for so long count no more. */
  readonly maxAgeMs: number;
  readonly clock: KeyClock;
};

type Find = (header: JWSHeaderParameters, token: FlattenedJWSInput) => Promise<CryptoKey>;

const TIMEOUT_MS = 3000;
/** After a fetch that failed nobody waits for another one before this. */
const RETRY_MS = 1000;
const BYTES_MAX = 1024 * 1024;

/**
 * The keys that a provider publishes, fetched when they are first asked for, again when they are half as old as they may
 * get, and again, not more often than the cool-down says, for a key that is not among them: so new keys are known at once,
 * and who invents key ids causes no traffic.
 *
 * One fetch at a time; who needs keys while there are none waits for it, and is refused if it fails.
 */
export class KeySource {
  readonly #terms: KeyTerms;
  #find: Find | null = null;
  #fetchedAt = -Infinity;
  #triedAt = -Infinity;
  #failure: Error | null = null;
  #fetching: Promise<void> | null = null;

  constructor(terms: KeyTerms) {
    this.#terms = terms;
  }

  /** The key for a token; rejects with an error of jose if there is none, with another if the keys cannot be had. */
  async find(header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
    const { maxAgeMs, cooldownMs } = this.#terms;
    const age = this.#since(this.#fetchedAt);
    if (age >= maxAgeMs) await this.#fetch();
    else if (age >= maxAgeMs / 2) this.#renew();
    try {
      return await this.#lookUp(header, token);
    } catch (error) {
      const isNew = error instanceof errors.JWKSNoMatchingKey;
      if (!isNew || this.#since(this.#triedAt) < cooldownMs) throw error;
      await this.#fetch();
      return this.#lookUp(header, token);
    }
  }

  #lookUp(header: JWSHeaderParameters, token: FlattenedJWSInput): Promise<CryptoKey> {
    if (this.#find === null) throw new Error('There are no keys.');
    return this.#find(header, token);
  }

  /** The old keys count meanwhile; a failure is told once they have become too old. */
  #renew(): void {
    if (this.#since(this.#triedAt) >= RETRY_MS) this.#fetch().catch(() => undefined);
  }

  #fetch(): Promise<void> {
    if (this.#fetching !== null) return this.#fetching;
    if (this.#failure !== null && this.#since(this.#triedAt) < RETRY_MS) {
      return Promise.reject(this.#failure);
    }
    this.#triedAt = this.#terms.clock.now();
    this.#fetching = this.#read().finally(() => (this.#fetching = null));
    return this.#fetching;
  }

  async #read(): Promise<void> {
    try {
      this.#find = createLocalJWKSet(await fetchKeys(this.#terms.url));
      this.#fetchedAt = this.#terms.clock.now();
      this.#failure = null;
    } catch (error) {
      // What jose finds wrong with the set is no fault of the token.
      this.#failure = new Error(`The keys at ${this.#terms.url.origin} cannot be had.`, {
        cause: error,
      });
      throw this.#failure;
    }
  }

  #since(instant: number): number {
    return this.#terms.clock.now() - instant;
  }
}

async function fetchKeys(url: URL): Promise<JSONWebKeySet> {
  const response = await fetch(url, {
    redirect: 'error',
    headers: { accept: 'application/json, application/jwk-set+json' },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status !== 200) throw new Error(`The answer was ${response.status}.`);
  return JSON.parse(await readText(response));
}

async function readText({ body }: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body ?? []) {
    size += piece.byteLength;
    if (size > BYTES_MAX) throw new Error(`The answer has more than ${BYTES_MAX} bytes.`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}
