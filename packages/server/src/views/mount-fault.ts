import type { InstanceEffect } from '@holdfast/engine/view';
import type { ViewFault } from '@holdfast/protocol/views';
import { StoresLetGo } from '../host/stores.ts';
import { StorageError } from '../storage/port.ts';

const retryMs = 1000;

/** Whether application code met a server that closes, which is no mistake of it. */
export function isOfClosing(error: unknown): boolean {
  return error instanceof Error && [error, error.cause].some((each) => each instanceof StoresLetGo);
}

/**
 * Why a mount has failed, as its client is told. A disk in trouble, or a server that closes, is no reason to give up for good, as
 * at the join of a store.
 */
export function mountFault({
  response,
  cause,
}: Extract<InstanceEffect, { readonly type: 'failed' }>): ViewFault {
  if (!(cause instanceof StorageError) && !isOfClosing(cause)) return response;
  return { reason: 'unavailable', retry_after_ms: retryMs };
}
