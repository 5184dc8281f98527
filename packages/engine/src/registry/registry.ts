import { HoldfastError } from '@holdfast/protocol';
import { Alarm } from './alarm.ts';
import { Announcer } from './announcer.ts';
import { type Call, callOf, checkKey } from './call.ts';
import { Closings } from './closings.ts';
import { Crowd } from './crowd.ts';
import { Deferred } from './deferred.ts';
import { Entry } from './entry.ts';
import type { Keeper, Tally } from './keeper.ts';
import { openLease } from './lease.ts';
import { releaseOnce } from './release.ts';
import { type Settings, checkedTtl, settingsOf } from './settings.ts';
import { stopWatchingUnreachable, watchUnreachable } from './unreachable.ts';
import type {
  EntryInfo,
  EntryState,
  GetOptions,
  HoldOptions,
  Lease,
  RegistryConfig,
  RegistryEvent,
  RegistryStats,
  Release,
} from './types.ts';

const disposeTimeoutMs = 10_000;

/**
 * Maps string keys to expensive values: loads each once however many use it, keeps it while anyone needs it and a
 * while longer, closes it, and tells everyone what happens (registry.md).
 */
export class Registry<T, O extends object = object> implements AsyncDisposable {
  readonly #settings: Settings<T, O>;
  readonly #announcer: Announcer<T>;
  readonly #closings: Closings<T, O>;
  readonly #keeper: Keeper<T, O>;
  readonly #crowd: Crowd<T, O>;
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry<T, O>>();
  readonly #warned = new Set<string>();
  readonly #tally: Tally = {
    loads: 0,
    hits: 0,
    failures: 0,
    retries: 0,
    evictions: 0,
    listenerErrors: 0,
  };
  #generations = 0;
  #disposing: Deferred<void> | undefined;

  constructor(config: RegistryConfig<T, O>) {
    const settings = settingsOf(config);
    this.#settings = settings;
    this.#announcer = new Announcer(settings.env, (error, key) => {
      this.#tally.listenerErrors += 1;
      settings.report({ phase: 'listener', key, error });
    });
    this.#closings = new Closings(settings);
    this.#crowd = new Crowd(settings, this.#announcer, this.#entries);
    this.#keeper = this.#makeKeeper();
    watchUnreachable(this, { name: config.name, env: config.env });
    config.signal?.addEventListener('abort', this.#disposeBySignal);
    if (config.signal?.aborted === true) this.#disposeBySignal();
  }

  /** The value itself once it is loaded, until then the one promise of it (registry.md §4.1). */
  get(key: string, options: Partial<O> & GetOptions = {}): T | Promise<T> {
    const call = this.#read(key, options);
    return this.#entry(key).get(call);
  }

  /** Waits for the value and holds it until the lease is released (registry.md §4.2). */
  acquire(key: string, options: Partial<O> & HoldOptions = {}): Promise<Lease<T>> {
    return openLease(() => {
      const call = this.#read(key, options);
      return { entry: this.#entry(key), call };
    });
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
    checkKey(this.#settings, key);
    return this.#entries.get(key)?.state ?? { status: 'idle', generation: 0 };
  }

  /** Clears the error, or ends the live value, of one key, or the errors of all; loads anew what is held (§6.3). */
  async reset(key?: string): Promise<void> {
    if (key !== undefined) checkKey(this.#settings, key);
    this.#assertLive();
    const entries = [...this.#entries.values()].filter((entry) =>
      key === undefined ? entry.state.status === 'failed' : entry.key === key,
    );
    await Promise.all(entries.map(async (entry) => entry.reset()?.done));
  }

  /** Closes an entry that nobody uses, or with `force` any; false if nothing was closed (registry.md §5.8). */
  async evict(key: string, options: { force?: boolean } = {}): Promise<boolean> {
    checkKey(this.#settings, key);
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
      ready: entries.filter((entry) => entry.state.status === 'ready').length,
      held: entries.filter((entry) => entry.tenure.held).length,
      closes: this.#closings.closes,
      ...this.#tally,
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
    return this.#announcer.listen(first);
  }

  /** Closes every value and ends every use; afterwards the registry serves nobody (registry.md §7). */
  dispose(options: { timeout?: number } = {}): Promise<void> {
    if (this.#disposing !== undefined) return this.#disposing.promise;
    const { env, timers } = this.#settings;
    this.#disposing = new Deferred<void>();
    this.#settings.config.signal?.removeEventListener('abort', this.#disposeBySignal);
    stopWatchingUnreachable(this);
    this.#crowd.close();
    this.#announcer.run(() => {
      for (const entry of Array.from(this.#entries.values())) entry.dispose();
    });
    const alarm = new Alarm(env, timers, () => this.#closings.giveUpAll());
    if (!this.#closings.idle) alarm.set(env.now() + (options.timeout ?? disposeTimeoutMs));
    void this.#conclude(alarm);
    return this.#disposing.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  readonly #disposeBySignal = (): void => {
    void this.dispose();
  };

  #makeKeeper(): Keeper<T, O> {
    const isDisposed = (): boolean => this.#disposing !== undefined;
    return {
      settings: this.#settings,
      announcer: this.#announcer,
      closings: this.#closings,
      tally: this.#tally,
      get disposed() {
        return isDisposed();
      },
      nextGeneration: () => {
        this.#generations += 1;
        return this.#generations;
      },
      firstMismatch: (key) => !this.#warned.has(key) && this.#warned.add(key).has(key),
      used: (key, entry) => {
        const known = this.#entries.get(key);
        if (known !== entry || known === undefined) return;
        this.#entries.delete(key);
        this.#entries.set(key, known);
      },
      vacated: () => this.#crowd.check(),
      removed: (key, entry) => {
        const known = this.#entries.get(key);
        if (known === undefined || known !== entry) return;
        this.#entries.delete(key);
        this.#announcer.tell({ key, generation: known.state.generation }, { type: 'removed' });
      },
    };
  }

  #read(key: string, options: Partial<O> & GetOptions): Call<O> {
    checkKey(this.#settings, key);
    const call = callOf(this.#settings, options);
    this.#assertLive();
    return call;
  }

  /** The entry, which is there before anything is awaited (registry.md §2.1). */
  #entry(key: string): Entry<T, O> {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    this.#crowd.enter(key);
    const entry = new Entry(key, this.#keeper);
    this.#entries.set(key, entry);
    this.#announcer.tell({ key, generation: 0 }, { type: 'added' });
    return entry;
  }

  #subscribeTo(
    key: string,
    listener: (state: EntryState<T>) => void,
    options: HoldOptions,
  ): Release {
    checkKey(this.#settings, key);
    const ttl = checkedTtl(options.ttl ?? this.#settings.ttl);
    this.#assertLive();
    const { signal } = options;
    if (signal?.aborted === true) return releaseOnce(() => undefined);
    const stopHearing = this.#announcer.listenTo(key, listener);
    const hold = this.#entry(key).hold({ ttl, signal: undefined });
    const release = releaseOnce(() => {
      signal?.removeEventListener('abort', release);
      stopHearing();
      hold.end();
    });
    signal?.addEventListener('abort', release);
    return release;
  }

  #assertLive(): void {
    if (this.#disposing === undefined) return;
    throw new HoldfastError('registry_disposed', { registry: this.#settings.config.name });
  }

  async #conclude(alarm: Alarm): Promise<void> {
    await this.#closings.drained();
    alarm.clear();
    this.#announcer.run(() => {
      this.#announcer.tell({ key: '', generation: 0 }, { type: 'disposed' });
    });
    this.#announcer.close();
    this.#warned.clear();
    this.#disposing?.resolve();
  }
}
