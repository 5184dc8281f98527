import type { StoreName } from '@holdfast/protocol';
import type { PendingRequest, ReplicaChange, ReplicaImage } from '@holdfast/engine/replica';

/** What a cache gives back of a store, where it has any. */
export type CachedStore = ReplicaImage;

/** What a cache stores of a store at once. */
export type CacheChange = ReplicaChange;

/**
 * Keeps what a client must not lose: the committed entries of its stores, and the requests that are not answered
 * (stores.md §18 C2). Never a value that the server has not decided. A cache promises:
 *
 * 1. A commit is stored whole or not at all, and is stored when its promise resolves.
 * 2. Commits of one store are stored in the order of the calls.
 * 3. `load` gives what the last stored commit left, requests in the order of their `order`.
 */
export interface Cache {
  /** What is stored of a store; null for nothing. */
  load(store: StoreName): CachedStore | null | Promise<CachedStore | null>;
  commit(store: StoreName, change: CacheChange): void | Promise<void>;
  /** Forgets a store. */
  clear(store: StoreName): void | Promise<void>;
  /** What tabs need to use it together; absent where only one client can. */
  readonly sharing?: CacheSharing;
}

/**
 * How the tabs of one origin use a cache together: the leader among them keeps the state, and each keeps its own
 * requests. What a leader of the past still wants to store is refused, whenever it comes: it is fenced by the number of
 * its reign. Promises 1 to 3 hold for all of these and for all tabs, in the order in which the calls reach the storage.
 */
export interface CacheSharing {
  /** Begins the next reign; its number is greater than any before, also after a restart. */
  lead(): number | Promise<number>;
  /** As `Cache.commit`; false, and nothing is stored, where another reign has begun. */
  commit(store: StoreName, change: CacheChange, reign: number): boolean | Promise<boolean>;
  /** Stores requests alone, whoever leads; null: it has left the outbox. */
  keep(store: StoreName, requests: CacheChange['requests']): void | Promise<void>;
  /** The requests of a store, in the order of their `order`, those of other tabs too. */
  outbox(store: StoreName): readonly PendingRequest[] | Promise<readonly PendingRequest[]>;
}
