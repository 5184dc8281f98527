import type { Clock } from './clock.ts';

/**
 * What application code answers in time; rejects with `late()` where it does not, for whoever waits behind it would wait
 * for ever. The signal that it gets aborts then.
 */
export async function inTime<T>(
  clock: Clock,
  ask: (signal: AbortSignal) => T | Promise<T>,
  { ms, late }: { readonly ms: number; readonly late: () => Error },
): Promise<T> {
  const aborting = new AbortController();
  let timer: unknown = null;
  const tooLong = new Promise<never>((_resolve, reject) => {
    timer = clock.setTimeout(() => {
      aborting.abort();
      reject(late());
    }, ms);
  });
  try {
    return await Promise.race([ask(aborting.signal), tooLong]);
  } finally {
    clock.clearTimeout(timer);
  }
}
