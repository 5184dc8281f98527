import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

const script = join(import.meta.dirname, 'server-process.ts');

/** A server in a process of its own, which can be killed. */
export class Child {
  readonly #process: ChildProcess;
  #stderr = '';

  /** Starts it; `listening` tells when, and where. */
  constructor(directory: string, port = 0) {
    this.#process = fork(script, [directory, String(port)], {
      execArgv: ['--conditions=@holdfast/source'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#process.stderr?.setEncoding('utf8');
    this.#process.stderr?.on('data', (text: string) => {
      this.#stderr += text;
    });
  }

  /** What it has complained about. */
  get stderr(): string {
    return this.#stderr;
  }

  get isAlive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** The port it listens on; rejects where it ends before. */
  async listening(): Promise<number> {
    return numberIn(await this.#message(), 'port');
  }

  /** Bytes of memory that it holds. */
  async rss(): Promise<number> {
    const message = this.#message();
    this.#process.send('memory');
    return numberIn(await message, 'rss');
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    if (!this.isAlive) return;
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await gone;
  }

  async #message(): Promise<unknown> {
    const ended = new AbortController();
    const { signal } = ended;
    const exit = once(this.#process, 'exit', { signal }).then(() => {
      throw new Error(`the server has ended: ${this.#stderr}`);
    });
    // It ends long after it has spoken, too.
    exit.catch(() => undefined);
    try {
      const [message]: unknown[] = await Promise.race([
        once(this.#process, 'message', { signal }),
        exit,
      ]);
      return message;
    } finally {
      ended.abort();
    }
  }
}

function numberIn(message: unknown, name: string): number {
  const fields: { readonly [name: string]: unknown } = Object.assign({}, message);
  const value = fields[name];
  if (typeof value === 'number') return value;
  throw new Error(`the server said ${JSON.stringify(message)}`);
}
