import type { BlobHash, UploadId } from './port.ts';

const hashForm = /^sha256:[0-9a-f]{64}$/;
const uploadForm = /^upload:[0-9a-f]{64}$/;
const digits = /^[0-9a-f]{64}$/;

/** Whether a text is the name of a blob. */
export function isBlobHash(text: string): text is BlobHash {
  return hashForm.test(text);
}

/** The 64 digits of a blob's name: all that drivers make file names and keys of. */
export function digitsOf(hash: BlobHash): string {
  if (isBlobHash(hash)) return hash.slice('sha256:'.length);
  throw new RangeError('A blob is named sha256: and 64 hex digits.');
}

/** The blob of these digits; null for anything else that lies about where blobs are. */
export function hashOf(name: string): BlobHash | null {
  return digits.test(name) ? `sha256:${name}` : null;
}

/** The 64 digits of an upload's name. */
export function uploadDigits(upload: UploadId): string {
  if (uploadForm.test(upload)) return upload.slice('upload:'.length);
  throw new RangeError('An upload is named upload: and 64 hex digits.');
}

/** The upload of these digits; null for anything else that lies about where uploads are. */
export function uploadOf(name: string): UploadId | null {
  return digits.test(name) ? `upload:${name}` : null;
}
