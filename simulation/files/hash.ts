import { createHash } from 'node:crypto';
import { isObject } from '@holdfast/protocol';
import type { BlobHash } from '@holdfast/server/blobs';

/** The name of content. */
export function hashOf(content: Uint8Array): BlobHash {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** The content that the value of an entry names; null where it is no file. */
export function hashIn(value: unknown): BlobHash | null {
  if (!isObject(value) || value['_type'] !== 'file') return null;
  return `sha256:${String(value['hash']).slice('sha256:'.length)}`;
}
