import type { Entry, Glob, Leaf, OpId, Path, Seq, StoreName } from '@holdfast/protocol';
import type { PendingRequest } from '@holdfast/engine/replica';
import { keeping } from './keeping.ts';
import { Letters } from './letters.ts';
import type { Cache, CacheChange, CachedStore, CacheTerms } from './port.ts';

/**
 * A cache in memory: it ends with the process. Two clients one after the other may share it, which is a restart with a
 * durable cache in all but name.
 */
export function memoryCache(): Cache {
  /** By whose it is, and of which server: what is kept for one is nothing to another. */
  const rooms = new Map<string, Room>();
  let report: CacheTerms['report'] | null = null;
  const roomOf = (realm: string): Room => {
    const room = rooms.get(realm) ?? {
      shelves: new Map(),
      letters: new Letters(
        () => undefined,
        (fault) => report?.(fault),
      ),
    };
    rooms.set(realm, room);
    return room;
  };
  let { shelves, letters } = roomOf('');
  let reigns = 0;
  let device: string | null = null;
  const shelfOf = (store: StoreName): Shelf => {
    const shelf = shelves.get(store) ?? new Shelf();
    shelves.set(store, shelf);
    return shelf;
  };
  const revive = (store: StoreName, requests: CacheChange['requests']): void => {
    for (const [opId, request] of requests) if (request !== null) letters.take(store, opId);
  };
  return {
    keeping,
    // What one client has left is known to servers under its name.
    open({ realm, deviceId, isDeviceGiven, report: told }) {
      report = told;
      ({ shelves, letters } = roomOf(realm));
      device = isDeviceGiven ? deviceId : (device ?? deviceId);
      return device;
    },
    load: (store) => shelves.get(store)?.image() ?? null,
    letters: {
      list: (store) => letters.list(store),
      subscribe: (store, listener) => letters.subscribe(store, listener),
      put: (store, letter) => letters.put(store, letter),
      drop: (store, opId) => letters.drop(store, opId),
    },
    commit(store, change) {
      revive(store, change.requests);
      shelfOf(store).commit(change);
    },
    clear(store) {
      shelves.delete(store);
    },
    waiting: () => [...shelves.keys()].filter((store) => shelfOf(store).outbox().length > 0),
    sharing: {
      lead() {
        reigns += 1;
        return reigns;
      },
      reign: () => reigns,
      commit(store, change, reign) {
        revive(store, change.requests);
        if (reign === reigns) shelfOf(store).commit(change);
        return reign === reigns;
      },
      keep(store, requests) {
        revive(store, requests);
        shelfOf(store).keep(requests);
      },
      outbox: (store) => shelves.get(store)?.outbox() ?? [],
    },
  };
}

/** What is kept for one principal. */
type Room = { readonly shelves: Map<StoreName, Shelf>; readonly letters: Letters };

/** What is kept of one store. */
class Shelf {
  readonly #entries = new Map<Path, Leaf>();
  readonly #maps = new Map<Path, Seq>();
  readonly #requests = new Map<OpId, PendingRequest>();
  #patterns: readonly Glob[] = [];
  #seq: Seq = 0;
  #incarnation: string | null = null;
  #scope: string | null = null;
  #queries: CacheChange['queries'];

  commit(given: CacheChange): void {
    // All of it or nothing: what fails to be read has changed nothing yet.
    const change = { ...given, entries: [...given.entries], maps: [...given.maps] };
    if (change.replaces) {
      this.#entries.clear();
      this.#maps.clear();
    }
    for (const [path, leaf] of change.entries) put(this.#entries, path, leaf);
    for (const [path, revision] of change.maps) put(this.#maps, path, revision);
    this.keep(change.requests);
    this.#patterns = change.patterns ?? this.#patterns;
    this.#seq = change.seq;
    this.#incarnation = change.incarnation;
    this.#scope = change.scope;
    this.#queries = change.queries;
  }

  keep(requests: CacheChange['requests']): void {
    for (const [opId, request] of requests) put(this.#requests, opId, request);
  }

  outbox(): readonly PendingRequest[] {
    return [...this.#requests.values()].toSorted((a, b) => a.order - b.order);
  }

  image(): CachedStore {
    const entries: Entry[] = [];
    for (const [path, leaf] of this.#entries) entries.push({ path, ...leaf });
    return {
      seq: this.#seq,
      incarnation: this.#incarnation,
      scope: this.#scope,
      patterns: this.#patterns,
      queries: this.#queries,
      entries,
      maps: [...this.#maps],
      outbox: this.outbox(),
    };
  }
}

function put<K, V>(map: Map<K, V>, key: K, value: V | null): void {
  if (value === null) map.delete(key);
  else map.set(key, value);
}
