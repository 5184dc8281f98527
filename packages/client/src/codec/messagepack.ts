import type { Codec } from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';

/** Frames as MessagePack: smaller than JSON, and bytes on the wire. Pass it to `createClient` as `codec`. */
export function messagePack(): Codec {
  return messagePackCodec();
}
