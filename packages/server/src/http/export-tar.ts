import type { Files } from '../files/index.ts';
import { contentOf } from '../storage/batch.ts';
import type { FileContent } from '../storage/port.ts';
import type { HttpDeps } from './deps.ts';
import { type Exported, leavesOf, linesOf, sendOf } from './exported.ts';
import { turn } from './turns.ts';

const BLOCK = 512;
const PIECE_BYTES = 64 * 1024;

/**
 * The state as a tar archive: `entries.jsonl`, then `blobs/<hash>` for each content that its entries name. The sizes come
 * first in an archive, so the lines are made twice. Content that is gone meanwhile ends the answer before its end.
 */
export function exportTar(
  exported: Exported,
  { files, clock }: Pick<HttpDeps, 'clock'> & { readonly files: Pick<Files, 'open'> },
): ReadableStream<Uint8Array> {
  return sendOf(exported, archive(exported, files), { clock });
}

async function* archive(
  exported: Exported,
  files: Pick<Files, 'open'>,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const piece of linesOf(exported)) {
    size += piece.byteLength;
    await turn();
  }
  yield* member('entries.jsonl', size, linesOf(exported));
  for (const content of await contentsOf(exported)) {
    const bytes = await files.open(content);
    if (bytes === null) throw new Error(`The content ${content.hash} is not there.`);
    yield* member(`blobs/${content.hash.replace('sha256:', '')}`, content.size, bytes);
  }
  // Two empty blocks end an archive.
  yield new Uint8Array(2 * BLOCK);
}

/** What the entries name, each once. */
async function contentsOf(exported: Exported): Promise<readonly FileContent[]> {
  const found = new Map<string, FileContent>();
  for (const entry of leavesOf(exported)) {
    // oxlint-disable-next-line no-await-in-loop -- others want their turn
    if (entry === null) await turn();
    const content = entry?.type === 'file' ? contentOf(entry.value) : null;
    if (content !== null) found.set(content.hash, content);
  }
  return [...found.values()];
}

async function* member(
  name: string,
  size: number,
  bytes: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield header(name, size);
  let sent = 0;
  for await (const piece of bytes) {
    sent += piece.byteLength;
    for (let at = 0; at < piece.byteLength; at += PIECE_BYTES) {
      yield piece.subarray(at, at + PIECE_BYTES);
    }
  }
  if (sent !== size) throw new Error(`${name} has ${sent} bytes instead of ${size}.`);
  if (size % BLOCK > 0) yield new Uint8Array(BLOCK - (size % BLOCK));
}

/** A header of the ustar format (POSIX.1-1988); sizes of 8 GiB and more are written in base 256, as GNU tar does. */
function header(name: string, size: number): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, 100, 'latin1');
  block.write('0000644', 100, 'latin1');
  block.write('0000000', 108, 'latin1');
  block.write('0000000', 116, 'latin1');
  if (size < 8 ** 11) block.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  block.write('00000000000\0', 136, 'latin1');
  // The sum of all bytes, its own place counted as spaces.
  block.write(`${' '.repeat(8)}0`, 148, 'latin1');
  block.write('ustar', 257, 'latin1');
  block.write('00', 263, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
