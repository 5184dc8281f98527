import {
  type Codec,
  type Frame,
  frameTuple,
  isBadFrame,
  isObject,
  readFrame,
  refusalFrame,
  refuse,
  replyFrame,
} from '@holdfast/protocol';
import type { Link, LinkConnection, LinkEvents } from '../port.ts';
import { Api, type HttpEnv, Unauthorized } from './api.ts';
import { HttpChannel } from './channel.ts';

/** What writes by HTTP need. */
export type HttpWritesOptions = {
  /** For all that HTTP cannot do. */
  readonly link: Link;
  readonly codec: Codec;
  readonly env: HttpEnv;
};

const normal = 1000;
const lostCode = 1006;
const tokenInvalid = 4001;

/**
 * A link that needs no socket for stores of which nothing is read (records.md §8.1.6): it answers for their channels itself,
 * and takes their writes to `transact` by HTTP, one after the other. With the first topic that wants more it opens a socket by
 * the link that it is given, for that topic and all like it.
 */
export function httpWrites(options: HttpWritesOptions): Link {
  const { link } = options;
  return {
    open: (url, events) => {
      const api = Api.of(url, options.env);
      return api === null ? link.open(url, events) : new HttpLine({ api, url, events }, options);
    },
    ...(link.seal && { seal: link.seal.bind(link) }),
  };
}

type Call = { readonly api: Api; readonly url: string; readonly events: LinkEvents };

class HttpLine implements LinkConnection {
  readonly #call: Call;
  readonly #options: HttpWritesOptions;
  readonly #channels = new Map<string, HttpChannel>();
  /** Topics that have asked for what HTTP cannot do. */
  readonly #bound = new Set<string>();
  #state: 'opening' | 'open' | 'over' = 'opening';
  #socket: LinkConnection | null = null;
  /** What waits for the socket to open; null: it is open. */
  #waiting: (string | Uint8Array)[] | null = [];

  constructor(call: Call, options: HttpWritesOptions) {
    this.#call = call;
    this.#options = options;
    void this.#probe(() => {
      this.#state = 'open';
      call.events.opened();
    });
  }

  send(data: string | Uint8Array): void {
    if (this.#state !== 'open') return;
    const frame = this.#read(data);
    if (frame === null) this.#toSocket(data);
    else if (frame.event === 'phx_join') this.#join(frame, data);
    else if (frame.topic === 'phoenix' && this.#socket === null) this.#control(frame);
    else this.#push(frame, data);
  }

  close(code: number = normal): void {
    if (this.#state === 'over') return;
    queueMicrotask(() => this.#call.events.closed(code));
    this.#over();
    this.#socket?.close(code);
  }

  #join(frame: Frame, data: string | Uint8Array): void {
    const { topic } = frame;
    this.#channels.get(topic)?.close();
    this.#channels.delete(topic);
    if (this.#bound.has(topic) || !asksNothing(frame)) {
      this.#toSocket(data);
      return;
    }
    const channel = new HttpChannel(frame, {
      api: this.#call.api,
      env: this.#options.env,
      say: (said) => this.#say(said),
      lost: (error) => this.#lost(error),
      bind: () => this.#bound.add(topic),
    });
    this.#channels.set(topic, channel);
  }

  #push(frame: Frame, data: string | Uint8Array): void {
    const channel = this.#channels.get(frame.topic);
    if (channel?.joinRef === frame.joinRef) channel.take(frame);
    else if (this.#socket !== null) this.#toSocket(data);
  }

  /** What is said to the connection itself, where there is no socket. */
  #control(frame: Frame): void {
    if (frame.event === 'heartbeat') void this.#probe(() => this.#say(replyFrame(frame, 'ok', {})));
    else queueMicrotask(() => this.#say(refusalFrame(frame, refuse('unavailable'))));
  }

  /** Looks whether the server is there, and takes the token. */
  async #probe(done: () => void): Promise<void> {
    try {
      await this.#call.api.probe();
    } catch (error) {
      this.#lost(error);
      return;
    }
    if (this.#state !== 'over') done();
  }

  #toSocket(data: string | Uint8Array): void {
    this.#socket ??= this.#options.link.open(this.#call.url, {
      opened: () => {
        const waiting = this.#waiting ?? [];
        this.#waiting = null;
        for (const each of waiting) this.#socket?.send(each);
      },
      received: (message) => {
        if (this.#state === 'open') this.#call.events.received(message);
      },
      closed: (code) => this.#end(code),
    });
    if (this.#waiting === null) this.#socket.send(data);
    else this.#waiting.push(data);
  }

  #say(frame: Frame): void {
    if (this.#state !== 'open') return;
    this.#call.events.received(this.#options.codec.encode(frameTuple(frame)));
  }

  #lost(error: unknown): void {
    const socket = this.#socket;
    this.#end(error instanceof Unauthorized ? tokenInvalid : lostCode);
    socket?.close();
  }

  #end(code: number): void {
    if (this.#state === 'over') return;
    this.#over();
    this.#call.events.closed(code);
  }

  #over(): void {
    this.#state = 'over';
    this.#call.api.close();
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  /** Null: it is no frame of a store, or of the connection. */
  #read(data: string | Uint8Array): Frame | null {
    try {
      const frame = readFrame(this.#options.codec.decode(data));
      return isBadFrame(frame) ? null : frame;
    } catch {
      return null;
    }
  }
}

/** Whether a join asks for nothing to read (stores.md §10.1.2). */
function asksNothing({ topic, payload }: Frame): boolean {
  const { patterns } = isObject(payload) ? payload : {};
  return topic.startsWith('store:') && Array.isArray(patterns) && patterns.length === 0;
}
