import type { Frame } from '../channel.ts';
import { utf8Length } from '../../utf8.ts';

/*
 * The one binary frame of vsn 2.0.0 (views.md §2): 0, the lengths of four texts, the texts, the bytes of the chunk. Its
 * first byte is none of a MessagePack array, so it is told apart on vsn 3.0.0, too.
 */

/** A chunk of a file on its way to the server. */
export type ChunkFrame = Omit<Frame, 'payload'> & { readonly payload: Uint8Array };

const headerBytes = 5;

/** Encodes a chunk; throws a RangeError when a text of its header is longer than 255 bytes. */
export function encodeChunk(frame: ChunkFrame): Uint8Array {
  const texts = [frame.joinRef ?? '', frame.ref ?? '', frame.topic, frame.event];
  const lengths = texts.map(utf8Length);
  if (lengths.some((length) => length < 0 || length > 255)) {
    throw new RangeError('a text of the header is too long');
  }
  const start = lengths.reduce((sum, length) => sum + length, headerBytes);
  const bytes = new Uint8Array(start + frame.payload.length);
  bytes.set(lengths, 1);
  const encoder = new TextEncoder();
  let at = headerBytes;
  for (const text of texts) at += encoder.encodeInto(text, bytes.subarray(at)).written;
  bytes.set(frame.payload, start);
  return bytes;
}

/** Whether a binary message is a chunk's frame, not one of MessagePack. */
export function isChunk(bytes: Uint8Array): boolean {
  return bytes[0] === 0;
}

/** Decodes a chunk; null: it is none. The payload is a part of what was given, not a copy. */
export function decodeChunk(bytes: Uint8Array): ChunkFrame | null {
  if (!isChunk(bytes) || bytes.length < headerBytes) return null;
  const texts: string[] = [];
  let at = headerBytes;
  for (const length of bytes.subarray(1, headerBytes)) {
    const text = decodeText(bytes.subarray(at, at + length), length);
    if (text === null) return null;
    texts.push(text);
    at += length;
  }
  const [joinRef = '', ref = '', topic = '', event = ''] = texts;
  return {
    joinRef: joinRef === '' ? null : joinRef,
    ref: ref === '' ? null : ref,
    topic,
    event,
    payload: bytes.subarray(at),
  };
}

let utf8: TextDecoder | undefined;

function decodeText(bytes: Uint8Array, length: number): string | null {
  if (bytes.length < length) return null;
  utf8 ??= new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}
