import { monitorEventLoopDelay } from 'node:perf_hooks';

const TURNS_MAX = 30;

/** Tells the parent the port, then answers its questions until it says stop. */
export function serve(port: number, stop: () => Promise<void>): void {
  const blocks = monitorEventLoopDelay({ resolution: 1 });
  process.on('message', (question) => {
    if (question === 'stop') {
      void stop().then(() => process.exit(0));
    } else if (question === 'rss') {
      process.send?.(resident());
    } else if (question === 'cpu') {
      const { user, system } = process.cpuUsage();
      process.send?.(user + system);
    } else if (question === 'reset') {
      // Only where it is asked for: it wakes the process a thousand times a second.
      blocks.enable();
      blocks.reset();
      process.send?.(0);
    } else if (question === 'block') {
      process.send?.(blocks.max / 1e6);
    }
  });
  process.on('disconnect', () => process.exit(1));
  process.send?.(port);
}

/**
 * Resident memory when the collector has given back what it holds in reserve: after much at once that is as much again in
 * one run, and nothing in the next.
 */
function resident(): number {
  let least = Infinity;
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    const { rss } = process.memoryUsage();
    if (rss > 0.99 * least) break;
    least = rss;
  }
  return least;
}

/** The settings that the parent gave. */
export function settings(): { readonly [name: string]: unknown } {
  const parsed: unknown = JSON.parse(process.argv[2] ?? '{}');
  return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
}
