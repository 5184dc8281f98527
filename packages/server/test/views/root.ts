import type { Envelope } from '@holdfast/protocol/views';
import type { Payload, Peer, Reply, WireFrame } from '../conversation/peer.ts';

/** One root of a bare peer, as a client of Musubi or of ours speaks to it. */
export class Root {
  readonly topic: string;
  readonly #peer: Peer;
  #joinRef = '';

  constructor(peer: Peer, module: string, id: string) {
    this.#peer = peer;
    this.topic = `musubi:connection:${module}:${id}`;
  }

  get joinRef(): string {
    return this.#joinRef;
  }

  /** Joins; the reply. */
  join(payload: object): Promise<Reply> {
    const ref = this.#peer.ref();
    this.#joinRef = ref;
    this.#peer.send([ref, ref, this.topic, 'phx_join', payload]);
    return this.#peer.reply(ref);
  }

  /** Pushes; the ref of the reply. */
  push(event: string, payload: object): string {
    const ref = this.#peer.ref();
    this.#peer.send([this.#joinRef, ref, this.topic, event, payload]);
    return ref;
  }

  async ask(event: string, payload: object): Promise<Reply> {
    return this.#peer.reply(this.push(event, payload));
  }

  command(name: string, payload: object = {}, more: object = {}): Promise<Reply> {
    return this.ask('command', { name, payload, ...more });
  }

  /** The next frame of this root. */
  next(): Promise<WireFrame> {
    return this.#peer.until((frame) => frame[2] === this.topic);
  }

  /** The next envelope; nothing else may come before it. */
  async envelope(): Promise<Envelope> {
    const [joinRef, ref, , event, payload] = await this.next();
    if (event !== 'patch' || ref !== null || joinRef !== this.#joinRef) {
      throw new Error(`no envelope: ${event} ${JSON.stringify(payload)}`);
    }
    return asEnvelope(payload);
  }
}

function asEnvelope(payload: Payload): Envelope {
  const keys = Object.keys(payload).toSorted().join(' ');
  if (keys !== 'base_version events ops root_id stream_ops type upload_ops version') {
    throw new Error(`an envelope has these keys: ${keys}`);
  }
  return payload as Envelope;
}
