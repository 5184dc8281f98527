import type { StoreName } from '@holdfast/protocol';
import type { ReplicaChange, ReplicaImage } from '@holdfast/engine/replica';

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
}
