import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { run } from '../src/main.ts';

export const bin = fileURLToPath(new URL('../bin/holdfast.js', import.meta.url));

/** A line of JSON output. */
export type Row = { readonly [field: string]: unknown };

export type Ran = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly rows: readonly Row[];
  /** The `error` of the last line on standard error. */
  readonly error: Row;
};

type RunOptions = { readonly input?: string; readonly env?: NodeJS.ProcessEnv };

const cleanEnv = (env: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
  ...env,
});

/** Runs the real command in a process of its own, piped. */
export async function cli(
  args: readonly string[],
  { input = '', env }: RunOptions = {},
): Promise<Ran> {
  const child = spawn(process.execPath, [bin, ...args], { env: cleanEnv(env) });
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr, rows: linesOf(stdout), error: errorIn(stderr) };
}

async function* nothing(): AsyncGenerator<string> {}

/** Runs a command in this process on a pretended terminal. */
export async function onTerminal(
  args: readonly string[],
  { env = {}, isTTY = true }: { env?: NodeJS.ProcessEnv; isTTY?: boolean } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({
    isTTY,
    write: (piece: string) => {
      written[name] += piece;
    },
  });
  const code = await run(args, {
    env,
    stdin: nothing(),
    stdout: stream('stdout'),
    stderr: stream('stderr'),
  });
  return { code, ...written };
}

export type Running = {
  readonly url: string;
  readonly ready: Row;
  readonly child: ChildProcess;
  readonly stderr: () => string;
  /** Ends it by a signal; resolves with the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
};

/** Starts `dev` or `serve` on a free port and waits until it says where it is. */
export async function start(
  command: 'dev' | 'serve',
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Running> {
  const child = spawn(process.execPath, [bin, command, '--port', '0', '--json', ...args], {
    env: cleanEnv(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close') as Promise<[number | null]>;
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    errors += piece;
  });
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([once(lines, 'line'), closed.then(() => null)]);
  if (first === null) throw new Error(`holdfast ${command} ended: ${errors}`);
  const ready = JSON.parse(String(first[0])) as Row;
  return {
    url: String(ready['url']),
    ready,
    child,
    stderr: () => errors,
    stop: async (signal = 'SIGINT') => {
      child.kill(signal);
      const [code] = await closed;
      return code;
    },
  };
}

/** A directory of its own, and how to remove it. */
export async function temporaryDirectory(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-cli-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Waits until something is so, as seen at every turn of the event loop's timers. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

export function linesOf(output: string): Row[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Row);
}

function errorIn(stderr: string): Row {
  const error = linesOf(stderr).findLast((row) => 'error' in row)?.['error'];
  return (error ?? {}) as Row;
}

async function text(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}

/** A development server for the tests of one file, from before the first to after the last. */
export function devServer(): { readonly server: Running; readonly directory: string } {
  let server: Running | null = null;
  let folder: Awaited<ReturnType<typeof temporaryDirectory>> | null = null;
  beforeAll(async () => {
    folder = await temporaryDirectory();
    server = await start('dev', ['--data', folder.path]);
  });
  afterAll(async () => {
    await server?.stop();
    await folder?.remove();
  });
  return {
    get server() {
      return there(server);
    },
    get directory() {
      return there(folder).path;
    },
  };
}

function there<T>(what: T | null): T {
  if (what === null) throw new Error('The server is there in tests only.');
  return what;
}
