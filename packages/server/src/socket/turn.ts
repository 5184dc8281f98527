import type { Clock } from '../host/clock.ts';
import type { Outbox } from './outbox.ts';

/** Waits for another turn of the event loop, and for the socket to take more. */
export async function nextTurn(clock: Clock, outbox: Outbox): Promise<void> {
  if (outbox.congested) await outbox.drained();
  else await new Promise<void>((resolve) => clock.setImmediate(resolve));
}
