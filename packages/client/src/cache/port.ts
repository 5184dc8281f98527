import type { EpochMs, HoldfastError, OpId, Refusal, Request, StoreName } from '@holdfast/protocol';
import type { Tree } from '@holdfast/engine/data';
import type { Ledger, PendingRequest, ReplicaChange, ReplicaImage } from '@holdfast/engine/replica';
import type { Env } from '@holdfast/engine/registry';

/**
 * A write that was accepted here and will never be committed as it is: the server refused it, its outcome cannot be known
 * any more, or it could not be read or migrated. It is kept until somebody decides about it.
 */
export type DeadLetter = {
  readonly opId: OpId;
  /** What was asked; null where it cannot be read, and `text` is what was stored of it. */
  readonly request: Request | null;
  readonly text?: string;
  readonly refusal: Refusal;
  readonly createdAt: EpochMs;
  readonly refusedAt: EpochMs;
};

/** What a cache gives back of a store, where it has any. */
export type CachedStore = ReplicaImage & {
  /** The entries and maps, loaded in pieces; those of the image are then empty. */
  readonly loaded?: Tree;
};

/** Whether others are about to send a request: those that its id names, or else its holder. */
export type IsOthers = NonNullable<Parameters<Cache['load']>[1]>;

/** Who has requests stored, and wants to know where others remove them. */
export type Watch = NonNullable<Parameters<Cache['load']>[2]>;

/** What a cache stores of a store at once. */
export type CacheChange = ReplicaChange;

/**
 * Makes a request of a former version of the application one of the present; null where there is none. It is to be pure: of one
 * request it may be asked several times, and in several tabs.
 */
export type Migrate = (request: Request, fromVersion: string | number | null) => Request | null;

/** What a cache needs to know of the client that uses it. */
export type CacheTerms = {
  /** Whose stores they are, and of which server: what was kept under other terms is another's. */
  readonly realm: string;
  /** The name that this installation would have; where the application gave it, it is not to be replaced. */
  readonly deviceId: string;
  readonly isDeviceGiven: boolean;
  /** The version of the application's data, which its queued requests carry. */
  readonly schemaVersion: string | number | null;
  readonly migrate: Migrate | null;
  readonly wall: () => EpochMs;
  /** Hears of what had to be given up: `cache_failed` says why, and what became of the outbox. */
  readonly report: (error: HoldfastError) => void;
};

/**
 * Keeps what a client must not lose: the committed entries of its stores, the requests that are not answered, and the
 * dead letters (stores.md §18 C2). Never a value that the server has not decided. A cache promises:
 *
 * 1. A commit is stored whole or not at all, and is stored when its promise resolves.
 * 2. Commits of one store are stored in the order of the calls.
 * 3. `load` gives what the last stored commit left, requests in the order of their `order`.
 * 4. Where several use it, entries are stored only for the one that loaded the store last; requests and dead letters for
 *    all.
 * 5. What cannot be read is never taken for data: entries are then forgotten, requests become dead letters.
 */
export interface Cache {
  /**
   * Begins its use by a client, before any other call; gives the name under which the installation is known to servers,
   * the same as long as the cache is kept. Absent where nothing outlives the client.
   */
  open?(terms: CacheTerms): string | Promise<string>;
  /** What a client does for it: `keeping` of `@holdfast/client/cache`. It comes with a cache, so that who has none does without. */
  readonly keeping: Keeping;
  /** What is stored of a store; null for nothing. Requests that others are about to send are given as they are. */
  load(
    store: StoreName,
    isOthers?: (opId: OpId, holder?: string) => boolean,
    watch?: {
      /** Whether nothing waits there, and nothing is being stored. */
      readonly isIdle: boolean;
      /** Hears which requests are left; says whether no more are missing than it knew of. */
      left(opIds: ReadonlySet<OpId>): boolean;
    },
  ): CachedStore | null | Promise<CachedStore | null>;
  /**
   * One that fails with `full` or `stuck` of `cacheFault` is given what comes next all the same: it stores the requests
   * that it could not store with that, and no entries before a change replaces them. With any other error it is left alone.
   */
  commit(store: StoreName, change: CacheChange): void | Promise<void>;
  /** Forgets a store. */
  clear(store: StoreName): void | Promise<void>;
  /** The stores of which requests wait, so that they are sent though nobody opens them. */
  waiting?(): readonly StoreName[] | Promise<readonly StoreName[]>;
  /** Ends its use; what was committed stays. */
  close?(): void | Promise<void>;
  /** Absent where nobody can keep them. */
  readonly letters?: DeadLetters;
  /** What tabs need to use it together; absent where only one client can. */
  readonly sharing?: CacheSharing;
}

/** What a client does for its cache. */
export interface Keeping {
  /** Keeps one store; `cache` is that of its client, which may be around the one that has brought this. */
  keeper(store: StoreName, cache: Cache, desk: KeeperDesk): Keeper;
  /** Tells the cache whom it serves, and takes the name that it knows this installation by. */
  identify(
    settings: {
      readonly cache: Cache | null;
      deviceId: string;
      readonly endpoint: string;
      readonly principal: string;
      readonly env: { wall(): EpochMs };
      readonly records?: { terms(terms: CacheTerms): CacheTerms };
      readonly report: (error: unknown) => void;
    },
    options: {
      readonly deviceId?: string;
      readonly schemaVersion?: string | number;
      readonly migrate?: Migrate;
    },
  ): Promise<void>;
  /** Has sent what a former life has left, though nobody opens its store. */
  sendLeft(
    settings: { readonly cache: Cache | null; readonly identified: Promise<void> | null },
    send: (store: StoreName) => void,
  ): Promise<void>;
}

/** What a keeper is told of its client. */
export type KeeperDesk = {
  readonly env: Pick<Env, 'now' | 'setTimeout' | 'clearTimeout'> & { wall(): EpochMs };
  readonly report: (error: unknown) => void;
  /** Something has changed of what is kept. */
  readonly show: () => void;
};

/** Whose request is stored, or cannot be. */
export type Kept = { stored(isStored: boolean): void };

/** Stands between an open store and the cache. */
export interface Keeper {
  /** Whether what was stored is there for the next client; not while something waits that others have removed. */
  readonly isKeeping: boolean;
  /** Why it keeps nothing now. */
  readonly fault: HoldfastError | undefined;
  /** It keeps nothing any more. */
  readonly isOver: boolean;
  /** What a replica notes for the cache: a new one; null where nothing is kept. */
  ledger(): Ledger | null;
  /** Reads what is kept, when the life before is over, and begins with that: at once, or later, or with null. */
  load(after: void | Promise<void>, begin: (kept: CachedStore | null) => void): void;
  /** Calls `then` when the change is stored, or cannot be, and that is told. It may ask for the next one to be stored. */
  keep(change: CacheChange, receipts: ReadonlyMap<OpId, Kept>, then: () => void): void;
  /** Keeps what was accepted and will not be, and whose receipt nobody has awaited, until somebody decides about it. */
  bury(pending: PendingRequest, refusal: Refusal): void;
  /** Keeps nothing from now on, because of an error. */
  giveUp(error?: unknown): void;
  /** Resolves when nothing is on its way to the cache, or when `signal` says to wait no longer; undefined: nothing is. */
  drained(signal: AbortSignal): Promise<void> | undefined;
}

/** The dead letters of a cache; those of a store that was not loaded yet are not known. */
export interface DeadLetters {
  /** The same list until something changes. */
  list(store: StoreName): readonly DeadLetter[];
  subscribe(store: StoreName, listener: () => void): () => void;
  /** Is stored with the next commit of the store: the one by which its request leaves the outbox. */
  put(store: StoreName, letter: DeadLetter): void;
  /** Forgets a letter; a request of the same id that is committed does so, too. */
  drop(store: StoreName, opId: OpId): void | Promise<void>;
}

/**
 * How the tabs of one origin use a cache together: the leader among them keeps the state, and each keeps its own
 * requests. What a leader of the past still wants to store is refused, whenever it comes: it is fenced by the number of
 * its reign. Promises 1 to 3 hold for all of these and for all tabs, in the order in which the calls reach the storage.
 */
export interface CacheSharing {
  /** Begins the next reign; its number is greater than any before, also after a restart. */
  lead(): number | Promise<number>;
  /** The number of the present reign; 0 where there was none yet. */
  reign(): number | Promise<number>;
  /**
   * As `Cache.commit`; false, and nothing is stored, where another reign has begun. Of requests that cannot be stored now,
   * those of `own` alone are stored with what comes next, by default all: of others somebody else may decide until then.
   */
  commit(
    store: StoreName,
    change: CacheChange,
    reign: number,
    own?: CacheChange['requests'],
  ): boolean | Promise<boolean>;
  /** Stores requests alone, whoever leads; null: it has left the outbox. */
  keep(
    store: StoreName,
    requests: CacheChange['requests'],
    own?: CacheChange['requests'],
  ): void | Promise<void>;
  /** The requests of a store, in the order of their `order`, those of other tabs too. */
  outbox(store: StoreName): readonly PendingRequest[] | Promise<readonly PendingRequest[]>;
}
