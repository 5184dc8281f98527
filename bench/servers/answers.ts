import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Tells the parent the port, then answers its questions until it says stop. */
export function serve(port: number, stop: () => Promise<void>): void {
  const blocks = monitorEventLoopDelay({ resolution: 1 });
  process.on('message', (question) => {
    if (question === 'stop') {
      void stop().then(() => process.exit(0));
    } else if (question === 'rss') {
      globalThis.gc?.();
      process.send?.(process.memoryUsage().rss);
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

/** The settings that the parent gave. */
export function settings(): { readonly [name: string]: unknown } {
  const parsed: unknown = JSON.parse(process.argv[2] ?? '{}');
  return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {};
}
