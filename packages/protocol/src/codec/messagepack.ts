import type { Codec } from './codec.ts';
import { decodeJson } from './json.ts';
import { MessagePackReader } from './messagepack-reader.ts';
import { MessagePackWriter } from './messagepack-writer.ts';

/** Frames as strict MessagePack: vsn 3.0.0. JSON text is understood too (stores.md §7.2.1). */
export function messagePackCodec(): Codec {
  const reader = new MessagePackReader();
  const writer = new MessagePackWriter();
  return {
    vsn: '3.0.0',
    binary: true,
    encode: (value) => writer.write(value),
    decode: (data) => (typeof data === 'string' ? decodeJson(data) : reader.read(data)),
  };
}
