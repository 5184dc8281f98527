import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { OpenFile } from '@holdfast/client';
import { type Command, defineCommand, type Surroundings } from '../command.ts';
import { connectionArgs, endpointOf } from '../endpoint.ts';
import { Failure } from '../failure.ts';
import { type Filing, transferred, withFiles } from '../filing.ts';
import { printable } from '../output.ts';
import { type Place, placeAt } from '../place.ts';
import { bytes } from '../progress.ts';
import { readStoreName, storeArg } from '../store-name.ts';
import { pathArg } from '../writing.ts';

export const command: Command = defineCommand({
  summary:
    'Download a file. One that broke off goes on where it stopped, when the command is run again.',
  args: {
    store: storeArg,
    path: pathArg,
    file: { type: 'positional', description: 'Where to put it, or - for standard output' },
    force: { type: 'boolean', description: 'Replace a file that is there' },
    ...connectionArgs,
  },
  examples: [
    'holdfast get-file demo/main photos/cat ./cat.jpg',
    'holdfast get-file demo/main backups/src - | tar xz',
  ],
  async run(args, around) {
    const { output, terminal } = around;
    const place = args.file === '-' ? null : await placeAt(args.file);
    if (place?.isThere === true && !args.force) {
      throw new Failure('exists', `${args.file} is there already.`, {
        hint: 'Give another name, or --force to replace it.',
      });
    }
    const name = readStoreName(args.store);
    const file = await withFiles(
      endpointOf(args, terminal),
      { name, output: around.output },
      (filing) => download(filing, { path: args.path, place }, around),
    );
    if (place === null) return;
    const { hash, size, contentType, filename } = file;
    output.record(
      { path: args.path, file: args.file, hash, size, content_type: contentType, filename },
      (paint) => `${paint.green('✓')} ${printable(args.file)} ${paint.dim(bytes(size))}`,
    );
  },
});

/** No place is standard output. */
type Wanted = { readonly path: string; readonly place: Place | null };

async function download(filing: Filing, wanted: Wanted, around: Surroundings): Promise<OpenFile> {
  const { store, signal } = filing;
  const { path, place } = wanted;
  const file = await store.getFile(path, { signal });
  if (file === undefined) {
    throw new Failure('not_found', `There is no file at ${path} in ${store.name}.`, {
      hint: '"holdfast entries" lists what there is.',
    });
  }
  const whole = (): Readable => Readable.from(piecesOf(file.stream));
  if (place === null) {
    await pipeline(whole(), process.stdout, { end: false, signal });
    return file;
  }
  const { file: target, isStream } = place;
  if (isStream) {
    await pipeline(whole(), createWriteStream(target), { signal });
    return file;
  }
  // Named after the content, so that another one's beginning is never gone on with.
  const part = `${target}.${file.hash.slice(7, 19)}.part`;
  const begun = Math.min((await sizeOf(part)) ?? 0, file.size);
  const rest = begun === 0 ? file : await reopen(filing, { file, path, begun });
  const show = transferred(around, { label: path, total: file.size });
  const sink = createWriteStream(part, { flags: begun === 0 ? 'w' : 'a' });
  if (rest !== null) await pipeline(counted(rest.stream, begun, show), sink, { signal });
  await keep(part, { target, hash: file.hash });
  return file;
}

/** The rest of a file whose beginning is there; null where nothing is missing. */
async function reopen(
  { store, signal }: Filing,
  { file, path, begun }: { readonly file: OpenFile; readonly path: string; readonly begun: number },
): Promise<OpenFile | null> {
  await file.stream.cancel();
  if (begun === file.size) return null;
  const rest = await store.getFile(path, { range: { start: begun }, signal });
  if (rest?.hash === file.hash) return rest;
  throw new Failure('conflict', `${path} was replaced meanwhile.`, { hint: 'Run it again.' });
}

async function* counted(
  stream: ReadableStream<Uint8Array>,
  begun: number,
  show: (done: number) => void,
): AsyncIterable<Uint8Array> {
  let done = begun;
  show(done);
  for await (const piece of piecesOf(stream)) {
    yield piece;
    done += piece.byteLength;
    show(done);
  }
}

async function* piecesOf(stream: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  for await (const piece of stream) yield piece;
}

/** Puts what was received in its place, if it is what it should be. */
async function keep(
  part: string,
  wanted: { readonly target: string; readonly hash: string },
): Promise<void> {
  const digest = createHash('sha256');
  await pipeline(createReadStream(part), digest);
  if (`sha256:${digest.digest('hex')}` === wanted.hash) return rename(part, wanted.target);
  await rm(part, { force: true });
  throw new Failure('unexpected', 'What was received is not what the store holds.', {
    hint: 'Run it again: it begins anew.',
  });
}

async function sizeOf(file: string): Promise<number | null> {
  return (await stat(file).catch(() => null))?.size ?? null;
}
