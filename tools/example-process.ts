import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const command = fileURLToPath(new URL('example.js', import.meta.url));

/** An example as its one command starts it: it can be killed, and started again on the same port and data. */
export class ExampleProcess {
  readonly #name: string;
  readonly #data: string;
  #child: ChildProcess | null = null;
  url = '';

  constructor(name: string) {
    this.#name = name;
    this.#data = mkdtempSync(join(tmpdir(), `holdfast-${name}-`));
  }

  /** Resolves when it says where it is; it may be told more. */
  async start(...more: readonly string[]): Promise<void> {
    const port = this.url === '' ? '0' : new URL(this.url).port;
    const args = [
      '--conditions=@holdfast/source',
      command,
      this.#name,
      '--port',
      port,
      '--data',
      this.#data,
      ...more,
    ];
    // What users get: the page is not to be built for tests.
    const env = { ...process.env, NODE_ENV: 'production' };
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    this.#child = child;
    const closed = once(child, 'close');
    const said: string[] = [];
    child.stderr.on('data', (text: Buffer) => said.push(text.toString()));
    for await (const line of createInterface(child.stdout)) {
      const [url] = /http:\S+/.exec(line) ?? [];
      if (url === undefined) continue;
      this.url = url;
      return;
    }
    await closed;
    this.#child = null;
    throw new Error(`${this.#name} ended before it was ready: ${said.join('')}`);
  }

  /** Stops it where it is: what is sent to it has left, and is never read. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  /** Ends it as a power failure would. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    this.#child = null;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#data, { recursive: true, force: true });
  }
}
