import type { Clock } from '../host/clock.ts';

const PATIENCE_MS = 5000;

/** What an authenticator says in time. Rejects where it says nothing: those who wait behind it would wait for ever. */
export function inTime<T>(clock: Clock, saying: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const tooSlow = new Error('the authenticator is too slow');
    const late = clock.setTimeout(() => reject(tooSlow), PATIENCE_MS);
    void saying.then(resolve, reject).finally(() => clock.clearTimeout(late));
  });
}
