export { isBlobHash } from './names.ts';
export { noBytes } from './no-bytes.ts';
export {
  BlobError,
  type BlobHash,
  type Blobs,
  type ByteRange,
  type KeptBytes,
  type UploadId,
} from './port.ts';
