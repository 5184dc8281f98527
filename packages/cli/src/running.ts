import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  jsonLog,
  type LogLevel,
  type Server,
  type ServerAddress,
  type ServerLog,
} from '@holdfast/server';
import { misuse } from './failure.ts';
import { aborted, interruption } from './interrupt.ts';
import { type Output, tame } from './output.ts';
import type { Terminal } from './terminal.ts';
import { readInteger } from './values.ts';

/** The port of `dev` and `serve`; 0 picks a free one. */
export const portArg = {
  type: 'string',
  valueHint: 'PORT',
  default: '4400',
  description: 'Port; 0 picks a free one',
} as const;

const portMax = 65_535;

/** The port that `--port` names. */
export function readPort(text: string): number {
  return readInteger(text, '--port', { max: portMax });
}

/** Starts to listen; a port that is taken is the caller's to change. */
export async function listen(
  server: Server,
  at: { readonly port: number; readonly host: string },
): Promise<ServerAddress> {
  const { port } = at;
  try {
    return await server.listen({ port, host: at.host });
  } catch (error) {
    await server.close();
    throw listenFailure(error, { port, host: at.host });
  }
}

function listenFailure(error: unknown, { port, host }: { port: number; host: string }): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  if (code === 'EADDRINUSE') {
    return misuse(
      `Port ${port} is taken by another program.`,
      'Choose another with --port, or --port 0 for any that is free.',
    );
  }
  if (code === 'EACCES') {
    return misuse(`This user may not listen on port ${port}.`, 'Choose a --port above 1023.');
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return misuse(`${host} is not an address of this computer.`, 'Check --host.');
  }
  return error;
}

/** Runs until Ctrl-C or SIGTERM and then closes the server: commits finish, clients are told when to come back. */
export async function runUntilStopped(
  server: Server,
  output: Output,
  work: (signal: AbortSignal) => Promise<void> = async () => undefined,
): Promise<void> {
  const { signal, stop } = interruption();
  try {
    await work(signal);
    await aborted(signal);
    output.note('\nStopping. Press Ctrl-C again to stop at once.');
  } finally {
    await server.close();
    stop();
  }
}

/** The directory of the built web console; null where it has not been built. */
export function consoleDirectory(): string | null {
  try {
    const manifest = import.meta.resolve('@holdfast/dashboard/package.json');
    const directory = fileURLToPath(new URL('dist', manifest));
    return existsSync(`${directory}/index.html`) ? directory : null;
  } catch {
    // Not installed: the server says so at its root.
    return null;
  }
}

/** Writes what operators should know to standard error, as JSON lines. */
export function serverLog(terminal: Terminal, level: LogLevel = 'info'): ServerLog {
  return jsonLog((line) => void terminal.stderr.write(tame(line)), level);
}
