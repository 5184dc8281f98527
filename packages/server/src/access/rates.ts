import { type Refusal, refuse } from '@holdfast/protocol';
import { type Look, type LookPace, Looks } from './looks.ts';
import { ownerOf, type Principal } from './principal.ts';
import { defaultRates, type RateLimits } from './rate-limits.ts';

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

type Cost = { readonly cost: number; readonly wait?: ((ms: number) => void) | undefined };

type Bucket = {
  tokens: number;
  at: number;
  perMs: number;
  burst: number;
  /** Its rates are those that the authenticator told last: who was let in before may still bring others. */
  isTold: boolean;
};

const kinds: readonly Kind[] = ['write', 'read', 'join'];

const endless: LookPace = { perMs: 1, burstMs: Infinity };
const BUCKETS_MAX = 10_000;
/** So much of what is yet to come may be used by those who are kept waiting for it (stores.md §10.6)… */
const CREDIT_MS = 5000;
/** …unless a single write would have to wait for longer than this: then a refusal says more. */
const CREDIT_WRITE_MS = 500;

/** A bucket of tokens per token, or per subject where there is none, over all surfaces (stores.md §12.2). */
export class Rates {
  readonly #limits: RateLimits | null;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();
  readonly #looks: Looks;
  /** At how many buckets it is looked again for some that are full. */
  #pruneAt = BUCKETS_MAX;

  /** `limits` null: nothing is limited. `now`: monotonic milliseconds. */
  constructor(limits: RateLimits | null, now: () => number) {
    this.#limits = limits;
    this.#now = now;
    this.#looks = new Looks(now);
  }

  /**
   * The verdict on a write that costs so many ops. It is asked for only of what is no repeat, and charged once however
   * often it is asked. Who gives `wait` may be ahead of its rate a little, and hears for how long to read nothing instead.
   */
  write(principal: Principal, cost: number, wait?: (ms: number) => void): () => Refusal | null {
    let verdict: Refusal | null | undefined;
    return () => {
      if (verdict !== undefined) return verdict;
      verdict = this.#charge(principal, 'write', { cost, wait }).refusal;
      return verdict;
    };
  }

  /** Why a write would not pass now; nothing is charged. Asked before there is work that only a write would pay for. */
  foresee(principal: Principal, wait?: (ms: number) => void): Refusal | null {
    const { refusal } = this.#charge(principal, 'write', {
      cost: 1,
      wait: wait && (() => undefined),
    });
    const bucket = this.#bucket(principal, 'write');
    if (refusal === null && bucket !== null) bucket.tokens += 1;
    return refusal;
  }

  /** Gives back what a write of one op was charged, which turned out to be a repeat: those are free (stores.md §6.3). */
  repeated(principal: Principal): void {
    const bucket = this.#bucket(principal, 'write');
    if (bucket !== null) bucket.tokens = Math.min(bucket.burst, bucket.tokens + 1);
  }

  read(principal: Principal): Charge {
    return this.#charge(principal, 'read', { cost: 1 });
  }

  join(principal: Principal): Refusal | null {
    return this.#charge(principal, 'join', { cost: 1 }).refusal;
  }

  /** Begins to look through a store for somebody: how long the server may do so has a rate of its own. */
  look(principal: Principal, storeId: string): Look {
    return this.#looks.begin(`${storeId} ${ownerOf(principal)}`, this.#lookPace(principal));
  }

  /** The same for as long as `use` takes. */
  async looking<T>(
    principal: Principal,
    storeId: string,
    use: (look: Look) => Promise<T>,
  ): Promise<T> {
    const look = this.look(principal, storeId);
    try {
      return await use(look);
    } finally {
      look.end();
    }
  }

  /** Takes in who somebody is by now: what an open socket is charged for goes by the rates of now, too. */
  heard(principal: Principal): void {
    for (const kind of kinds) {
      const bucket = this.#buckets.get(keyOf(principal, kind)) ?? {};
      Object.assign(bucket, this.#pace(principal, kind), { isTold: true });
    }
  }

  /** The rates of a principal by their names; none where nothing is limited. */
  of({ limits }: Principal): Partial<RateLimits> {
    return this.#limits === null ? {} : { ...this.#limits, ...limits };
  }

  /** Where the bucket of writes stands. */
  writes(principal: Principal): RateStanding | null {
    return this.#charge(principal, 'write', { cost: 0 }).standing;
  }

  #charge(principal: Principal, kind: Kind, { cost, wait }: Cost): Charge {
    const bucket = this.#bucket(principal, kind);
    if (bucket === null) return { refusal: null, standing: null };
    const now = this.#now();
    bucket.tokens = Math.min(bucket.burst, bucket.tokens + (now - bucket.at) * bucket.perMs);
    bucket.at = now;
    // It would never pass, so it is not told to wait.
    const isTooMuch = cost > bucket.burst;
    const mayOwe = wait !== undefined && bucket.perMs * CREDIT_WRITE_MS >= 1;
    const credit = mayOwe ? CREDIT_MS * bucket.perMs : 0;
    const passes = !isTooMuch && bucket.tokens + credit >= cost;
    if (passes) bucket.tokens -= cost;
    if (passes && bucket.tokens < 0) wait?.(Math.ceil(-bucket.tokens / bucket.perMs));
    const standing = standingOf(bucket);
    if (passes) return { refusal: null, standing };
    const refusal = isTooMuch
      ? refuse('too_many_ops', { limit: bucket.burst })
      : refuse('rate_limited', { retry_after_ms: untilHas(bucket, cost) });
    return { refusal, standing };
  }

  #bucket(principal: Principal, kind: Kind): Bucket | null {
    if (this.#limits === null) return null;
    const key = keyOf(principal, kind);
    const known = this.#buckets.get(key);
    if (known?.isTold === true) return known;
    const pace = this.#pace(principal, kind);
    // They may be other ones by now. What is used up is used up.
    if (known !== undefined) return Object.assign(known, pace);
    if (this.#buckets.size >= this.#pruneAt) this.#prune();
    const bucket = { tokens: pace.burst, at: this.#now(), ...pace, isTold: false };
    this.#buckets.set(key, bucket);
    return bucket;
  }

  #lookPace({ limits }: Principal): LookPace {
    if (this.#limits === null) return endless;
    const { look_ms_per_minute: ms, look_burst_ms: burstMs } = { ...this.#limits, ...limits };
    return { perMs: ms / 60_000, burstMs };
  }

  #pace({ limits }: Principal, kind: Kind): Pick<Bucket, 'perMs' | 'burst'> {
    const { perMinute, burst } = rateOf({ ...defaultRates, ...this.#limits, ...limits }, kind);
    return { perMs: perMinute / 60_000, burst };
  }

  /** A bucket that is full by now is as good as none. Where few are, those who come do not each cause another look. */
  #prune(): void {
    const now = this.#now();
    for (const [key, { tokens, at, perMs, burst }] of this.#buckets) {
      if (tokens + (now - at) * perMs >= burst) this.#buckets.delete(key);
    }
    this.#pruneAt = Math.max(BUCKETS_MAX, 2 * this.#buckets.size);
  }
}

function keyOf(principal: Principal, kind: Kind): string {
  return `${kind} ${ownerOf(principal)}`;
}

function untilHas({ tokens, perMs }: Bucket, cost: number): number {
  return Math.max(1, Math.ceil((cost - tokens) / perMs));
}

function standingOf({ tokens, perMs, burst }: Bucket): RateStanding {
  return {
    limit: burst,
    remaining: Math.max(0, Math.floor(tokens)),
    resetMs: (burst - tokens) / perMs,
  };
}

function rateOf(limits: RateLimits, kind: Kind): { perMinute: number; burst: number } {
  if (kind === 'write') return { perMinute: limits.writes_per_minute, burst: limits.write_burst };
  if (kind === 'read') return { perMinute: limits.reads_per_minute, burst: limits.read_burst };
  return { perMinute: limits.joins_per_minute, burst: limits.joins_per_minute };
}
