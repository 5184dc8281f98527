import {
  type BadFrame,
  type Codec,
  type Frame,
  jsonCodec,
  readFrame,
  refuse,
} from '@holdfast/protocol';
import { decodeChunk, isChunk } from '@holdfast/protocol/views';
import type { RawData } from 'ws';
import { readHead } from './frame-head.ts';
import { bytesOf } from './wire.ts';

/** Reads one message of a socket; total. A part of a file comes in a form of its own, whatever the codec (views.md §2). */
export function readMessage(
  data: RawData,
  isBinary: boolean,
  { codec, limit }: { readonly codec: Codec; readonly limit: number },
): Frame | BadFrame {
  const bytes = bytesOf(data);
  if (isBinary && isChunk(bytes)) return decodeChunk(bytes) ?? { kind: 'unreadable' };
  if (isBinary && !codec.binary) return { kind: 'unreadable' };
  if (bytes.length > limit) {
    // Only a file may be so large; anything else is not worth decoding.
    const head = readHead(bytes, isBinary);
    if (head === null) return { kind: 'unreadable' };
    if (head.event !== 'put_file') {
      return { kind: 'bad', ...head, refusal: refuse('frame_too_large', { limit }) };
    }
  }
  try {
    return readFrame(isBinary ? codec.decode(bytes) : jsonCodec.decode(bytes.toString()));
  } catch {
    return { kind: 'unreadable' };
  }
}
