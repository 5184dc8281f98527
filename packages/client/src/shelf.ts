import { HoldfastError } from '@holdfast/protocol';
import {
  type Deferred,
  deferred,
  type Lasting,
  Pool,
  type Release,
  releaseOnce,
} from '@holdfast/engine/registry';
import { call, Cell } from './cell.ts';
import type { Client } from './client.ts';
import { roomOf } from './doors.ts';
import { hydrators } from './twins.ts';
import type { Room } from './room.ts';
import type { Store } from './store.ts';

export { roomOf };

/** What a shelf keeps, open. */
export type Opened<T> = {
  readonly value: T;
  /** Resolves when the value can be used; null: at once. */
  readonly ready: Promise<unknown> | null;
  close(): void;
};

/** How the values of a shelf are opened and kept (registry.md §8.1). */
export type ShelfConfig<T, O> = {
  /** Opens a value; it says by `closed` when it has closed itself, or broken. */
  open(options: O, closed: (error?: unknown) => void): Opened<T>;
  /** How long a value stays that nobody uses, unless its users say otherwise. */
  readonly ttlMs: number;
  /** Above so many, those go first that were let go of first. */
  readonly max: number;
};

/** How it is with what is on a shelf; another object after each change. */
export type Shelved<T> =
  | { readonly status: 'closed'; readonly generation: number }
  | {
      readonly status: 'loading';
      readonly generation: number;
      /** How often it was opened since it was ready. */
      readonly attempt: number;
    }
  | { readonly status: 'ready'; readonly generation: number; readonly value: T }
  | {
      readonly status: 'failed';
      readonly generation: number;
      readonly error: unknown;
      readonly until: number;
    };

/** One place on a shelf, as those see it who look at it. It is the same for as long as it is in use. */
export interface Place<T> {
  readonly key: string;
  readonly getState: () => Shelved<T>;
  /** Hears of every change of the state. It neither opens nor keeps the value. */
  readonly subscribe: (listener: () => void) => Release;
}

const provisionalMs = 5000;
const errorTtlMs = 5000;
const loadTimeoutMs = 30_000;

/**
 * What is shared by its key, and has to be waited for once: opened for the first who asks, kept while anybody uses it and a
 * while longer, then closed. It is to a `Pool` what a registry is to its entries (registry.md §4 to §6), for values that
 * load by themselves: who waits for one gets the one promise of it, or the one error.
 */
export class Shelf<T, O> {
  readonly #config: ShelfConfig<T, O>;
  readonly #room: Room;
  readonly #pool: Pool;
  readonly #entries = new Map<string, Entry<T>>();
  #generations = 0;

  /** Ends with the client, which may be named by a store of it. */
  constructor(of: Client | Store, config: ShelfConfig<T, O>) {
    const room = roomOf(of);
    const { env, timers, report } = room.settings;
    this.#config = config;
    this.#room = room;
    this.#pool = new Pool({ env, timers, report, ttlMs: config.ttlMs, max: config.max });
    const stop = room.connection.subscribe(() => {
      const { connection } = room.connection.get();
      if (connection === 'connected') for (const entry of this.#entries.values()) entry.retry();
      if (connection !== 'closed') return;
      stop();
      void this.#pool.dispose();
    });
  }

  /**
   * The value once it is ready, until then the one promise of it; throws what went wrong, the same for some seconds
   * (registry.md §4.1). Whoever draws a page may never come back: it is kept for a while after it is ready.
   */
  get(key: string, options: O, ttlMs: number = this.#config.ttlMs): T | Promise<T> {
    const entry = this.#entry(key, options);
    this.#pool.keep(entry, { ttlMs, firmMs: provisionalMs });
    return entry.demand();
  }

  /** Keeps a value open until it is released, and `ttlMs` longer; has it opened where it is not. Throws nothing. */
  retain(key: string, options: O, ttlMs: number = this.#config.ttlMs): Release {
    const entry = this.#entry(key, options);
    const release = this.#pool.hold(entry, ttlMs);
    entry.holders += 1;
    entry.wake();
    return releaseOnce(() => {
      entry.holders -= 1;
      release();
    });
  }

  /** The place of a key. */
  place(key: string, options: O): Place<T> {
    return this.#entry(key, options);
  }

  /** Closes a value, or forgets an error, and opens anew what is held (registry.md §6.3); without a key all that failed. */
  reset(key?: string): void {
    for (const entry of this.#entries.values()) {
      if (key === undefined ? entry.getState().status === 'failed' : entry.key === key) {
        entry.reset();
      }
    }
  }

  #entry(key: string, options: O): Entry<T> {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry: Entry<T> = new Entry(key, {
      room: this.#room,
      open: (closed) => this.#config.open(options, closed),
      count: () => (this.#generations += 1),
      wait: () => this.#pool.hold(entry),
      stay: () => this.#pool.keep(entry, { ttlMs: 0, firmMs: provisionalMs }),
      gone: () => this.#entries.delete(key),
    });
    this.#entries.set(key, entry);
    return entry;
  }
}

/**
 * The shelves of one kind of thing, one of each client, which a store of it names as well; made when they are first asked
 * for. Nothing stays on them that nobody uses: they are for what the client keeps a while by itself.
 */
export function shelvesOf<T, O>(
  open: ShelfConfig<T, O>['open'],
  max: number = Infinity,
): (of: Client | Store) => Shelf<T, O> {
  const known = new WeakMap<object, Shelf<T, O>>();
  return (of) => {
    const room = roomOf(of);
    const shelf = known.get(room) ?? new Shelf(of, { ttlMs: 0, max, open });
    known.set(room, shelf);
    return shelf;
  };
}

/** What an entry asks of its shelf. */
type Keeper<T> = {
  readonly room: Room;
  open(closed: (error?: unknown) => void): Opened<T>;
  /** Numbers a generation. */
  count(): number;
  /** Somebody waits for it. */
  wait(): Release;
  /** Somebody has waited for it. */
  stay(): void;
  gone(): void;
};

/** One opening of the value, which what comes late of an earlier one has nothing to do with. */
type Life<T> = { readonly opened: Opened<T>; timer: unknown };

class Entry<T> implements Lasting, Place<T> {
  readonly key: string;
  readonly isBusy = false;
  holders = 0;
  readonly #keeper: Keeper<T>;
  readonly #state: Cell<Shelved<T>>;
  #generation = 0;
  #attempt = 0;
  /** It failed for want of time. */
  #wasLate = false;
  #life: Life<T> | null = null;
  /** Who asked waits for it; it is a hold. */
  #pending: (Deferred<T> & { readonly release: Release }) | null = null;

  constructor(key: string, keeper: Keeper<T>) {
    this.key = key;
    this.#keeper = keeper;
    this.#state = new Cell({ status: 'closed', generation: 0 }, keeper.room.settings.report);
  }

  readonly getState = (): Shelved<T> => this.#state.get();

  // Whoever asks, and by that has it opened, may be amid drawing a page: it is told of in a microtask.
  readonly subscribe = (run: () => void): Release => this.#state.subscribe(run);

  open(): void {
    this.wake();
  }

  close(): void {
    this.#end();
    this.#pending?.reject(new HoldfastError('load_aborted', { key: this.key }));
    this.#pending = null;
    // Nothing is to be had of the client any more: who shows the last value goes on showing it.
    const isOver = this.#keeper.room.connection.get().connection === 'closed';
    if (isOver && this.getState().status === 'ready') return;
    this.#keeper.gone();
    this.#become({ status: 'closed', generation: this.#generation });
  }

  demand(): T | Promise<T> {
    this.wake();
    const state = this.getState();
    if (state.status === 'ready') return state.value;
    if (state.status === 'failed') throw state.error;
    this.#pending ??= { ...deferred<T>(), release: this.#keeper.wait() };
    return this.#pending.promise;
  }

  /** Opens what has closed itself, or failed a while ago. */
  wake(): void {
    const { env } = this.#keeper.room.settings;
    const state = this.getState();
    const isOver = state.status === 'failed' && state.until <= env.now();
    if (state.status === 'closed' || isOver) this.#load();
  }

  /** There is a connection: whoever shows that it was waited for in vain would show it for good. */
  retry(): void {
    const state = this.getState();
    if (state.status === 'failed' && this.#wasLate && this.holders > 0) this.#load();
  }

  reset(): void {
    this.#end();
    if (this.holders > 0 || this.#pending !== null) this.#load();
    else this.#become({ status: 'closed', generation: this.#generation });
  }

  #load(): void {
    const { env } = this.#keeper.room.settings;
    const generation = this.#keeper.count();
    this.#generation = generation;
    this.#attempt += 1;
    let life: Life<T> | null = null;
    const isLive = (): boolean => life !== null && this.#life === life;
    try {
      const opened = this.#keeper.open((error) => {
        if (isLive()) this.#closedItself(error);
      });
      life = { opened, timer: null };
      this.#life = life;
      if (opened.ready === null) return this.#arrived(opened.value);
      const late = (): void => {
        const { key } = this;
        // How far it has come: whether there was a connection at all.
        const step = this.#keeper.room.connection.get().connection;
        if (isLive()) this.#fail(new HoldfastError('timeout', { key, step }), true);
      };
      life.timer = env.setTimeout(late, loadTimeoutMs);
      opened.ready.then(
        () => isLive() && this.#arrived(opened.value),
        (error: unknown) => isLive() && this.#fail(error),
      );
      return this.#become({ status: 'loading', generation, attempt: this.#attempt });
    } catch (error) {
      return this.#fail(error);
    }
  }

  #arrived(value: T): void {
    this.#attempt = 0;
    this.#stopTimer();
    this.#become({ status: 'ready', generation: this.#generation, value });
    this.#pending?.resolve(value);
    this.#settle();
  }

  #fail(error: unknown, isLate: boolean = false): void {
    const { env } = this.#keeper.room.settings;
    this.#end();
    this.#wasLate = isLate;
    const until = env.now() + errorTtlMs;
    this.#become({ status: 'failed', generation: this.#generation, error, until });
    this.#pending?.reject(error);
    this.#settle();
  }

  #closedItself(error: unknown): void {
    if (error !== undefined) return this.#fail(error);
    this.#end();
    return this.#become({ status: 'closed', generation: this.#generation });
  }

  /** Who waited has its answer, and may come back for it. */
  #settle(): void {
    if (this.#pending === null) return;
    this.#keeper.stay();
    this.#pending.release();
    this.#pending = null;
  }

  #end(): void {
    const life = this.#life;
    this.#stopTimer();
    this.#life = null;
    if (life !== null) call(() => life.opened.close(), this.#keeper.room.settings.report);
  }

  #stopTimer(): void {
    if (this.#life !== null) this.#keeper.room.settings.env.clearTimeout(this.#life.timer);
  }

  #become(state: Shelved<T>): void {
    this.#state.set(state);
  }
}

const hydrated: WeakMap<object, string | object> = /* @__PURE__ */ new WeakMap();

/** Has a client begin with what a server has rendered, once for the same; throws where the application cannot. */
export function hydrateOnce(client: Client, state: string | object): void {
  if (hydrated.get(client) === state) return;
  const { hydrate } = hydrators;
  if (hydrate === undefined) {
    throw new TypeError("A provider with `state` needs import '@holdfast/client/ssr'.");
  }
  hydrated.set(client, state);
  hydrate(client, state);
}
