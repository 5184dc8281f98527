import type { Entry, LeaseValue, MonotonicMs, Path } from '@holdfast/protocol';
import { isLease } from '../data/index.ts';
import { deadlineOf } from './leases.ts';
import type { Instant, LoggedOp } from './types.ts';

/** A lease that has ended because nobody renewed it. */
export type ExpiredLease = { readonly path: Path; readonly token: number };

/** Deadlines are looked at no more often, and a moment late: who is told must find the lease expired. */
const roundMs = 20;
const lateMs = 2;

/**
 * When leases pass their deadlines, for those who wait for one: expiry itself is lazy, and no op (stores.md §5.2.2). Each
 * is told once, and none that was renewed, released or removed in time.
 */
export class LeaseDeadlines {
  readonly #byToken = new Map<number, { readonly path: Path; readonly at: MonotonicMs }>();
  #nextAt: MonotonicMs = Infinity;

  /** When to call {@link expire}; Infinity: there is no lease. */
  get nextAt(): MonotonicMs {
    return this.#nextAt;
  }

  /** Takes in leaves that were there when the store was opened. */
  load(entries: Iterable<Entry>, at: Instant): void {
    for (const { path, type, value } of entries) {
      if (type === 'lease' && isLease(value)) this.#set(path, value, at);
    }
  }

  /** Takes in committed ops. */
  follow(ops: readonly LoggedOp[], at: Instant): void {
    for (const { op, path, value, removed } of ops) {
      for (const gone of removed) {
        if (gone.type === 'lease' && isLease(gone.value)) this.#byToken.delete(gone.value.token);
      }
      if ((op === 'lease' || op === 'renew') && isLease(value)) this.#set(path, value, at);
    }
  }

  /** The leases that have ended by now and were not told yet. */
  expire(now: MonotonicMs): readonly ExpiredLease[] {
    const expired: ExpiredLease[] = [];
    this.#nextAt = Infinity;
    for (const [token, { path, at }] of this.#byToken) {
      if (at <= now) {
        this.#byToken.delete(token);
        expired.push({ path, token });
      } else this.#nextAt = Math.min(this.#nextAt, Math.max(at, now + roundMs));
    }
    return expired;
  }

  #set(path: Path, lease: LeaseValue, instant: Instant): void {
    const at = Math.max(instant.now, deadlineOf(lease, instant)) + lateMs;
    this.#byToken.set(lease.token, { path, at });
    this.#nextAt = Math.min(this.#nextAt, at);
  }
}
