import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** A server in a process of its own. */
export type Child = {
  readonly url: string;
  /** The longest that its event loop was blocked since this was last asked, in milliseconds. */
  block(): Promise<number>;
  /** Ends the process at once, as a crash would. */
  kill(): Promise<void>;
};

/** Starts a server process over a data directory, or over a store in memory with so many leaves. */
export async function startServer(over: { data: string } | { leaves: number }): Promise<Child> {
  const how = 'data' in over ? ['sqlite', over.data] : ['memory', String(over.leaves)];
  const child = fork(join(import.meta.dirname, 'served.ts'), how, {
    execArgv: ['--conditions=source'],
  });
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  onTestFinished(kill);
  const { url } = await told(child);
  return {
    url: String(url),
    block: async () => {
      child.send('block');
      return Number((await told(child))['blockMs']);
    },
    kill,
  };
}

async function told(child: ChildProcess): Promise<{ readonly [fact: string]: unknown }> {
  const [message]: readonly unknown[] = await once(child, 'message');
  return typeof message === 'object' && message !== null ? { ...message } : {};
}
