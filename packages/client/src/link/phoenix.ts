import { isObject } from '@holdfast/protocol';
import { decodeChunk } from '@holdfast/protocol/views';
import type { Link, LinkConnection, LinkEvents } from './port.ts';

/** A message as a Phoenix socket takes and gives it. */
export type PhoenixMessage = {
  readonly topic: string;
  readonly event: string;
  readonly payload: unknown;
  readonly ref: string | null;
  readonly join_ref: string | null;
};

/** What a `Socket` of the package `phoenix` can do, as far as a link needs it. */
export interface PhoenixSocket {
  isConnected(): boolean;
  push(message: PhoenixMessage): void;
  onOpen(callback: () => void): string;
  onClose(callback: (event: { readonly code?: number }) => void): string;
  onMessage(callback: (message: PhoenixMessage) => void): string;
  off(refs: string[]): void;
}

/**
 * Shares a Phoenix socket that the application has anyway, beside its own channels. The socket is its owner's: the
 * owner connects it, to the server's endpoint and with the query of stores.md §7.1.2, and its end is not ours to cause.
 * It needs the JSON codec, and topics that the application does not join itself.
 */
export function phoenixLink(socket: PhoenixSocket): Link {
  return { open: (_url, events) => new Guest(socket, events) };
}

// Marks the refs that are ours, so that none is one of the socket's own.
const mark = 'hf:';

class Guest implements LinkConnection {
  readonly #socket: PhoenixSocket;
  readonly #events: LinkEvents;
  readonly #refs: string[];
  readonly #topics = new Map<string, string>();
  #state: 'opening' | 'open' | 'over' = 'opening';

  constructor(socket: PhoenixSocket, events: LinkEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#refs = [
      socket.onOpen(() => this.#open()),
      socket.onClose((event) => this.#end(event.code ?? 1006)),
      socket.onMessage((message) => this.#receive(message)),
    ];
    queueMicrotask(() => {
      if (socket.isConnected()) this.#open();
    });
  }

  send(data: string | Uint8Array): void {
    if (this.#state !== 'open' || !this.#socket.isConnected()) return;
    if (typeof data !== 'string') {
      this.#sendChunk(data);
      return;
    }
    const frame: unknown = JSON.parse(data);
    if (!Array.isArray(frame)) return;
    const [joinRef, ref, topic, event, payload]: readonly unknown[] = frame;
    if (typeof topic !== 'string' || typeof event !== 'string') return;
    const joinMark = marked(joinRef);
    if (event === 'phx_join' && joinMark !== null) this.#topics.set(topic, joinMark);
    if (event === 'phx_leave') this.#topics.delete(topic);
    this.#socket.push({ topic, event, payload, ref: marked(ref), join_ref: joinMark });
  }

  /** A part of a file, which the socket makes a binary message of by itself (views.md §2). */
  #sendChunk(data: Uint8Array): void {
    const chunk = decodeChunk(data);
    if (chunk === null) throw new TypeError('A Phoenix link needs the JSON codec.');
    const { topic, event, joinRef, ref } = chunk;
    const payload = chunk.payload.slice().buffer;
    this.#socket.push({ topic, event, payload, ref: marked(ref), join_ref: marked(joinRef) });
  }

  close(code: number = 1000): void {
    if (this.#state === 'over') return;
    // The socket goes on, so what was joined through this link is left.
    if (this.#socket.isConnected()) {
      for (const [topic, joinRef] of this.#topics) {
        const ref = `${joinRef}:leave`;
        this.#socket.push({ topic, event: 'phx_leave', payload: {}, ref, join_ref: joinRef });
      }
    }
    this.#detach();
    queueMicrotask(() => this.#events.closed(code));
  }

  #open(): void {
    if (this.#state !== 'opening') return;
    this.#state = 'open';
    this.#events.opened();
  }

  #end(code: number): void {
    if (this.#state === 'over') return;
    this.#detach();
    this.#events.closed(code);
  }

  #detach(): void {
    this.#state = 'over';
    this.#topics.clear();
    this.#socket.off(this.#refs);
  }

  #receive(message: PhoenixMessage): void {
    if (this.#state !== 'open') return;
    const { topic, event, payload } = message;
    const ref = unmarked(message.ref);
    const joinRef = unmarked(message.join_ref);
    // A ref without the mark answers one of the socket's own messages.
    if (ref === undefined || joinRef === undefined || !isObject(payload)) return;
    if (ref === null && !this.#topics.has(topic)) return;
    this.#events.received(JSON.stringify([joinRef, ref, topic, event, payload]));
  }
}

function marked(ref: unknown): string | null {
  return typeof ref === 'string' ? mark + ref : null;
}

function unmarked(ref: string | null | undefined): string | null | undefined {
  if (ref === null || ref === undefined) return null;
  return ref.startsWith(mark) ? ref.slice(mark.length) : undefined;
}
