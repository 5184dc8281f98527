import type { Link, LinkConnection, LinkEvents } from './port.ts';

/** The far end of a connection, as the served side sees it. */
export interface MemoryPeer {
  send(data: string | Uint8Array): void;
  close(code?: number): void;
}

/** What the served side does with what arrives. */
export interface MemoryHandler {
  received?(data: string | Uint8Array): void;
  closed?(code: number): void;
}

/** How a memory link passes time. */
export type MemoryLinkOptions = {
  /** Runs a delivery later, in order; microtasks by default. A simulation passes its own. */
  readonly later?: (deliver: () => void) => void;
};

/**
 * A link to code in the same process: for tests and simulations. `serve` is called for each connection and returns what
 * to do with its messages, or null to refuse it.
 */
export function memoryLink(
  serve: (peer: MemoryPeer, url: string) => MemoryHandler | null,
  options: MemoryLinkOptions = {},
): Link {
  const later = options.later ?? queueMicrotask;
  return { open: (url, events) => new Pair(events, later).begin(serve, url) };
}

/** Both ends of one connection. Each message is a delivery of its own; the end overtakes none of the peer's. */
class Pair implements LinkConnection {
  readonly #events: LinkEvents;
  readonly #later: (deliver: () => void) => void;
  #handler: MemoryHandler | null = null;
  #state: 'opening' | 'open' | 'ending' | 'over' = 'opening';
  /** What the peer sends and does before this end is told that it is open. */
  #isClosing = false;

  constructor(events: LinkEvents, later: (deliver: () => void) => void) {
    this.#events = events;
    this.#later = later;
  }

  begin(serve: (peer: MemoryPeer, url: string) => MemoryHandler | null, url: string): this {
    this.#later(() => {
      if (this.#state !== 'opening') return;
      this.#state = 'open';
      const peer: MemoryPeer = {
        send: (data) => this.#toClient(data),
        close: (code = 1000) => this.#endByPeer(code),
      };
      // What the peer does while it takes the connection is told after `opened`.
      this.#later(() => {
        if (this.#state === 'open' && !this.#isClosing && this.#handler !== null) {
          this.#events.opened();
        }
      });
      this.#handler = serve(peer, url);
      if (this.#handler === null) this.#endByPeer(1006);
    });
    return this;
  }

  send(data: string | Uint8Array): void {
    if (this.#state !== 'open') return;
    const copy = copyOf(data);
    this.#later(() => this.#handler?.received?.(copy));
  }

  close(code: number = 1000): void {
    if (this.#state === 'ending' || this.#state === 'over') return;
    this.#state = 'ending';
    this.#later(() => {
      this.#handler?.closed?.(code);
      this.#finish(code);
    });
  }

  #toClient(data: string | Uint8Array): void {
    if (this.#state !== 'open' || this.#isClosing) return;
    const copy = copyOf(data);
    this.#later(() => {
      if (this.#state === 'open') this.#events.received(copy);
    });
  }

  #endByPeer(code: number): void {
    if (this.#state !== 'open' || this.#isClosing) return;
    this.#isClosing = true;
    this.#later(() => {
      if (this.#state === 'open') this.#finish(code);
    });
  }

  #finish(code: number): void {
    this.#state = 'over';
    this.#events.closed(code);
  }
}

function copyOf(data: string | Uint8Array): string | Uint8Array {
  return typeof data === 'string' ? data : data.slice();
}
