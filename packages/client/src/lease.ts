import { type EpochMs, HoldfastError, type Path, type Write } from '@holdfast/protocol';
import type { Commit } from './receipt.ts';

/**
 * A lease that is held (stores.md §5.2), and renewed while this process lives. Pass it to writes as `fence`: they are
 * refused once it is lost, whatever this process believes.
 */
export interface Lease extends AsyncDisposable {
  readonly key: Path;
  /** Grows with every holder; storage outside Holdfast can refuse an older one. */
  readonly token: number;
  readonly holder: string | null;
  /** When it ends unless it is renewed, by the server's clock, in epoch milliseconds. */
  readonly expiresAt: EpochMs;
  /** Aborts when it is not held any more: lost, released, stopped, or closed with the client. */
  readonly signal: AbortSignal;
  /** Holds it for the same time again, from now; rejects with `not_held` if it is lost. */
  renew(options?: { readonly ttl?: number }): Promise<void>;
  /** Lets go of it; false if it was lost already. */
  release(): Promise<boolean>;
  /** Renews it no more: it ends by itself. */
  stop(): void;
}

type Held = NonNullable<Commit['lease']>;

/** The lease that was granted by a commit. */
export function heldBy({ lease }: Commit): Held {
  if (lease === undefined) throw new HoldfastError('outcome_unknown');
  return lease;
}

/** What a lease does by: `command` asks the server, `lost` tells who works under it. */
export type LeaseDesk = {
  readonly command: (request: Write) => Promise<Commit>;
  readonly lost: AbortController;
};

/** Makes the handle of a lease. */
export function makeLease(
  { key, ttl, held }: { readonly key: Path; readonly ttl: number; readonly held: Held },
  { command, lost }: LeaseDesk,
): Lease {
  const { token, holder } = held;
  let { expiresAt } = held;
  let ttlMs = ttl;
  const release = async (): Promise<boolean> => {
    lost.abort();
    const { released } = await command({ op: 'release', path: key, token });
    return released !== false;
  };
  return {
    key,
    token,
    holder,
    signal: lost.signal,
    stop: () => lost.abort(),
    get expiresAt() {
      return expiresAt;
    },
    async renew(options = {}) {
      const next = options.ttl ?? ttlMs;
      const commit = await command({ op: 'renew', path: key, token, ttlMs: next });
      ttlMs = next;
      ({ expiresAt } = heldBy(commit));
    },
    release,
    async [Symbol.asyncDispose]() {
      await release();
    },
  };
}
