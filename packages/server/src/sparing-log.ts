import type { Clock } from './host/clock.ts';
import type { ServerLog } from './server-options.ts';

/** A disk that stands still, or is full, makes all writes slow, or fail: their lines are not to fill it, too. */
const LINES_PER_SECOND = 10;

/**
 * The same log, but of lines that say the same no more than ten a second: the next that is told has in `untold` how many were
 * not. What has an `errorId` is told always, for somebody has been given that to ask by.
 */
export function sparingLog(log: ServerLog, clock: Pick<Clock, 'now'>): ServerLog {
  const told = new Map<string, number>();
  const untold = new Map<string, number>();
  let since = -Infinity;
  const tell = (level: 'info' | 'error', details: object, message: string): void => {
    const at = clock.now();
    if (at - since >= 1000) {
      since = at;
      told.clear();
    }
    const lines = told.get(message) ?? 0;
    const left = untold.get(message) ?? 0;
    if (lines >= LINES_PER_SECOND && !('errorId' in details)) {
      untold.set(message, left + 1);
      return;
    }
    told.set(message, lines + 1);
    untold.delete(message);
    log[level](left === 0 ? details : { ...details, untold: left }, message);
  };
  return {
    info: (details, message) => tell('info', details, message),
    error: (details, message) => tell('error', details, message),
  };
}
