import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import { decodeExact, encodeExact } from '@holdfast/protocol/record';
import type { BusCodec } from './nats.ts';

/** Envelopes as bytes on a bus (records.md §7.3): MessagePack, with all that records, sources and presence may hold. */
export function envelopeCodec(): BusCodec {
  const codec = messagePackCodec();
  return {
    encode: (message) => {
      const bytes = codec.encode(encodeExact(message));
      if (typeof bytes === 'string') throw new TypeError('MessagePack is bytes.');
      return bytes;
    },
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a decoder yields JSON, or what no reader takes for it
    decode: (bytes) => decodeExact(codec.decode(bytes) as never),
  };
}
