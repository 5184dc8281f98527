import { setTimeout } from 'node:timers/promises';
import type { Endpoint } from './endpoint.ts';
import { Failure } from './failure.ts';

/** Whoever is told to come back later than this is told so, and does not wait. */
const PATIENCE_MS = 3_600_000;

/** Asks again as often as the server says that it may do it later (`rate_limited`), and tells how long it waits. */
export async function patiently<T>(
  { output }: Endpoint,
  ask: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- again only when it was refused
      return await ask();
    } catch (error) {
      const ms = waitOf(error);
      if (ms === null) throw error;
      output.aside({ waiting_ms: ms, code: 'rate_limited' }, (paint) =>
        paint.dim(`(the server does it in ${Math.ceil(ms / 1000)} s: waiting)`),
      );
      // oxlint-disable-next-line no-await-in-loop -- the same
      await setTimeout(ms, undefined, signal && { signal });
    }
  }
}

function waitOf(error: unknown): number | null {
  if (!(error instanceof Failure) || error.code !== 'rate_limited') return null;
  const { retry_after_ms: ms } = error.details;
  return typeof ms === 'number' && ms >= 0 && ms <= PATIENCE_MS ? ms : null;
}
