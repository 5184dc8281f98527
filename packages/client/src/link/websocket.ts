import { forgetNodeSocket, onNodeSocket } from '#node-sockets';
import type { Link, LinkConnection, LinkEvents } from './port.ts';

type SocketEvent = { readonly type: string; readonly data?: unknown; readonly code?: number };

/** What a WebSocket of any platform can do, as far as a link needs it. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
  /** Ends it without waiting for the peer, where the class can. */
  terminate?(): void;
  addEventListener(
    type: 'open' | 'message' | 'close' | 'error',
    listener: (event: SocketEvent) => void,
  ): void;
}

/** A class of WebSockets: the platform's, or that of the package `ws`. */
export type WebSocketClass = new (url: string) => WebSocketLike;

/**
 * The default link: one WebSocket per connection. Without `webSocket` the platform's class is used; where there is none
 * (Node before 22) this throws a `TypeError`.
 */
export function webSocketLink(options: { readonly webSocket?: WebSocketClass } = {}): Link {
  const webSocket = options.webSocket ?? platformClass();
  return { open: (url, events) => new SocketConnection({ url, webSocket }, events) };
}

function platformClass(): WebSocketClass {
  const { WebSocket: found } = globalThis as { readonly WebSocket?: WebSocketClass };
  if (found !== undefined) return found;
  throw new TypeError('This platform has no WebSocket; pass one as `webSocket`.');
}

const OPEN = 1;

class SocketConnection implements LinkConnection {
  readonly #socket: WebSocketLike;
  readonly #events: LinkEvents;
  readonly #url: string;
  #isOver = false;
  #unref: (() => void) | null = null;

  constructor(
    { url, webSocket }: { readonly url: string; readonly webSocket: WebSocketClass },
    events: LinkEvents,
  ) {
    this.#url = url;
    onNodeSocket(url, this.#found);
    const socket = new webSocket(url);
    this.#socket = socket;
    this.#events = events;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('open', () => {
      if (!this.#isOver) events.opened();
    });
    socket.addEventListener('message', ({ data }) => this.#receive(data));
    socket.addEventListener('close', ({ code }) => this.#end(code ?? 1006));
    // A failed socket closes too; without a listener some platforms throw.
    socket.addEventListener('error', () => undefined);
  }

  send(data: string | Uint8Array): void {
    if (this.#isOver || this.#socket.readyState !== OPEN) return;
    this.#socket.send(typeof data === 'string' ? data : new Uint8Array(data));
  }

  close(code: number = 1000): void {
    if (this.#isOver) return;
    this.#isOver = true;
    forgetNodeSocket(this.#url, this.#found);
    // Platforms let a client give no codes but these.
    this.#socket.close(code >= 3000 && code <= 4999 ? code : 1000);
    // The peer may never answer, so nobody waits for it.
    this.#socket.terminate?.();
    this.#unref?.();
    queueMicrotask(() => this.#events.closed(code));
  }

  readonly #found = (socket: { unref(): unknown }): void => {
    this.#unref = () => socket.unref();
  };

  #receive(data: unknown): void {
    if (this.#isOver) return;
    if (typeof data === 'string') this.#events.received(data);
    else if (data instanceof ArrayBuffer) this.#events.received(new Uint8Array(data));
  }

  #end(code: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    forgetNodeSocket(this.#url, this.#found);
    this.#events.closed(code);
  }
}
