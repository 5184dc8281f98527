import { leaseMsMax, type LeaseValue, type MonotonicMs } from '@holdfast/protocol';
import { isLease } from '../data/index.ts';
import type { Instant, LoggedOp } from './types.ts';

/**
 * Until when leases live (stores.md §5.2.2): monotonic deadlines, so that a step of the wall clock ends none of them
 * early. A lease that was there when the authority began lives until its wall time as seen at that moment.
 */
export class Leases {
  readonly #began: Instant;
  /** By token: a token is the seq of the acquiring op, so no other lease ever has it. */
  readonly #deadlines = new Map<number, MonotonicMs>();

  constructor(began: Instant) {
    this.#began = began;
  }

  isLive(lease: LeaseValue, now: MonotonicMs): boolean {
    return now < (this.#deadlines.get(lease.token) ?? deadlineOf(lease, this.#began));
  }

  /** Takes in a committed op, decided or first seen at that instant. */
  follow(op: LoggedOp, at: Instant): void {
    for (const { type, value } of op.removed) {
      if (type === 'lease' && isLease(value)) this.#deadlines.delete(value.token);
    }
    if (op.op !== 'lease' && op.op !== 'renew') return;
    if (isLease(op.value)) this.#deadlines.set(op.value.token, deadlineOf(op.value, at));
  }
}

/**
 * When a lease ends that is seen at that instant. None lasts longer than one can be asked for: where the wall clock was ahead
 * when it was given, or is behind when the authority begins, as on a machine that begins in 1970, nobody else would get it for years.
 */
export function deadlineOf(lease: { readonly expires_at: number }, at: Instant): MonotonicMs {
  return at.now + Math.min(lease.expires_at - at.wall, leaseMsMax);
}
