import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type Answer, openApi, readAnswer } from '../api.ts';
import { type Command, defineCommand, type Surroundings } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { queryOf } from '../entries.ts';
import { Failure, misuse } from '../failure.ts';
import { listOf, textOf } from '../fields.ts';
import { interruptible } from '../interrupt.ts';
import { counted, printable } from '../output.ts';
import { patiently } from '../patience.ts';
import { Progress } from '../progress.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import type { Terminal } from '../terminal.ts';

export const command: Command = defineCommand({
  summary: 'Write the lines of an export into a store.',
  args: {
    store: storeArg,
    file: { type: 'positional', description: 'A file that export made, or - for standard input' },
    atomic: { type: 'boolean', description: 'All lines in one commit, or none' },
    id: {
      type: 'string',
      valueHint: 'ID',
      description: 'Run again with the same ID, it goes on where it stopped (for 24 hours)',
    },
    format: {
      type: 'string',
      valueHint: 'jsonl|tar',
      description: 'What the file is; default: as its name ends',
    },
    headerless: {
      type: 'string',
      valueHint: 'slash|dotted',
      description: 'The file has no header; how its paths are written',
    },
    ...connectionArgs,
  },
  examples: [
    'holdfast import demo/main backup.jsonl --id restore-1',
    'holdfast import demo/main backup.tar   # its files too',
    'gunzip -c backup.jsonl.gz | holdfast import demo/main - --atomic',
  ],
  async run(args, around) {
    const { output, terminal } = around;
    const name = readStoreName(args.store);
    const query = queryOf({
      import_id: args.id,
      headerless: args.headerless,
      mode: args.atomic ? 'atomic' : 'lines',
    });
    const endpoint = endpointOf(args, terminal);
    const open = await opening(args.file, around);
    const hint =
      'What has arrived may be there. With --id, run again, it goes on where it stopped.';
    const report = await interruptible(hint, async (signal) => {
      const url = `/api/stores/${name}/import?${query}`;
      const order = { method: 'POST', type: typeOf(args), alsoFine: 422 } as const;
      const says = { imported: 'number', failed: 'list', failed_total: 'number' } as const;
      const send = async (): Promise<Answer> => {
        const refused = new AbortController();
        const both = AbortSignal.any([signal, refused.signal]);
        try {
          const response = await openApi(endpoint, url, { ...order, body: open(), signal: both });
          return await readAnswer(response, endpoint, { says, alsoFine: 422 });
        } catch (error) {
          // Nobody takes the rest of what was sent.
          refused.abort();
          throw error;
        }
      };
      return args.file === '-' ? send().catch(onlyOnce) : patiently(endpoint, send, signal);
    });
    const { imported, skipped, failed, failed_total: total } = report;
    output.record(
      report,
      (paint) =>
        `${paint.green('✓')} ${String(imported)} imported${Number(skipped) > 0 ? `, ${counted(skipped, 'was', 'were')} there already` : ''}`,
    );
    for (const { line, path, reason } of listOf(failed)) {
      output.note(
        `  line ${String(line)}: ${reason === null ? '' : textOf(reason)} ${path === null ? '' : printable(textOf(path))}`,
      );
    }
    if (Number(total) > 0) {
      const message = `${counted(total, 'line was', 'lines were')} not imported.`;
      throw new Failure('refused', message, { code: 'lines_failed' });
    }
  },
});

function typeOf({
  file,
  format,
}: {
  readonly file: string;
  readonly format: string | undefined;
}): string {
  const known = format ?? (file.endsWith('.tar') ? 'tar' : 'jsonl');
  if (known === 'tar') return 'application/x-tar';
  if (known === 'jsonl') return 'application/x-ndjson';
  throw misuse(`--format is jsonl or tar, not "${known}".`);
}

/** What was read from standard input cannot be sent a second time. */
function onlyOnce(error: unknown): never {
  if (!(error instanceof Failure) || error.code !== 'rate_limited') throw error;
  const { outcome, message, code, details } = error;
  const hint =
    'Standard input cannot be sent twice: pipe it again later. For a file the command waits by itself.';
  throw new Failure(outcome, message, { code, details, hint });
}

/** What opens the file, each time from its beginning. */
async function opening(
  file: string,
  around: Surroundings,
): Promise<() => ReadableStream<Uint8Array>> {
  if (file === '-') return () => streamOf(bytesOf(around.terminal.stdin));
  const found = await stat(file).catch(() => null);
  if (found?.isFile() !== true) {
    throw misuse(
      `There is no file ${file}.`,
      'Give the path of an export, or - for standard input.',
    );
  }
  const progress = new Progress(around, { label: file, total: found.size, unit: 'bytes' });
  return () => streamOf(shownOn(createReadStream(file), progress));
}

async function* shownOn(
  pieces: AsyncIterable<Uint8Array>,
  progress: Progress,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const piece of pieces) {
    yield piece;
    done += piece.length;
    progress.show(done);
  }
}

async function* bytesOf(input: Terminal['stdin']): AsyncGenerator<Uint8Array> {
  for await (const piece of input) yield typeof piece === 'string' ? Buffer.from(piece) : piece;
}

function streamOf(pieces: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: async (controller) => {
      const { done, value } = await pieces.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    cancel: async () => void (await pieces.return(undefined)),
  });
}
