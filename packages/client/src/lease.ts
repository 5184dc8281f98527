import { type EpochMs, HoldfastError, type Path, type Write } from '@holdfast/protocol';
import type { Commit } from './receipt.ts';

/**
 * A lease that is held (stores.md §5.2). Pass it to writes as `fence`: they are refused once it is lost, whatever this
 * process believes. It is the holder's business to renew it in time.
 */
export interface Lease extends AsyncDisposable {
  readonly key: Path;
  /** Grows with every holder; storage outside Holdfast can refuse an older one. */
  readonly token: number;
  readonly holder: string | null;
  /** When it ends unless it is renewed, by the server's clock, in epoch milliseconds. */
  readonly expiresAt: EpochMs;
  /** Holds it for the same time again, from now; rejects with `not_held` if it is lost. */
  renew(options?: { readonly ttl?: number }): Promise<void>;
  /** Lets go of it; false if it was lost already. */
  release(): Promise<boolean>;
}

type Held = NonNullable<Commit['lease']>;

/** The lease that was granted by a commit. */
export function heldBy({ lease }: Commit): Held {
  if (lease === undefined) throw new HoldfastError('outcome_unknown');
  return lease;
}

/** Makes the handle of a lease; `command` asks for what it needs. */
export function makeLease(
  { key, ttl, held }: { readonly key: Path; readonly ttl: number; readonly held: Held },
  command: (request: Write) => Promise<Commit>,
): Lease {
  const { token, holder } = held;
  let { expiresAt } = held;
  let ttlMs = ttl;
  const release = async (): Promise<boolean> => {
    const { released } = await command({ op: 'release', path: key, token });
    return released !== false;
  };
  return {
    key,
    token,
    holder,
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
