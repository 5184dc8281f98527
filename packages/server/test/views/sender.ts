import { encodeChunk } from '@holdfast/protocol/views';
import type { Peer, Reply } from '../conversation/peer.ts';

/** The channel of one file. */
export class Sender {
  readonly topic: string;
  readonly #peer: Peer;
  #joinRef = '';

  constructor(peer: Peer, ref: string) {
    this.#peer = peer;
    this.topic = `musubi_upload:${ref}`;
  }

  join(payload: object): Promise<Reply> {
    this.#joinRef = this.#peer.ref();
    this.#peer.send([this.#joinRef, this.#joinRef, this.topic, 'phx_join', payload]);
    return this.#peer.reply(this.#joinRef);
  }

  chunk(bytes: string | Uint8Array): Promise<Reply> {
    return this.#peer.reply(this.push(bytes));
  }

  /** Sends a chunk; the ref of the reply. */
  push(bytes: string | Uint8Array): string {
    const ref = this.#peer.ref();
    const payload = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    this.#peer.sendRaw(
      encodeChunk({ joinRef: this.#joinRef, ref, topic: this.topic, event: 'chunk', payload }),
    );
    return ref;
  }

  leave(): void {
    this.#peer.send([this.#joinRef, this.#peer.ref(), this.topic, 'phx_leave', {}]);
  }
}
