import type { Crowd } from '../host/crowd.ts';
import type { Outbox } from './outbox.ts';

/** Waits for the socket to take more, and for another turn of the event loop. */
export async function nextTurn(
  { crowd }: { readonly crowd: Crowd },
  outbox: Outbox,
): Promise<void> {
  if (outbox.congested) await outbox.drained();
  await crowd.next();
}
