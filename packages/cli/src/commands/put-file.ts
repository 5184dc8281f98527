import { openAsBlob } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { StoredFile } from '@holdfast/client';
import { type Command, defineCommand, type Surroundings } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { misuse } from '../failure.ts';
import { type Filing, transferred, typeOfName, withFiles } from '../filing.ts';
import { printable } from '../output.ts';
import { bytes } from '../progress.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import type { Terminal } from '../terminal.ts';
import { fenceArg, matchArg, pathArg, readFence, readMatch } from '../writing.ts';

export const command: Command = defineCommand({
  summary:
    'Upload a file. One that broke off goes on where it stopped, when the command is run again.',
  args: {
    store: storeArg,
    path: pathArg,
    file: { type: 'positional', description: 'The file, or - to read standard input' },
    filename: {
      type: 'string',
      valueHint: 'NAME',
      description: 'What it is to be called (default: its name here)',
    },
    'content-type': {
      type: 'string',
      valueHint: 'TYPE',
      description: 'What it is, such as image/png (default: by its name)',
    },
    ...matchArg,
    'if-absent': { type: 'boolean', description: 'Only if nothing is there' },
    ...fenceArg,
    ...connectionArgs,
  },
  examples: [
    'holdfast put-file demo/main photos/cat ./cat.jpg',
    'tar cz src | holdfast put-file demo/main backups/src - --filename src.tar.gz',
  ],
  async run(args, around) {
    const { output, terminal } = around;
    const source = await sourceOf(args.file, terminal);
    const filename = args.filename ?? source.name;
    const options = {
      ...(filename !== null && { filename }),
      contentType: args['content-type'] ?? typeOfName(filename ?? ''),
      ...readMatch(args['if-match']),
      ...(args['if-absent'] && { ifAbsent: true }),
      ...readFence(args.fence),
    };
    const stored = await withFiles(
      endpointOf(args, terminal),
      { name: readStoreName(args.store), output: around.output },
      (filing) => upload(filing, { path: args.path, source, options }, around),
    );
    const { seq, hash, size, contentType } = stored;
    output.record(
      { op: 'put-file', path: args.path, seq, hash, size, content_type: contentType, filename },
      (paint) =>
        `${paint.green('✓')} put-file ${printable(args.path)} ${paint.dim(`${bytes(size)}  seq ${seq}`)}`,
    );
  },
});

type Source = { readonly content: Blob | AsyncIterable<Uint8Array>; readonly name: string | null };

async function sourceOf(file: string, { stdin }: Terminal): Promise<Source> {
  if (file === '-') return { content: bytesOf(stdin), name: null };
  const found = await stat(file).catch(() => null);
  if (found?.isFile() !== true) {
    throw misuse(`There is no file ${file}.`, 'Give the path of a file, or - for standard input.');
  }
  return { content: await openAsBlob(file), name: basename(file) };
}

async function* bytesOf(input: Terminal['stdin']): AsyncIterable<Uint8Array> {
  for await (const piece of input) yield typeof piece === 'string' ? Buffer.from(piece) : piece;
}

function upload(
  { store, signal }: Filing,
  {
    path,
    source,
    options,
  }: { readonly path: string; readonly source: Source; readonly options: object },
  around: Surroundings,
): Promise<StoredFile> {
  const { content } = source;
  // How much comes by standard input nobody knows before its end.
  if (!(content instanceof Blob)) return store.putFile(path, content, { ...options, signal });
  const show = transferred(around, { label: path, total: content.size });
  const onProgress = ({ sent }: { readonly sent: number }): void => show(sent);
  return store.putFile(path, content, { ...options, signal, onProgress });
}
