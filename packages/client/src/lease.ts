import { type EpochMs, HoldfastError, type Path, type Write } from '@holdfast/protocol';
import { handled } from './handled.ts';
import { beat, type Term } from './heartbeat.ts';
import { checkOptions } from './mistakes.ts';
import type { Commit } from './receipt.ts';
import type { Berth } from './room.ts';

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
  /** Holds it for the same time again, from now, and for 30 000 ms if it was taken elsewhere; rejects with `not_held` if it is lost. */
  renew(options?: { readonly ttl?: number }): Promise<void>;
  /** Lets go of it; false if it was lost already. */
  release(): Promise<boolean>;
  /** Renews it no more: it ends by itself. */
  stop(): void;
}

type Held = NonNullable<Commit['lease']>;

/** How a lease is taken. */
export type LeaseOptions = {
  /** Milliseconds it is held for unless it is renewed; default 30 000. */
  readonly ttl?: number;
  /** Who holds it, for others to see. */
  readonly holder?: string;
  /** Whether it is renewed while this process lives; default: it is. */
  readonly heartbeat?: boolean;
};

/** What leases need of the store they are of; `command` asks the server. */
export type LeaseDesk = {
  readonly slot: Berth;
  readonly command: (request: Write) => Promise<Commit>;
};

/** Takes a lease, and keeps it (stores.md §5.2, §18 C22). */
export async function acquire(desk: LeaseDesk, key: Path, options: LeaseOptions): Promise<Lease> {
  checkOptions('lease', options, { ttl: 'number', holder: 'string', heartbeat: 'boolean' });
  const { ttl = 30_000, holder = null, heartbeat = true } = options;
  const { slot, command } = desk;
  const { env } = slot.room.settings;
  const askedAt = env.now();
  const asked = command({ op: 'lease', path: key, ttlMs: ttl, holder }).catch(
    async (error: unknown) => {
      // In a later turn: who asks again at once, and again, would keep sockets from theirs, and no connection would ever come.
      const isAway = error instanceof HoldfastError && error.code === 'unavailable';
      if (isAway) await new Promise<void>((resolve) => env.setTimeout(resolve, 0));
      throw error;
    },
  );
  const held = heldBy(await asked);
  const lost = new AbortController();
  let renewed: ((term: Term) => void) | null = null;
  const lease = makeLease(desk, { key, ttl, held, renewed: (term) => renewed?.(term) }, lost);
  renewed = beat(lease, { ttl, askedAt, lost, renews: heartbeat }, slot);
  return lease;
}

/** A lease that was taken elsewhere. */
export function leaseOf(
  desk: LeaseDesk,
  { key, token }: { readonly key: Path; readonly token: number },
): Lease {
  const held = { token, expiresAt: 0, holder: null };
  return makeLease(desk, { key, ttl: 30_000, held }, new AbortController());
}

function heldBy({ lease }: Commit): Held {
  if (lease === undefined) throw new HoldfastError('outcome_unknown');
  return lease;
}

type Holding = {
  readonly key: Path;
  readonly ttl: number;
  readonly held: Held;
  /** Hears of each term that it is renewed for. */
  readonly renewed?: (term: Term) => void;
};

/** `lost` tells who works under it. */
function makeLease(
  { slot, command }: LeaseDesk,
  { key, ttl, held, renewed }: Holding,
  lost: AbortController,
): Lease {
  const { token, holder } = held;
  let { expiresAt } = held;
  let ttlMs = ttl;
  const release = (): Promise<boolean> =>
    handled(async () => {
      lost.abort();
      const { released } = await command({ op: 'release', path: key, token });
      return released !== false;
    });
  return {
    key,
    token,
    holder,
    signal: lost.signal,
    stop: () => lost.abort(),
    get expiresAt() {
      return expiresAt;
    },
    renew: (options = {}) =>
      handled(async () => {
        const next = options.ttl ?? ttlMs;
        const askedAt = slot.room.settings.env.now();
        const commit = await command({ op: 'renew', path: key, token, ttlMs: next });
        ttlMs = next;
        ({ expiresAt } = heldBy(commit));
        renewed?.({ ttl: next, askedAt });
      }),
    release,
    // Where the server cannot be asked it ends by itself, and what was done under it, or failed, is what is told.
    async [Symbol.asyncDispose]() {
      await release().catch(() => false);
    },
  };
}
