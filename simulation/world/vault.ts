import { memoryCache } from '@holdfast/client';
import type { ReplicaChange, ReplicaImage } from '@holdfast/engine/replica';
import type { OpId, Request, StoreName } from '@holdfast/protocol';
import { isGuarded } from './outcomes.ts';
import type { Room } from './room.ts';

/** The cache of a device over all its lives, and what must not be lost in it. */
export class Vault {
  readonly #room: Room;
  readonly #store: StoreName;
  readonly #kept = new Set<OpId>();
  /** What it was told to keep, and has not been told to forget. */
  readonly #requests = new Map<OpId, Request>();
  #cache = memoryCache();

  constructor(room: Room, store: StoreName) {
    this.#room = room;
    this.#store = store;
  }

  load(): ReplicaImage | null {
    const image = this.#cache.load(this.#store);
    if (image instanceof Promise) throw new TypeError('the memory cache waits for nothing');
    return image;
  }

  commit(change: ReplicaChange): void {
    void this.#cache.commit(this.#store, this.#spoiled(change));
    for (const [opId, request] of change.requests) {
      if (request === null) this.#requests.delete(opId);
      else this.#requests.set(opId, request.request);
    }
  }

  /** The process ends: the next one finds what is here. */
  close(): void {
    for (const [opId, request] of this.#requests) if (!isGuarded(request)) this.#kept.add(opId);
  }

  /** All of it is lost. */
  lose(): void {
    this.#cache = memoryCache();
    this.#kept.clear();
    this.#requests.clear();
  }

  /** Writes that nobody can make impossible, and that were here when a process ended. */
  get kept(): Iterable<OpId> {
    return this.#kept;
  }

  #spoiled(change: ReplicaChange): ReplicaChange {
    const { isSpoiled } = this.#room;
    if (isSpoiled?.('a cache forgets requests')) return { ...change, requests: [] };
    if (!isSpoiled?.('a cache keeps half a commit')) return change;
    return { ...change, entries: [...change.entries].slice(1) };
  }
}
