import { type Refusal, refuse } from '@holdfast/protocol';
import type { Principal } from './principal.ts';
import type { RateLimits } from './rate-limits.ts';

/** Where a bucket stands, as HTTP tells it. */
export type RateStanding = {
  readonly limit: number;
  readonly remaining: number;
  /** Milliseconds until the bucket is full again. */
  readonly resetMs: number;
};

/** A charge: whether it passes, and where its bucket stands now; null where nothing is limited. */
export type Charge = {
  readonly refusal: Refusal | null;
  readonly standing: RateStanding | null;
};

type Kind = 'write' | 'read' | 'join';

type Bucket = { tokens: number; at: number; readonly perMs: number; readonly burst: number };

const BUCKETS_MAX = 10_000;

/** A bucket of tokens per token, or per subject where there is none, over all surfaces (stores.md §12.2). */
export class Rates {
  readonly #limits: RateLimits | null;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  /** `limits` null: nothing is limited. `now`: monotonic milliseconds. */
  constructor(limits: RateLimits | null, now: () => number) {
    this.#limits = limits;
    this.#now = now;
  }

  /**
   * The verdict on a write that costs so many ops. It is asked for only of what is no repeat, and charged once however
   * often it is asked.
   */
  write(principal: Principal, cost: number): () => Refusal | null {
    let verdict: Refusal | null | undefined;
    return () => {
      if (verdict === undefined) verdict = this.#charge(principal, 'write', cost).refusal;
      return verdict;
    };
  }

  read(principal: Principal): Charge {
    return this.#charge(principal, 'read', 1);
  }

  join(principal: Principal): Refusal | null {
    return this.#charge(principal, 'join', 1).refusal;
  }

  /** Where the bucket of writes stands. */
  writes(principal: Principal): RateStanding | null {
    return this.#charge(principal, 'write', 0).standing;
  }

  #charge(principal: Principal, kind: Kind, cost: number): Charge {
    const bucket = this.#bucket(principal, kind);
    if (bucket === null) return { refusal: null, standing: null };
    const now = this.#now();
    bucket.tokens = Math.min(bucket.burst, bucket.tokens + (now - bucket.at) * bucket.perMs);
    bucket.at = now;
    // It would never pass, so it is not told to wait.
    const isTooMuch = cost > bucket.burst;
    const passes = !isTooMuch && bucket.tokens >= cost;
    if (passes) bucket.tokens -= cost;
    const standing = standingOf(bucket);
    if (passes) return { refusal: null, standing };
    const wait = Math.max(1, Math.ceil((cost - bucket.tokens) / bucket.perMs));
    const refusal = isTooMuch
      ? refuse('too_many_ops', { limit: bucket.burst })
      : refuse('rate_limited', { retry_after_ms: wait });
    return { refusal, standing };
  }

  #bucket(principal: Principal, kind: Kind): Bucket | null {
    if (this.#limits === null) return null;
    const key = `${kind} ${principal.tokenId ?? `subject ${principal.subject ?? ''}`}`;
    const known = this.#buckets.get(key);
    if (known !== undefined) return known;
    if (this.#buckets.size >= BUCKETS_MAX) this.#prune();
    const { perMinute, burst } = rateOf({ ...this.#limits, ...principal.limits }, kind);
    const bucket = { tokens: burst, at: this.#now(), perMs: perMinute / 60_000, burst };
    this.#buckets.set(key, bucket);
    return bucket;
  }

  /** A bucket that is full by now is as good as none. */
  #prune(): void {
    const now = this.#now();
    for (const [key, { tokens, at, perMs, burst }] of this.#buckets) {
      if (tokens + (now - at) * perMs >= burst) this.#buckets.delete(key);
    }
  }
}

function standingOf({ tokens, perMs, burst }: Bucket): RateStanding {
  return { limit: burst, remaining: Math.floor(tokens), resetMs: (burst - tokens) / perMs };
}

function rateOf(limits: RateLimits, kind: Kind): { perMinute: number; burst: number } {
  if (kind === 'write') return { perMinute: limits.writes_per_minute, burst: limits.write_burst };
  if (kind === 'read') return { perMinute: limits.reads_per_minute, burst: limits.read_burst };
  return { perMinute: limits.joins_per_minute, burst: limits.joins_per_minute };
}
