import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { openApi, piecesOf } from '../api.ts';
import { type Command, defineCommand, type Surroundings } from '../command.ts';
import { connectionArgs, type Endpoint, endpointOf } from '../endpoint.ts';
import { interruptible } from '../interrupt.ts';
import { counted, printable } from '../output.ts';
import { patiently } from '../patience.ts';
import { placeAt } from '../place.ts';
import { bytes, Progress } from '../progress.ts';
import { Silence } from '../silence.ts';
import { readStoreName, storeArg } from '../store-name.ts';

const newline = 10;
/** What an export comes as, by its format. */
const types: ReadonlyMap<string, string> = new Map([
  ['jsonl', 'application/x-ndjson'],
  ['sqlite', 'application/vnd.sqlite3'],
  ['tar', 'application/x-tar'],
]);
const shownEach = 1000;

export const command: Command = defineCommand({
  summary:
    'Write the entries of a store, as they are now, to a file: JSON lines unless you say otherwise.',
  args: {
    store: storeArg,
    file: { type: 'positional', default: '-', description: 'The file, or - for standard output' },
    format: {
      type: 'string',
      valueHint: 'FORMAT',
      default: 'jsonl',
      description: 'jsonl, sqlite (a database file) or tar (the lines and the files)',
    },
    ...connectionArgs,
  },
  examples: [
    'holdfast export demo/main backup.jsonl',
    'holdfast export demo/main | gzip > backup.jsonl.gz',
    'holdfast export demo/main main.tar --format tar',
  ],
  async run(args, around) {
    const { output, terminal } = around;
    const name = readStoreName(args.store);
    const endpoint = endpointOf(args, terminal);
    const tally = new Tally(name, around);
    const isLines = args.format === 'jsonl';
    const left =
      args.file === '-' ? 'What was written is not all.' : 'What was there is as it was.';
    await interruptible(`${left} Run it again: it begins anew.`, async (signal) => {
      const url = `/api/stores/${name}/export?format=${encodeURIComponent(args.format)}`;
      const accept = types.get(args.format);
      const ask = (): Promise<Response> => answered(endpoint, url, { signal, accept });
      const pieces = piecesOf(await patiently(endpoint, ask, signal), endpoint);
      const source = Readable.from(isLines ? tally.through(pieces) : pieces);
      if (args.file === '-') await pipeline(source, process.stdout, { end: false, signal });
      else await save(source, args.file, signal);
    });
    if (args.file === '-') return;
    if (!isLines) {
      const { size } = await stat(args.file);
      const record = { store: name, file: args.file, format: args.format, size };
      output.record(record, (paint) => `${paint.green('✓')} ${name} in ${printable(args.file)}`);
      return;
    }
    const { entries, size } = tally;
    output.record(
      { store: name, file: args.file, entries, size },
      (paint) =>
        `${paint.green('✓')} ${counted(entries, 'entry', 'entries')} of ${name} in ${printable(args.file)} ${paint.dim(bytes(size))}`,
    );
  },
});

/** Asks, and waits as long as `--timeout` says for the answer to begin; it may last. */
async function answered(
  endpoint: Endpoint,
  url: string,
  { signal, accept }: { readonly signal: AbortSignal; readonly accept: string | undefined },
): Promise<Response> {
  const silence = new Silence();
  silence.allow(endpoint.timeoutMs);
  const both = AbortSignal.any([signal, silence.signal]);
  try {
    return await openApi(endpoint, url, { signal: both, ...(accept !== undefined && { accept }) });
  } finally {
    silence.end();
  }
}

/** What is there is replaced only by an export that is whole. */
async function save(source: Readable, path: string, signal: AbortSignal): Promise<void> {
  const { file, isStream } = await placeAt(path);
  if (isStream) return pipeline(source, createWriteStream(file), { signal });
  const part = `${file}.part`;
  try {
    await pipeline(source, createWriteStream(part), { signal });
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/** Counts what goes by; the first line says how much there will be. */
class Tally {
  readonly #store: string;
  readonly #around: Surroundings;
  #progress: Progress | null = null;
  #header = '';
  #lines = 0;
  #shown = 0;
  size = 0;

  constructor(store: string, around: Surroundings) {
    this.#store = store;
    this.#around = around;
  }

  get entries(): number {
    return Math.max(0, this.#lines - 1);
  }

  async *through(
    pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      this.#count(piece);
      yield piece;
    }
    this.#progress?.show(this.entries);
  }

  #count(piece: Uint8Array): void {
    this.size += piece.length;
    if (this.#progress === null) this.#read(new TextDecoder().decode(piece));
    for (const byte of piece) if (byte === newline) this.#lines += 1;
    if (this.entries - this.#shown < shownEach) return;
    this.#shown = this.entries;
    this.#progress?.show(this.entries);
  }

  #read(text: string): void {
    this.#header += text;
    const end = this.#header.indexOf('\n');
    if (end === -1) return;
    const header: unknown = JSON.parse(this.#header.slice(0, end));
    const total = Object(header)['entry_count'];
    this.#progress = new Progress(this.#around, {
      label: this.#store,
      total: typeof total === 'number' ? total : 0,
    });
  }
}
