import type { OpId, StoreName } from '@holdfast/protocol';
import type { CacheChange } from './port.ts';

type Requests = CacheChange['requests'];

/** Requests of a cache's stores that could not be stored. */
export class Owed {
  readonly #stores = new Map<StoreName, Map<OpId, Requests[number][1]>>();

  add(store: StoreName, requests: Requests): void {
    const owed = this.#stores.get(store) ?? new Map();
    this.#stores.set(store, owed);
    for (const [opId, pending] of requests) owed.set(opId, pending);
  }

  list(store: StoreName): Requests {
    return [...(this.#stores.get(store) ?? [])];
  }

  /** What was listed is stored, or what has become of it since. */
  stored(store: StoreName, requests: Requests): void {
    const owed = this.#stores.get(store);
    for (const [opId, pending] of requests) if (owed?.get(opId) === pending) owed.delete(opId);
  }

  clear(store: StoreName): void {
    this.#stores.delete(store);
  }
}
