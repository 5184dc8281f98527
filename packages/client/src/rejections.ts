import type { StoreName } from '@holdfast/protocol';
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
    call(() => onRejected({ store, opId, error, ...(request !== null && { request }) }), report);
  }, 0);
}
