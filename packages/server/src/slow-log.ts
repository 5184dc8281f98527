import type { HostRoom } from './host/store-host.ts';
import type { ServerLog, ServerOptions } from './server-options.ts';

const SLOW_COMMIT_MS = 1000;

/** Who hears of slow commits: the log, unless nobody is to. */
export function slowLog(
  ms: ServerOptions['slowCommitMs'] = SLOW_COMMIT_MS,
  log: ServerLog,
): HostRoom['slow'] {
  return ms === false ? null : { ms, tell: (commit) => log.info(commit, 'slow commit') };
}
