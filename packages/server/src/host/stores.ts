import { getHeapStatistics } from 'node:v8';
import { Registry } from '@holdfast/engine/registry';
import { HoldfastError, RejectedError } from '@holdfast/protocol';
import type { StoreRow } from '../storage/port.ts';
import { soon } from './loading.ts';
import { Patrol } from './patrol.ts';
import { type HostRoom, StoreHost } from './store-host.ts';

const IDLE_MS = 15 * 60_000;
/** Of the heap that the process may have. */
const FULL_SHARE = 0.7;
const RETRY_AFTER_MS = 1000;
/** For each store that is opened while memory is short: more than one, so that they become fewer. */
const GIVEN_UP = 2;

/** This process lets go of its stores: nothing is wrong, and who asked asks again soon. */
export class StoresLetGo extends RejectedError {
  constructor() {
    super('unavailable', { retry_after_ms: RETRY_AFTER_MS });
  }
}

/** A hold on an open store; release it when the channel or request is done. */
export type StoreHold = { readonly host: StoreHost; release(): void };

/**
 * The open stores of this process, each with one authority, kept while anyone uses it and a while longer; where memory is short
 * those that nobody uses go at once, least recently used first (registry.md §8.1).
 */
export class Stores {
  readonly #registry: Registry<StoreHost>;
  /** Those of the registry that are ready: figures ask for all of them, and they may be tens of thousands. */
  readonly #open = new Set<StoreHost>();
  readonly #storage: HostRoom['storage'];
  readonly #isFull: () => boolean;
  readonly #onLost = new Map<string, Set<() => void>>();
  /** Looks for all who are shown something through a veil. */
  readonly patrol: Patrol;

  constructor(room: HostRoom, isFull: () => boolean = isHeapFull) {
    this.patrol = new Patrol(room);
    this.#isFull = isFull;
    this.#storage = room.storage;
    this.#registry = new Registry<StoreHost>({
      name: 'authorities',
      load: async (key, _, { signal }) => {
        const row = await soon(room.clock, () => this.#row(key));
        const host = await StoreHost.open(room, row, signal);
        this.#open.add(host);
        return host;
      },
      close: (host) => {
        this.#open.delete(host);
        return host.close();
      },
      defaults: { ttl: IDLE_MS },
      // A large store takes what it takes: it is late where nothing comes of it any more.
      loadTimeout: Infinity,
      closeTimeout: 30_000,
      errorTtl: 1000,
      env: {
        now: () => room.clock.now(),
        setTimeout: (run, ms) => room.clock.setTimeout(run, ms),
        clearTimeout: (handle) => room.clock.clearTimeout(handle),
        random: Math.random,
        dev: false,
      },
      onError: ({ phase, error }) => {
        // Purged by now: whoever asked is told, and nothing is wrong.
        const isGone = error instanceof HoldfastError && error.code === 'unauthorized';
        if (!isGone) room.report(`store ${phase} failed`, error);
      },
    });
  }

  /**
   * Opens the store, or joins those who hold it already. Rejects with `unavailable` where this process lets go of its stores:
   * it is open elsewhere, or here again soon.
   */
  async hold(id: string): Promise<StoreHold> {
    const isOpen = this.peek(id) !== null;
    const lease = await this.#registry.acquire(id).catch((error: unknown) => {
      throw isLetGo(error) ? new StoresLetGo() : error;
    });
    if (!isOpen && this.#isFull()) this.#makeRoom();
    return { host: lease.value, release: () => lease.release() };
  }

  /** The store if it is open now. */
  peek(id: string): StoreHost | null {
    const state = this.#registry.peek(id);
    return state.status === 'ready' ? state.value : null;
  }

  /** Tells the store that it is archived, also one that is just being opened. */
  async archive(id: string): Promise<void> {
    const { status } = this.#registry.peek(id);
    // Whoever opens it later reads that it is archived.
    if (status !== 'loading' && status !== 'ready') return;
    // One that cannot be opened has nobody to be told, and why it cannot is reported.
    const hold = await this.hold(id).catch(() => null);
    hold?.host.archive(true);
    hold?.release();
  }

  /** Lets go of a store whose host has stopped, whoever holds it; the next to ask opens it afresh. */
  async reopen(id: string): Promise<void> {
    await this.#registry.evict(id, { force: true }).catch((error: unknown) => {
      // This process lets go of all of them: a store that was purged amid that is let go of, too.
      if (!isLetGo(error)) throw error;
    });
    const listeners = this.#onLost.get(id) ?? [];
    this.#onLost.delete(id);
    for (const run of listeners) run();
  }

  /** Calls back once when the host of a store has stopped, and who wants to hear of it has to open it anew. */
  onLost(id: string, run: () => void): () => void {
    const listeners = this.#onLost.get(id) ?? new Set();
    this.#onLost.set(id, listeners.add(run));
    return () => {
      listeners.delete(run);
      if (listeners.size === 0 && this.#onLost.get(id) === listeners) this.#onLost.delete(id);
    };
  }

  /** Every open store. */
  open(): ReadonlySet<StoreHost> {
    return this.#open;
  }

  /** Finishes every store's queued commits and closes it. */
  async close(): Promise<void> {
    this.patrol.close();
    await this.#registry.dispose({ timeout: 30_000 });
  }

  #makeRoom(): void {
    const unused = this.#registry.list().filter(({ holds }) => holds === 0);
    // One that is at work stays; who fails to close is reported.
    for (const { key } of unused.slice(0, GIVEN_UP)) void this.#registry.evict(key);
  }

  async #row(id: string): Promise<StoreRow> {
    const row = await this.#storage.stores.get(id);
    if (row === null) throw new HoldfastError('unauthorized');
    return row;
  }
}

function isLetGo(error: unknown): boolean {
  const code = error instanceof HoldfastError ? error.code : null;
  return code === 'registry_disposed' || code === 'load_aborted';
}

function isHeapFull(): boolean {
  const { used_heap_size: used, heap_size_limit: most } = getHeapStatistics();
  return used > FULL_SHARE * most;
}
