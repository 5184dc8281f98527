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
export function webSocketLink(
  options: { readonly webSocket?: WebSocketClass | undefined } = {},
): Link {
  const webSocket = options.webSocket ?? platformClass();
  return { open: (url, events) => connect(webSocket, url, events) };
}

function platformClass(): WebSocketClass {
  const { WebSocket: found } = globalThis as { readonly WebSocket?: WebSocketClass };
  if (found !== undefined) return found;
  throw new TypeError('This platform has no WebSocket; pass one as `webSocket`.');
}

const OPEN = 1;

function connect(webSocket: WebSocketClass, url: string, events: LinkEvents): LinkConnection {
  let isOver = false;
  let unref: (() => void) | null = null;
  const found = (node: { unref(): unknown }): void => {
    unref = () => node.unref();
  };
  /** Says whether it is the first to end it. */
  const end = (): boolean => {
    if (isOver) return false;
    isOver = true;
    forgetNodeSocket(url, found);
    return true;
  };
  onNodeSocket(url, found);
  const socket = new webSocket(url);
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('open', () => {
    if (!isOver) events.opened();
  });
  socket.addEventListener('message', ({ data }) => {
    if (isOver) return;
    if (typeof data === 'string') events.received(data);
    else if (data instanceof ArrayBuffer) events.received(new Uint8Array(data));
  });
  socket.addEventListener('close', ({ code }) => {
    if (end()) events.closed(code ?? 1006);
  });
  // A failed socket closes too; without a listener some platforms throw.
  socket.addEventListener('error', () => undefined);
  return {
    send(data) {
      if (isOver || socket.readyState !== OPEN) return;
      socket.send(typeof data === 'string' ? data : new Uint8Array(data));
    },
    close(code = 1000) {
      if (!end()) return;
      // Platforms let a client give no codes but these.
      socket.close(code >= 3000 && code <= 4999 ? code : 1000);
      // The peer may never answer, so nobody waits for it.
      socket.terminate?.();
      unref?.();
      queueMicrotask(() => events.closed(code));
    },
  };
}
