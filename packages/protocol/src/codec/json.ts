import { type Codec, DecodeError } from './codec.ts';

let utf8: TextDecoder | undefined;

/** Decodes JSON text, or the same in UTF-8. */
export function decodeJson(data: string | Uint8Array): unknown {
  try {
    if (typeof data === 'string') return JSON.parse(data);
    utf8 ??= new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    return JSON.parse(utf8.decode(data));
  } catch {
    throw new DecodeError('The frame is not JSON.');
  }
}

/** Frames as JSON text: vsn 2.0.0. */
export const jsonCodec: Codec = {
  vsn: '2.0.0',
  binary: false,
  encode: (value) => JSON.stringify(value),
  decode: decodeJson,
};
