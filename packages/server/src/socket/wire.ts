import { constants, deflateRawSync } from 'node:zlib';
import type { Codec } from '@holdfast/protocol';
import type { RawData } from 'ws';

const FIN_TEXT = 0x81;
const FIN_BINARY = 0x82;
/** Of a message that is compressed (RFC 7692 §6). */
const RSV1 = 0x40;
/** Smaller messages gain nothing (stores.md §7.1.1). */
export const DEFLATE_BYTES_MIN = 1024;
/** What each message would end with is left out (RFC 7692 §7.2.1). */
const TAIL_BYTES = 4;
const deflating = new WeakSet<Codec>();

/**
 * A codec for sockets that compress. They keep no context from message to message, so that one is still made once for all
 * who hear it.
 */
export function deflated(codec: Codec): Codec {
  const own = { ...codec };
  deflating.add(own);
  return own;
}

/** Names how messages are written: those of one format may have the same bytes. */
export function formatOf(codec: Codec): string {
  return deflating.has(codec) ? `${codec.vsn} deflate` : codec.vsn;
}

/** One whole WebSocket message as bytes (RFC 6455 §5.2), made once and written to any number of sockets. */
export function message(codec: Codec, value: unknown): Buffer {
  return frame(codec, codec.encode(value));
}

/** The same for text or bytes that are encoded already. */
export function frame(codec: Codec, data: string | Uint8Array): Buffer {
  const isText = typeof data === 'string';
  const length = isText ? Buffer.byteLength(data) : data.byteLength;
  if (length >= DEFLATE_BYTES_MIN && deflating.has(codec)) {
    const bytes = deflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH });
    const piece = bytes.subarray(0, bytes.length - TAIL_BYTES);
    const head = frameHead({ isText, bytes: piece.length });
    head[0] = (head[0] ?? 0) | RSV1;
    return Buffer.concat([head, piece]);
  }
  const headerBytes = headBytes(length);
  const bytes = Buffer.allocUnsafe(headerBytes + length);
  bytes[0] = isText ? FIN_TEXT : FIN_BINARY;
  writeLength(bytes, length);
  if (isText) bytes.write(data, headerBytes, 'utf8');
  else bytes.set(data, headerBytes);
  return bytes;
}

/** The bytes of a message that came. */
export function bytesOf(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

/** The beginning of a message whose bytes are sent after it, in any number of pieces. */
export function frameHead({
  isText,
  bytes: length,
}: {
  readonly isText: boolean;
  readonly bytes: number;
}): Buffer {
  const bytes = Buffer.allocUnsafe(headBytes(length));
  bytes[0] = isText ? FIN_TEXT : FIN_BINARY;
  writeLength(bytes, length);
  return bytes;
}

function headBytes(length: number): number {
  if (length < 126) return 2;
  return length < 65_536 ? 4 : 10;
}

function writeLength(bytes: Buffer, length: number): void {
  if (length < 126) {
    bytes[1] = length;
  } else if (length < 65_536) {
    bytes[1] = 126;
    bytes.writeUInt16BE(length, 2);
  } else {
    bytes[1] = 127;
    bytes.writeBigUInt64BE(BigInt(length), 2);
  }
}

/** About how long a value is as JSON in UTF-8. */
export function roughBytesOf(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  const isNested = typeof value === 'object' && value !== null;
  return isNested ? Buffer.byteLength(JSON.stringify(value)) : 8;
}
