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
  process.stdout.on(
    'error',
    onBrokenPipe(() => process.exit(0)),
  );
  // Nobody hears of progress and errors any more; the work goes on, and a server closes in order.
  process.stderr.on(
    'error',
    onBrokenPipe(() => undefined),
  );
  return { env: process.env, stdin: process.stdin, stdout: process.stdout, stderr: process.stderr };
}

function onBrokenPipe(act: () => void): (error: NodeJS.ErrnoException) => void {
  return (error) => {
    if (error.code !== 'EPIPE') throw error;
    act();
  };
}

/** All of standard input as text. */
export async function readInput({ stdin }: Terminal): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stdin) {
    pieces.push(typeof piece === 'string' ? Buffer.from(piece) : piece);
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(pieces));
}
