import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Knock, Peer } from '../conversation/peer.ts';

/** A server in a process of its own. */
export type Child = {
  readonly url: string;
  connect(knock?: Knock): Promise<Peer>;
  /** The longest that its event loop was blocked since this was last asked, in milliseconds. */
  block(): Promise<number>;
  /** Ends the process at once, as a crash would. */
  kill(): Promise<void>;
};

/** Starts a server process, for the caller to kill, over a data directory, or over a store in memory with so many leaves. */
export async function startServer(over: { data: string } | { leaves: number }): Promise<Child> {
  const how = 'data' in over ? ['sqlite', over.data] : ['memory', String(over.leaves)];
  const child = fork(join(import.meta.dirname, 'served.ts'), how, {
    execArgv: ['--conditions=@holdfast/source'],
  });
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  const url = String((await told(child))['url']);
  return {
    url,
    connect: (knock) => Peer.connect(url, knock),
    block: async () => {
      child.send('block');
      return Number((await told(child))['blockMs']);
    },
    kill,
  };
}

async function told(child: ChildProcess): Promise<{ readonly [fact: string]: unknown }> {
  const heard = new AbortController();
  const { signal } = heard;
  try {
    const gone = once(child, 'exit', { signal }).then(() => {
      throw new Error('the server process ended');
    });
    const [message]: readonly unknown[] = await Promise.race([
      once(child, 'message', { signal }),
      gone,
    ]);
    return typeof message === 'object' && message !== null ? { ...message } : {};
  } finally {
    heard.abort();
  }
}
