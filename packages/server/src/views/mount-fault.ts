import type { InstanceEffect } from '@holdfast/engine/view';
import type { ViewFault } from '@holdfast/protocol/views';
import { StorageError } from '../storage/port.ts';

const retryMs = 1000;

/** Why a mount has failed, as its client is told. A disk in trouble is no reason to give up for good, as at the join of a store. */
export function mountFault({
  response,
  cause,
}: Extract<InstanceEffect, { readonly type: 'failed' }>): ViewFault {
  if (!(cause instanceof StorageError)) return response;
  return { reason: 'unavailable', retry_after_ms: retryMs };
}
