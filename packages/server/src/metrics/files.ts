import type { BlobHash, Blobs, ByteRange } from '../blobs/index.ts';
import type { Counter } from './instruments.ts';
import type { Meters } from './meters.ts';

/** The same blobs, and what goes in and out of them is counted. */
export function measuredBlobs(blobs: Blobs, meters: Meters): Blobs {
  const { fileReadBytes, fileWrittenBytes, filesDeleted } = meters;
  return {
    stat: (hash) => blobs.stat(hash),
    read: async (hash: BlobHash, range?: ByteRange) => {
      const bytes = await blobs.read(hash, range);
      return bytes === null ? null : counted(bytes, fileReadBytes);
    },
    received: (upload) => blobs.received(upload),
    append: (upload, from, bytes) => blobs.append(upload, from, counted(bytes, fileWrittenBytes)),
    finish: (upload, hash) => blobs.finish(upload, hash),
    delete: async (name) => {
      await blobs.delete(name);
      filesDeleted.add();
    },
    list: () => blobs.list(),
  };
}

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  counter: Counter,
): AsyncIterable<Uint8Array> {
  for await (const piece of bytes) {
    counter.add(piece.byteLength);
    yield piece;
  }
}
