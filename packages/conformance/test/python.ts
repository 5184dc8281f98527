import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import type { Served } from './served.ts';

const program = new URL('../../../examples/python/client.py', import.meta.url).pathname;

/** Whether Python is here; the machine that tests every change has it. */
export const hasPython = spawnSync('python3', ['--version']).status === 0;

/** What the client tells in one line. */
export type Told = { readonly [field: string]: unknown };

/** A running client in Python: it is given commands and tells what happens. */
export class PythonClient {
  readonly #process: ChildProcess;
  readonly #told: Told[] = [];
  #complaint = '';
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(at: Served, more: readonly string[] = []) {
    const { url, token, store } = at;
    const options = ['--url', url, '--token', token, '--store', store, ...more];
    this.#process = spawn('python3', [program, ...options], { stdio: 'pipe' });
    createInterface({ input: this.#process.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.#told.push(JSON.parse(line) as Told);
      this.#wake();
    });
    this.#process.stderr?.on('data', (part: Buffer) => (this.#complaint += part.toString()));
    this.#process.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
    onTestFinished(async () => {
      await this.end();
    });
  }

  /** Gives commands, a line each. */
  say(...commands: readonly string[]): void {
    this.#process.stdin?.write(commands.map((command) => `${command}\n`).join(''));
  }

  /** The lines up to and with the first that has these fields with these values. */
  async until(wanted: Told): Promise<readonly Told[]> {
    const fits = (line: Told): boolean =>
      Object.entries(wanted).every(
        ([field, value]) => JSON.stringify(line[field]) === JSON.stringify(value),
      );
    for (;;) {
      const at = this.#told.findIndex(fits);
      if (at >= 0) return this.#told.splice(0, at + 1);
      if (this.#ended) throw new Error(`the client ended: ${this.#complaint}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The value that it has at a path. */
  async get(path: string): Promise<unknown> {
    this.say(`get ${path}`);
    const lines = await this.until({ path, op: undefined });
    return lines.at(-1)?.['value'];
  }

  /** Ends it without a word, and waits until it has. What it complained of is returned. */
  async end(): Promise<string> {
    if (!this.#ended) this.#process.kill('SIGKILL');
    return this.ended();
  }

  /** Waits until it ends by itself. */
  async ended(): Promise<string> {
    while (!this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#complaint;
  }
}
