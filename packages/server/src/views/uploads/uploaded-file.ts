import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { UploadItem } from '@holdfast/engine/view';
import type { Files } from '../../files/index.ts';
import type { BlobHash } from '../../blobs/index.ts';
import { StoreOfView } from '../store-of-view.ts';
import type { UploadedFile } from '../uploads-handle.ts';
import type { TempFile } from './temp-files.ts';

/** What a `consume` callback has of the bytes (views.md §10.5). */
export function uploadedFile(file: TempFile, item: UploadItem, files: Files): UploadedFile {
  const { path, size } = file;
  const sha256 = async (): Promise<string> => {
    const digest = createHash('sha256');
    for await (const piece of bytesOf(path)) digest.update(piece);
    return digest.digest('hex');
  };
  return {
    path,
    size,
    stream: () => bytesOf(path),
    sha256,
    saveTo: async (store, at, guard) => {
      if (!(store instanceof StoreOfView)) {
        throw new TypeError('saveTo needs a store of ctx.store.');
      }
      const target = store.fileAt(at, guard);
      const expected: BlobHash = `sha256:${await sha256()}`;
      const opened = await store.opened();
      const kept = await files.intake.receive(opened.id, bytesOf(path), { expected });
      if (kept === null) throw new Error('The temp file changed while it was saved.');
      const label = { contentType: item.type || 'application/octet-stream', filename: item.name };
      const write = { ...target, value: files.envelope(kept, label) };
      return { seq: await opened.write(write) };
    },
  };
}

async function* bytesOf(path: string): AsyncIterable<Uint8Array> {
  for await (const piece of createReadStream(path)) {
    if (piece instanceof Uint8Array) yield piece;
  }
}
