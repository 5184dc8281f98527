import { type Refusal, refuse, RejectedError, type StoreName } from '@holdfast/protocol';
import type { PendingRequest, ReplicaEffect } from '@holdfast/engine/replica';
import { call } from './cell.ts';
import type { Settings } from './options.ts';
import type { WriteReceipt } from './receipt.ts';

/** Has `onRejected` told of a write that was refused, where nobody waits for its outcome. */
export function reportRefused(receipt: WriteReceipt, store: StoreName, settings: Settings): void {
  const { opId, request, outcome } = receipt;
  if (outcome?.status !== 'refused' || outcome.details['kept'] === true) return;
  const { error } = outcome;
  // Who took it back knows.
  if (error.code === 'cancelled') return;
  const { env, onRejected, report } = settings;
  // The caller may read `committed` of what was refused at once.
  env.setTimeout(() => {
    if (receipt.isAwaited) return;
    call(() => onRejected?.({ store, opId, error, ...(request !== null && { request }) }), report);
  }, 0);
}

/** Has `onRevoked` told that something may no longer be read, and is gone. */
export function tellRevoked(
  { patterns, refusal }: Extract<ReplicaEffect, { readonly type: 'revoked' }>,
  store: StoreName,
  { onRevoked, report }: Settings,
): void {
  const error = refusal && RejectedError.from(refusal);
  call(() => onRevoked?.({ store, patterns, error }), report);
}

/** Why a write is not decided that is left when its store closes: a cache keeps it, or nobody does. */
export function leftBy({ attempts, status }: PendingRequest, isKept: boolean): Refusal {
  if (isKept) return refuse('closed', { kept: true });
  // A refusal of what was sent once is the only answer that there may be; of more than one send an earlier may have got through.
  const isUncertain = attempts > (status.state === 'waiting' ? 1 : 0);
  return refuse(isUncertain ? 'outcome_unknown' : 'closed');
}
