/** What is waited by. */
type Timers = {
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
};

/** So long it may take to say whether somebody still may, within the 5 s of stores.md §11.3. */
const VERDICT = { ms: 2000, late: () => new Error('nothing says in time who may go on') };

/**
 * What application code answers in time; rejects with `late()` where it does not, for whoever waits behind it would wait
 * for ever. The signal that it gets aborts then.
 */
export async function inTime<T>(
  clock: Timers,
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

/** Whether somebody still may, as it is told; `unknown` where that fails or is not told in time: they are not let go on. */
export function verdictInTime<T>(clock: Timers, ask: () => Promise<T>): Promise<T | 'unknown'> {
  return inTime(clock, ask, VERDICT).catch(() => 'unknown' as const);
}
