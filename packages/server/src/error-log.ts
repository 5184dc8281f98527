import { redact } from './access/index.ts';
import { call } from './call.ts';
import type { ServerLog } from './server-options.ts';

/**
 * The log of a server that is given none: what fails goes to standard error, for people to read, and nothing else. No token
 * gets into it (stores.md S10).
 */
export const errorLog: ServerLog = {
  info: () => undefined,
  error: (details, message) => {
    const told = Object.entries(details).flatMap(([name, value]: [string, unknown]) =>
      // An error that is told under two names is told once.
      value instanceof Error && name !== 'err' ? [] : [textOf(name, value)],
    );
    write(redact(`holdfast: ${[message, ...told].join(' ')}\n`));
  },
};

/** The log that a server writes to: one that throws, or rejects, is no server's end, and is told of where there is no other. */
export function logOf(given: ServerLog | undefined): ServerLog {
  if (given === undefined) return errorLog;
  const failed = (err: unknown): void => errorLog.error({ err }, 'the log failed');
  return {
    info: (...told) => call((): unknown => given.info(...told), failed),
    error: (...told) => call((): unknown => given.error(...told), failed),
  };
}

/** Where nobody can be told, such as a file on a disk that is full, the server goes on: without a listener it would end. */
function write(text: string): void {
  const { stderr } = process;
  if (stderr.listenerCount('error') === 0) stderr.on('error', () => undefined);
  stderr.write(text);
}

function textOf(name: string, value: unknown): string {
  return value instanceof Error ? causesOf(value) : `${name}=${String(value)}`;
}

/** An error, and what it was caused by, as far as that is an error too, or a text. */
function causesOf(error: Error): string {
  const chain = new Set<unknown>();
  for (let at: unknown = error; isTellable(at) && !chain.has(at);) {
    chain.add(at);
    at = at instanceof Error ? at.cause : undefined;
  }
  return `\n${[...chain].map(lineOf).join('\ncaused by ')}`;
}

const isTellable = (cause: unknown): boolean => cause instanceof Error || typeof cause === 'string';

function lineOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
