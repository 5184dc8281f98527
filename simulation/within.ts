import { setTimeout as pause } from 'node:timers/promises';

/** What work comes to; rejects where it takes longer. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const ended = new AbortController();
  const late = pause(ms, null, { signal: ended.signal }).then(() => {
    throw new Error(`not done within ${ms} ms`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    ended.abort();
  }
}
