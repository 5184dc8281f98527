import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createClient, type Transaction } from '@holdfast/client';
import type { PathRule } from '@holdfast/server';

const command = fileURLToPath(new URL('../../cli/bin/holdfast.js', import.meta.url));

/** A real `holdfast dev` in a process of its own: it can be killed, and started again on the same port and data. */
export class ServerProcess {
  readonly #data = mkdtempSync(join(tmpdir(), 'holdfast-dashboard-'));
  #child: ChildProcess | null = null;
  #url = '';

  get url(): string {
    return this.#url;
  }

  /** The console, signed in, looking at a store. */
  console(store: string, token = 'dev'): string {
    return `${this.#url}/#token=${token}&store=${store}`;
  }

  /** Resolves when it says that it is ready. */
  async start(): Promise<void> {
    const port = this.#url === '' ? '0' : new URL(this.#url).port;
    const args = [command, 'dev', '--json', '--port', port, '--data', this.#data];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    const said: string[] = [];
    child.stderr.on('data', (text: Buffer) => said.push(text.toString()));
    for await (const line of createInterface(child.stdout)) {
      const { url } = JSON.parse(line) as { readonly url: string };
      this.#url = url;
      return;
    }
    throw new Error(`holdfast dev ended before it was ready: ${said.join('')}`);
  }

  /** Makes a store. */
  async makeStore(name: string): Promise<void> {
    const headers = { authorization: 'Bearer dev', 'content-type': 'application/json' };
    const body = JSON.stringify({ name });
    await fetch(`${this.#url}/api/stores`, { method: 'POST', headers, body });
  }

  /** Issues a token for what its scopes, and rules where there are any, say. */
  async issue(granted: readonly string[], rules?: readonly PathRule[]): Promise<string> {
    const headers = { authorization: 'Bearer dev', 'content-type': 'application/json' };
    const access = { store_access_mode: 'all', path_rules: rules };
    const body = JSON.stringify({ name: 'another', scopes: granted, ...access });
    const response = await fetch(`${this.#url}/api/tokens`, { method: 'POST', headers, body });
    const { raw_token: token } = (await response.json()) as { readonly raw_token: string };
    return token;
  }

  /** Commits something from outside of any page. */
  async write(name: string, collect: (tx: Transaction) => void): Promise<void> {
    const client = createClient({ url: this.#url.replace('http', 'ws'), token: 'dev' });
    await client.store(name, { scope: [] }).transact(collect).committed;
    await client.close();
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
