import type { SeedClaim, SeedContent } from '@holdfast/protocol';

/** What a connection tells of itself. */
export interface LinkEvents {
  /** Messages go both ways from now on. */
  opened(): void;
  /** One message, whole: text or bytes as the peer sent it. */
  received(data: string | Uint8Array): void;
  /** It is over, by the peer's WebSocket close code, or 1006 where there is none. Nothing follows. */
  closed(code: number): void;
}

/** One connection of a {@link Link}. */
export interface LinkConnection {
  /** Sends a message after those before it. Ignored unless the connection is open. */
  send(data: string | Uint8Array): void;
  /** Ends it at once, without waiting for the peer. Idempotent. */
  close(code?: number): void;
}

/**
 * Carries messages between a client and a server; it knows nothing of what they mean. A link promises:
 *
 * 1. Events come later than the call that causes them: never inside `open`, `send` or `close`.
 * 2. `opened` comes at most once, `received` only after it, `closed` exactly once and last, also for a connection that
 *    could not be opened.
 * 3. Messages arrive in the order in which they were sent, none twice, none without those before it; text stays text,
 *    bytes stay bytes.
 * 4. After `close` nothing is received any more, and `closed` follows soon whatever the peer does.
 * 5. Once `closed` is told, nothing of the connection keeps a process alive for more than a moment.
 */
export interface Link {
  /** Begins to connect to a server's endpoint; `url` is complete, query included. */
  open(url: string, events: LinkEvents): LinkConnection;
  /** What is asked by HTTP, where the server is not to be had by that of the platform. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Has the server vouch for what a page is rendered from; absent where nobody here may speak for it (records.md §18). */
  seal?(claim: SeedClaim, content: SeedContent): string;
  /** The same of a record that is in no store, by its key and the digest of its envelope. */
  vouch?(key: string, digest: string): string;
}
