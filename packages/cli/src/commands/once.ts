import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Json } from '@holdfast/protocol';
import { type Command, defineCommand } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { Failure, misuse } from '../failure.ts';
import { interruptible } from '../interrupt.ts';
import { longValue } from '../output.ts';
import { withStore } from '../session.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import type { Terminal } from '../terminal.ts';
import { readDuration, readOptional } from '../values.ts';

const summary = 'Run a program once among all who ask, and show what it wrote.';
/** A value holds so much; a program that writes more is stopped. */
const outputBytesMax = 64 * 1024;
/** As shells tell of SIGHUP. */
const hungUp = 129;

type Program = { readonly file: string; readonly args: readonly string[] };

/** Its arguments are two lists: ours, and behind `--` the program's. */
export const command: Command = {
  summary,
  options: running({ file: '', args: [] }).options,
  words: [],
  run(rawArgs, terminal) {
    const end = rawArgs.indexOf('--');
    const [file, ...args] = end < 0 ? [] : rawArgs.slice(end + 1);
    if (file === undefined) {
      throw misuse('"once" needs a program to run.', 'Put it behind --: once STORE KEY -- PROGRAM');
    }
    return running({ file, args }).run(rawArgs.slice(0, end), terminal);
  },
  async usage(name) {
    const text = await running({ file: '', args: [] }).usage(name);
    return text.replace('<KEY>', '<KEY> -- PROGRAM [ARGUMENTS]');
  },
};

function running(program: Program): Command {
  return defineCommand({
    summary,
    args: {
      store: storeArg,
      key: { type: 'positional', description: 'Where the value is kept; delete it to run again' },
      ttl: {
        type: 'string',
        valueHint: 'DURATION',
        default: '30s',
        description: 'After so long one who runs it and is not heard of is replaced',
      },
      wait: {
        type: 'string',
        valueHint: 'DURATION',
        description: 'How long to wait for another who runs it (default: --ttl and 5s)',
      },
      ...connectionArgs,
    },
    examples: ['holdfast once demo/main reports/today --ttl 5m -- ./make-report.sh'],
    async run(args, { output, terminal }) {
      const name = readStoreName(args.store);
      const ttl = readDuration(args.ttl, '--ttl');
      const waitTimeout = readOptional(args.wait, (text) => readDuration(text, '--wait'));
      const hint = 'Nothing was written: whoever asks next runs the program.';
      const flight = await interruptible(hint, (signal) =>
        withStore(endpointOf(args, terminal), { name, output, scope: [args.key] }, (store) =>
          store.once(args.key, (lost) => outputOf(program, { terminal, signal: lost }), {
            ttl,
            signal,
            ...(waitTimeout !== undefined && { waitTimeout }),
          }),
        ),
      );
      const { how, value } = flight;
      output.record({ path: args.key, how, value }, () =>
        typeof value === 'string' ? value : longValue(value),
      );
    },
  });
}

/** What the program writes: JSON, or text without its last line break. */
async function outputOf(
  { file, args }: Program,
  { terminal, signal }: { readonly terminal: Terminal; readonly signal: AbortSignal },
): Promise<Json> {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: hasGroups });
  const kill = (): void => endGroup(child);
  const release = linked(kill, signal);
  const pieces: Buffer[] = [];
  let bytes = 0;
  child.stdout.on('data', (piece: Buffer) => {
    bytes += piece.length;
    if (bytes > outputBytesMax) kill();
    else pieces.push(piece);
  });
  // A character that comes in two pieces is one.
  child.stderr.setEncoding('utf8').on('data', (piece: string) => terminal.stderr.write(piece));
  try {
    const [code, ended]: unknown[] = await once(child, 'close');
    signal.throwIfAborted();
    if (bytes > outputBytesMax) {
      throw new Failure('refused', `${file} wrote more than a value may hold.`, {
        code: 'value_too_large',
        details: { limit: outputBytesMax },
      });
    }
    if (code !== 0) throw new Failure('unexpected', `${file} ended with ${String(code ?? ended)}.`);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw misuse(`There is no program ${file}.`);
    }
    throw error;
  } finally {
    release();
  }
  return valueOf(Buffer.concat(pieces).toString('utf8'));
}

const hasGroups = process.platform !== 'win32';

/** Ends a program with all that it has started: that would go on beside whoever runs it next, and keep its output open. */
function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(hasGroups ? -pid : pid);
  } catch {
    // It has ended by itself.
  }
}

/** Runs `kill` when the work is given up, or this process ends: a group of its own hears nothing from the terminal. */
function linked(kill: () => void, signal: AbortSignal): () => void {
  signal.addEventListener('abort', kill);
  process.on('exit', kill);
  // Who has no terminal, as under nohup, is not to end with one.
  if (process.stdin.isTTY) process.on('SIGHUP', hangUp);
  return () => {
    signal.removeEventListener('abort', kill);
    process.off('exit', kill).off('SIGHUP', hangUp);
  };
}

function hangUp(): void {
  process.exit(hungUp);
}

function valueOf(text: string): Json {
  try {
    const value: Json = JSON.parse(text);
    return value;
  } catch {
    return text.replace(/\r?\n$/, '');
  }
}
