import type { Refusal } from '@holdfast/protocol';

/** A server that asks for more patience, be it for ever, is asked again all the same. */
const toldMaxMs = 300_000;

/** How long a refusal asks to wait; null where it says nothing that can be followed: 0 would have it tried without end. */
export function toldMs({ details }: Refusal): number | null {
  const told = details['retry_after_ms'];
  return typeof told === 'number' && told > 0 ? Math.min(told, toldMaxMs) : null;
}
