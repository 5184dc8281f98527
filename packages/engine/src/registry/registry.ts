import { HoldfastError } from '@holdfast/protocol';
import { Alarm } from './alarm.ts';
import { type Deferred, deferred } from './deferred.ts';
import { Entry } from './entry.ts';
import { releaseOnce } from './release.ts';
import { Room } from './room.ts';
import { checkedTtl, checkKey, settingsOf } from './settings.ts';
import type {
  EntryInfo,
  EntryState,
  Env,
  GetOptions,
  HoldOptions,
  Lease,
  RegistryConfig,
  RegistryEvent,
  RegistryStats,
  Release,
} from './types.ts';

const disposeTimeoutMs = 10_000;

const lost = /* @__PURE__ */ new FinalizationRegistry<{ name: string; env: Env }>(({ name, env }) =>
  env.warn?.(`${name}: a registry was dropped without dispose, its values open`),
);

/**
 * Maps string keys to expensive values: loads each once however many use it, keeps it while anyone needs it and a
 * while longer, closes it, and tells everyone what happens (registry.md).
 */
export class Registry<T, O extends object = object> implements AsyncDisposable {
  readonly #room: Room<T, O>;
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry<T, O>>();
  /** Of one key each, until they are released. */
  readonly #subscriptions = new Set<Release>();
  #disposing: Deferred<void> | undefined;

  constructor(config: RegistryConfig<T, O>) {
    const { name, env, signal } = config;
    this.#room = new Room(settingsOf(config), this.#entries);
    // A developer hears of a registry that is dropped undisposed; it is never closed by that (registry.md §7).
    if (env.dev) lost.register(this, { name, env }, this);
    signal?.addEventListener('abort', this.#disposeBySignal);
    if (signal?.aborted === true) this.#disposeBySignal();
  }

  /** The value itself once it is loaded, until then the one promise of it (registry.md §4.1). */
  get(key: string, options: Partial<O> & GetOptions = {}): T | Promise<T> {
    const call = this.#read(key, options);
    return this.#entry(key).get(call);
  }

  /** Waits for the value and holds it until the lease is released; rejects holding nothing (registry.md §4.2). */
  async acquire(key: string, options: Partial<O> & HoldOptions = {}): Promise<Lease<T>> {
    const call = this.#read(key, options);
    const { signal } = call;
    if (signal?.aborted === true) throw abortError();
    const entry = this.#entry(key);
    const hold = entry.enter(call);
    // Between the answer and its arrival the value may have been closed; what is closed is never handed out (§2.3).
    const admit = async (): Promise<Lease<T>> => {
      await unlessAborted(entry.demand(call), signal);
      return entry.leaseOn(hold) ?? admit();
    };
    try {
      const lease = await admit();
      if (!hold.isLive) throw abortError();
      return lease;
    } catch (error) {
      hold.end();
      throw error;
    }
  }

  /** Holds the entry and has it loaded, without waiting; never throws for a failed load (registry.md §4.3). */
  retain(key: string, options: Partial<O> & HoldOptions = {}): Release {
    const call = this.#read(key, options);
    if (call.signal?.aborted === true) return releaseOnce(() => undefined);
    return releaseOnce(this.#entry(key).retain(call).end);
  }

  /** Loads ahead of use; resolves however the load goes (registry.md §4.4). */
  async preload(key: string, options: Partial<O> & HoldOptions = {}): Promise<void> {
    const call = this.#read(key, options);
    try {
      await this.#entry(key).get(call);
    } catch {
      // The failure stays in the entry's state, for the next use to meet.
      this.#assertLive();
    }
  }

  /** The state of an entry, untouched by looking (registry.md §1). */
  peek(key: string): EntryState<T> {
    checkKey(this.#room.settings, key);
    return this.#entries.get(key)?.state ?? { status: 'idle', generation: 0 };
  }

  /** Clears the error, or ends the live value, of one key, or the errors of all; loads anew what is held (§6.3). */
  async reset(key?: string): Promise<void> {
    if (key !== undefined) checkKey(this.#room.settings, key);
    this.#assertLive();
    const entries = [...this.#entries.values()].filter((entry) =>
      key === undefined ? entry.state.status === 'failed' : entry.key === key,
    );
    await Promise.all(entries.map(async (entry) => entry.reset()?.done));
  }

  /** Closes an entry that nobody uses, or with `force` any; false if nothing was closed (registry.md §5.8). */
  async evict(key: string, options: { force?: boolean } = {}): Promise<boolean> {
    checkKey(this.#room.settings, key);
    this.#assertLive();
    const evicted = this.#entries.get(key)?.evict(options.force ?? false) ?? false;
    if (typeof evicted === 'boolean') return evicted;
    await evicted.done;
    return true;
  }

  /** Plain data about every entry, least recently used first. */
  list(): readonly EntryInfo[] {
    return [...this.#entries.values()].map(({ info }) => info);
  }

  /** Counters since the start, and gauges of now. */
  stats(): RegistryStats {
    const entries = [...this.#entries.values()];
    return {
      entries: entries.length,
      ready: entries.filter(({ state }) => state.status === 'ready').length,
      held: entries.filter(({ isHeld }) => isHeld).length,
      ...this.#room.tally,
    };
  }

  /** Hears every event; or the states of one key, which is held meanwhile but not loaded (registry.md §4.5). */
  subscribe(listener: (event: RegistryEvent) => void): Release;
  subscribe(key: string, listener: (state: EntryState<T>) => void, options?: HoldOptions): Release;
  subscribe(
    first: string | ((event: RegistryEvent) => void),
    hear: (state: EntryState<T>) => void = () => undefined,
    options: HoldOptions = {},
  ): Release {
    if (typeof first !== 'function') return this.#subscribeTo(first, hear, options);
    this.#assertLive();
    return this.#room.announcer.listen(undefined, ({ event }) => first(event));
  }

  /** Closes every value and ends every use; afterwards the registry serves nobody (registry.md §7). */
  dispose(options: { timeout?: number } = {}): Promise<void> {
    if (this.#disposing !== undefined) return this.#disposing.promise;
    const { announcer, closings, settings } = this.#room;
    const { env, timers, signal } = settings;
    this.#disposing = deferred<void>();
    signal?.removeEventListener('abort', this.#disposeBySignal);
    lost.unregister(this);
    this.#room.dispose();
    announcer.run(() => {
      for (const entry of Array.from(this.#entries.values())) entry.dispose();
    });
    const alarm = new Alarm(env, timers, () => {
      for (const closing of closings) closing.giveUp();
    });
    if (closings.size > 0) alarm.set(env.now() + (options.timeout ?? disposeTimeoutMs));
    void this.#conclude(alarm);
    return this.#disposing.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  readonly #disposeBySignal = (): void => {
    void this.dispose();
  };

  #read<Options extends HoldOptions>(key: string, options: Options): Options & { ttl: number } {
    const { settings } = this.#room;
    checkKey(settings, key);
    const ttl = checkedTtl(options.ttl ?? settings.ttl);
    this.#assertLive();
    return { ...options, ttl };
  }

  /** The entry, which is there before anything is awaited (registry.md §2.1). */
  #entry(key: string): Entry<T, O> {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry = new Entry(key, this.#room);
    this.#room.enter(entry);
    return entry;
  }

  #subscribeTo(key: string, hear: (state: EntryState<T>) => void, options: HoldOptions): Release {
    const { signal, ttl } = this.#read(key, options);
    if (signal?.aborted === true) return releaseOnce(() => undefined);
    const stopHearing = this.#room.announcer.listen(key, ({ state }) => {
      if (state !== undefined) hear(state);
    });
    const hold = this.#entry(key).hold({ ttl });
    const release = releaseOnce(() => {
      this.#subscriptions.delete(release);
      signal?.removeEventListener('abort', release);
      stopHearing();
      hold.end();
    });
    this.#subscriptions.add(release);
    signal?.addEventListener('abort', release);
    return release;
  }

  #assertLive(): void {
    if (this.#disposing === undefined) return;
    throw new HoldfastError('registry_disposed', { registry: this.#room.settings.name });
  }

  async #conclude(alarm: Alarm): Promise<void> {
    const { announcer } = this.#room;
    await this.#room.drained();
    alarm.clear();
    announcer.run(() => announcer.tell({ key: '', generation: 0 }, { type: 'disposed' }));
    announcer.close();
    for (const release of this.#subscriptions) release();
    this.#disposing?.resolve();
  }
}

/** The error of a use that its own signal ended. */
function abortError(): Error {
  return Object.assign(new Error('the use was aborted by its signal'), { name: 'AbortError' });
}

/** Waits for the answer; rejects at once when the signal fires. */
function unlessAborted(answer: unknown, signal: AbortSignal | undefined): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(abortError());
    const settled = (): void => signal?.removeEventListener('abort', abort);
    signal?.addEventListener('abort', abort);
    Promise.resolve(answer).finally(settled).then(resolve, reject);
  });
}
