import type { Envelope, HandshakeAnswer, HandshakeRequest } from '@holdfast/protocol/record';
import type { Env, Release, Signal } from '../../registry/index.ts';

/** How a transport is doing. */
export type TransportStatus = 'connecting' | 'open' | 'reconnecting' | 'offline' | 'closed';

/** Counters of a transport. */
export type TransportStats = {
  readonly published: number;
  readonly delivered: number;
  readonly dropped: number;
  readonly handlerErrors: number;
  readonly encodeErrors: number;
  readonly decodeErrors: number;
};

/** A subscription: its release, and when it can be relied on. */
export type Subscribed = Release & { readonly ready: Promise<void> };

/**
 * Carries envelopes by key (records.md §7). It validates, orders, keeps and merges nothing.
 *
 * 1. `publish` reaches every subscription of the key that exists then, in the order of subscribing; a handler that is removed
 *    meanwhile still gets what is under way, one that is added meanwhile does not.
 * 2. Every `subscribe` is a subscription of its own; its release may be called twice.
 * 3. What is published from within a handler comes after what is under way; the oldest of what waits goes beyond `maxQueue`.
 * 4. `publish` throws for an illegal key, `transport_closed` and `read_only` only.
 * 5. A receiver never sees what a publisher does to its object later.
 */
export interface SyncTransport {
  readonly status: Signal<TransportStatus>;
  publish(key: string, message: Envelope): void;
  subscribe(key: string, handler: (message: unknown) => void): Subscribed;
  /** Calls back after each time the connection was lost and is there again; with a key where that was so of this key only. */
  onReconnect(fn: (key?: string) => void): Release;
  /** Asks for what is there; absent where nobody can be asked. */
  handshake?(
    requests: readonly HandshakeRequest[],
    options: { readonly signal: AbortSignal },
  ): Promise<readonly HandshakeAnswer[]>;
  /** Keys that somebody subscribes to. */
  keyCount(): number;
  stats(): TransportStats;
  /** Resolves when all that was published is handed over; rejects with `transport_failed` when it could not be. */
  flush(options?: { readonly timeout?: number }): Promise<void>;
  close(options?: { readonly timeout?: number }): Promise<void>;
}

/** Something that went wrong within a transport. */
export type TransportProblem = {
  readonly phase: 'handler' | 'encode' | 'decode' | 'publish' | 'subscribe' | 'stream';
  readonly key?: string;
  readonly error: unknown;
};

/** Options of every transport. */
export type TransportOptions = {
  readonly onError?: (problem: TransportProblem) => void;
  /** Messages of one key that may wait; default 1000. */
  readonly maxQueue?: number;
  /** Timers and chance, for what is tried again; without it nothing is, until somebody subscribes anew. */
  readonly env?: Pick<Env, 'setTimeout' | 'clearTimeout' | 'random'>;
};
