import { join } from 'node:path';
import { diskBlobs } from './blobs/disk.ts';
import type { Blobs } from './blobs/index.ts';
import { memoryBlobs } from './blobs/memory.ts';
import type { ServerOptions } from './server-options.ts';
import type { Storage } from './storage/port.ts';
import { sqlite } from './storage/sqlite.ts';

/** Where the bytes of files are kept. */
export function openBlobs({ data, files }: ServerOptions): Blobs {
  if (files !== undefined) return files;
  return data === undefined ? memoryBlobs() : diskBlobs({ directory: join(data, 'files') });
}

/** Where everything else is kept. Throws a `TypeError` where nothing says where. */
export function openStorage({ data, storage, clock }: ServerOptions): Storage {
  if (storage !== undefined) return storage;
  if (data === undefined) {
    throw new TypeError('createServer needs `data`, a directory, or `storage`.');
  }
  return sqlite({ directory: data, ...(clock && { now: () => clock.wall() }) });
}
