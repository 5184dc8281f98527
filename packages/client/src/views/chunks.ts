import { encodeChunk } from '@holdfast/protocol/views';
import type { Uplink } from '../uplink.ts';

/** Lets a connection send chunks, which no codec knows. */
export function encodeChunks(uplink: Uplink): void {
  if (wrapped.has(uplink)) return;
  wrapped.add(uplink);
  const { encode } = uplink;
  uplink.encode = (frame) => {
    const { payload } = frame;
    return payload instanceof Uint8Array ? encodeChunk({ ...frame, payload }) : encode(frame);
  };
}

const wrapped: WeakSet<Uplink> = /* @__PURE__ */ new WeakSet();
