import {
  type Codec,
  errorFrame,
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
  readonly report: (error: unknown) => void;
};

const normal = 1000;
const lostCode = 1006;
const tokenInvalid = 4001;
/** Who has not heard of the server by then tries a socket: well before a connection has to be open. */
const patienceMs = 4000;
/** After so many writes in a row that were lost by HTTP the next line is a socket's, if one can be had. */
const lossesMax = 2;

/**
 * A link that needs no socket for stores of which nothing is read (records.md §8.1.6): it answers for their channels itself,
 * and takes their writes to `transact` by HTTP, one after the other. With the first topic that wants more it opens a socket by
 * the link that it is given, for that topic and all like it. Where HTTP does not reach the server, the socket is for all.
 */
export function httpWrites(options: HttpWritesOptions): Link {
  const { link } = options;
  const past: Past = { losses: 0, isTold: false };
  return {
    open: (url, events) => {
      const api = Api.of(url, options.env);
      if (api === null) return link.open(url, events);
      return new HttpLine({ api, url, events, past }, options);
    },
    ...(link.seal && { seal: link.seal.bind(link) }),
  };
}

/** What became of writes by HTTP, on all lines; of those that get no answer is told once. */
type Past = { losses: number; isTold: boolean };

type Call = {
  readonly api: Api;
  readonly url: string;
  readonly events: LinkEvents;
  readonly past: Past;
};

class HttpLine implements LinkConnection {
  readonly #call: Call;
  readonly #options: HttpWritesOptions;
  readonly #channels = new Map<string, HttpChannel>();
  /** Topics that have asked for what HTTP cannot do. */
  readonly #bound = new Set<string>();
  #state: 'opening' | 'open' | 'over' = 'opening';
  #socket: LinkConnection | null = null;
  /** Nothing goes by HTTP. */
  #isHandedOver = false;
  /** What waits for the socket to open; null: it is open. */
  #waiting: (string | Uint8Array)[] | null = [];

  constructor(call: Call, options: HttpWritesOptions) {
    this.#call = call;
    this.#options = options;
    if (call.past.losses >= lossesMax) {
      // Not within the call that opens it.
      queueMicrotask(() => this.#handOver());
      return;
    }
    const late = options.env.setTimeout(() => this.#handOver(), patienceMs);
    const isKnown = (): void => options.env.clearTimeout(late);
    call.api.probe().then(
      () => {
        isKnown();
        if (!this.#isHandedOver) this.#opened();
      },
      (error: unknown) => {
        isKnown();
        if (error instanceof Unauthorized) this.#lost(error);
        else this.#handOver();
      },
    );
  }

  send(data: string | Uint8Array): void {
    if (this.#state !== 'open') return;
    const frame = this.#isHandedOver ? null : this.#read(data);
    if (frame === null) this.#toSocket(data);
    else if (frame.event === 'phx_join') this.#join(frame, data);
    else if (frame.topic === 'phoenix' && this.#socket === null) this.#control(frame, data);
    else this.#push(frame, data);
  }

  close(code: number = normal): void {
    if (this.#state === 'over') return;
    queueMicrotask(() => this.#call.events.closed(code));
    this.#over();
    this.#socket?.close(code);
  }

  #opened(): void {
    if (this.#state !== 'opening') return;
    this.#state = 'open';
    this.#call.events.opened();
  }

  /** A proxy may let nothing but sockets through. */
  #handOver(): void {
    if (this.#state !== 'opening' || this.#isHandedOver) return;
    this.#isHandedOver = true;
    try {
      this.#dial();
    } catch (error) {
      this.#lost(error);
    }
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
      answered: () => {
        Object.assign(this.#call.past, { losses: 0, isTold: false });
      },
      lost: (error) => {
        this.#count(error);
        this.#failed(error, () => {
          this.#bound.add(topic);
          channel.leave(errorFrame(topic, channel.joinRef));
        });
      },
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
  #control(frame: Frame, data: string | Uint8Array): void {
    if (frame.event !== 'heartbeat') {
      queueMicrotask(() => this.#say(refusalFrame(frame, refuse('unavailable'))));
      return;
    }
    this.#call.api.probe().then(
      () => this.#say(replyFrame(frame, 'ok', {})),
      (error: unknown) => this.#failed(error, () => this.#toSocket(data)),
    );
  }

  #toSocket(data: string | Uint8Array): void {
    const socket = this.#socket ?? this.#dial();
    if (this.#waiting === null) socket.send(data);
    else this.#waiting.push(data);
  }

  #dial(): LinkConnection {
    this.#socket = this.#options.link.open(this.#call.url, {
      opened: () => {
        const waiting = this.#waiting ?? [];
        this.#waiting = null;
        for (const each of waiting) this.#socket?.send(each);
        this.#opened();
      },
      received: (message) => {
        if (this.#state === 'open') this.#call.events.received(message);
      },
      closed: (code) => this.#end(code),
    });
    return this.#socket;
  }

  #say(frame: Frame): void {
    if (this.#state !== 'open') return;
    this.#call.events.received(this.#options.codec.encode(frameTuple(frame)));
  }

  /**
   * Where a socket is open, what HTTP has lost is sent once more by that, under the same id and device: so it is committed once
   * (stores.md §15.3). Else the line ends with it.
   */
  #failed(error: unknown, move: () => void): void {
    if (error instanceof Unauthorized || this.#waiting !== null) this.#lost(error);
    else if (this.#state === 'open') move();
  }

  #count(error: unknown): void {
    const { past } = this.#call;
    if (error instanceof Unauthorized) return;
    past.losses += 1;
    if (past.losses < lossesMax || past.isTold) return;
    past.isTold = true;
    this.#options.report(error);
  }

  #lost(error: unknown): void {
    const socket = this.#socket;
    this.#end(error instanceof Unauthorized ? tokenInvalid : lostCode);
    socket?.close();
  }

  #end(code: number): void {
    if (this.#state === 'over') return;
    // Where no socket can be had, HTTP is tried again.
    if (this.#state === 'opening') this.#call.past.losses = 0;
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
