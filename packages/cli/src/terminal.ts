import { exitCodes } from './exit-codes.ts';
import { misuse } from './failure.ts';

/** Where text goes. */
export type TextStream = {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
};

/** What a command has of the world around it. */
export type Terminal = {
  readonly env: { readonly [name: string]: string | undefined };
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly stdout: TextStream;
  readonly stderr: TextStream;
};

/** The terminal of this process. A reader that goes away, as `head` does, ends the command in silence. */
export function processTerminal(): Terminal {
  process.stdout.on('error', endOfOutput);
  // Nobody hears of progress and errors any more; the work goes on, and a server closes in order.
  process.stderr.on('error', () => undefined);
  return { env: process.env, stdin: process.stdin, stdout: process.stdout, stderr: process.stderr };
}

/** A file on a full disk, say: what is missing there has to be known. It is no terminal, so that errors are JSON. */
function endOfOutput({ code = 'EIO', message }: NodeJS.ErrnoException): void {
  if (code === 'EPIPE') process.exit(0);
  const { exit } = exitCodes.usage;
  const hint = 'Look at the disk that it goes to. What is there is not all.';
  const told = { code, message: `Standard output cannot be written to: ${message}.`, hint };
  process.stderr.write(`${JSON.stringify({ error: { ...told, exit_code: exit, details: {} } })}\n`);
  process.exit(exit);
}

/** All of standard input as text. */
export async function readInput({ stdin }: Terminal): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stdin) {
    pieces.push(typeof piece === 'string' ? Buffer.from(piece) : piece);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces));
  } catch {
    throw misuse('Standard input is not UTF-8.', 'For bytes there is "holdfast put-file".');
  }
}
