import type { Clock } from './host/clock.ts';
import type { HostRoom } from './host/store-host.ts';
import type { ServerLog, ServerOptions } from './server-options.ts';

const SLOW_COMMIT_MS = 1000;
/** A disk that stands still makes all commits slow: their lines are not to fill it, too. */
const LINES_PER_SECOND = 10;

/** Who hears of slow commits: the log, unless nobody is to; and not of each, where there are many. */
export function slowLog(
  ms: ServerOptions['slowCommitMs'] = SLOW_COMMIT_MS,
  { log, clock }: { readonly log: ServerLog; readonly clock: Pick<Clock, 'now'> },
): HostRoom['slow'] {
  if (ms === false) return null;
  let [since, lines, untold] = [-Infinity, 0, 0];
  return {
    ms,
    tell: (commit) => {
      const at = clock.now();
      if (at - since >= 1000) [since, lines] = [at, 0];
      if (lines === LINES_PER_SECOND) {
        untold += 1;
        return;
      }
      lines += 1;
      log.info(untold === 0 ? commit : { ...commit, untold }, 'slow commit');
      untold = 0;
    },
  };
}
