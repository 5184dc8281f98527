import type { EpochMs, Path } from '@holdfast/protocol';
import type { Commit } from './receipt.ts';

type Held = NonNullable<Commit['lease']>;

/** What a lease does through the store it is of. */
export type LeaseDesk = {
  renew(lease: Lease, ttl: number): Promise<Held>;
  release(lease: Lease): Promise<boolean>;
};

/**
 * A lease that is held (stores.md §5.2). Pass it to writes as `fence`: they are refused once it is lost, whatever this
 * process believes. It is the holder's business to renew it in time.
 */
export class Lease implements AsyncDisposable {
  readonly key: Path;
  /** Grows with every holder; storage outside Holdfast can refuse an older one. */
  readonly token: number;
  readonly holder: string | null;
  readonly #desk: LeaseDesk;
  #ttl: number;
  #expiresAt: EpochMs;

  constructor(
    of: { readonly key: Path; readonly ttl: number; readonly held: Held },
    desk: LeaseDesk,
  ) {
    this.key = of.key;
    this.token = of.held.token;
    this.holder = of.held.holder;
    this.#ttl = of.ttl;
    this.#expiresAt = of.held.expiresAt;
    this.#desk = desk;
  }

  /** When it ends unless it is renewed, by the server's clock, in epoch milliseconds. */
  get expiresAt(): EpochMs {
    return this.#expiresAt;
  }

  /** Holds it for the same time again, from now; rejects with `not_held` if it is lost. */
  async renew(options: { readonly ttl?: number } = {}): Promise<void> {
    const ttl = options.ttl ?? this.#ttl;
    const { expiresAt } = await this.#desk.renew(this, ttl);
    this.#ttl = ttl;
    this.#expiresAt = expiresAt;
  }

  /** Lets go of it; false if it was lost already. */
  release(): Promise<boolean> {
    return this.#desk.release(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}
