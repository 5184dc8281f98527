import { asStoreName, HoldfastError, parseStoreName, type StoreName } from '@holdfast/protocol';
import { Registry, type Release, releaseOnce, type Signal } from '@holdfast/engine/registry';
import type { CachedStore } from './cache/port.ts';
import { Cell } from './cell.ts';
import { OpenStore, type Room } from './open-store.ts';
import {
  checkOptions,
  type ClientOptions,
  closedError,
  type Settings,
  settingsOf,
} from './options.ts';
import { Slot } from './slot.ts';
import { Store } from './store.ts';
import { type ConnectionStatus, Uplink } from './uplink.ts';

/** How a store is opened. */
export type StoreOptions = {
  /** Absent: the whole store. `[]`: nothing of it; such a handle only writes, and downloads nothing. */
  readonly scope?: readonly string[];
};

/** A client: one connection, and any number of stores over it. */
export interface Client extends AsyncDisposable {
  /** How the connection is doing; the same object until something changes. */
  readonly status: Signal<ConnectionStatus>;
  /** A handle on a store, which is opened if it is not. Throws a `TypeError` for a name that is not like `org/name`. */
  store(name: string, options?: StoreOptions): Store;
  /** Tries to connect now instead of later, also after a token was refused. */
  connect(): void;
  /** Everything that goes on inside, as plain data. */
  inspect(): object;
  /** Ends the socket, all timers and all stores at once. Idempotent. */
  close(): Promise<void>;
}

/** Makes a client, which connects at once. Throws a `TypeError` for options that are wrong or unknown. */
export function createClient(options: ClientOptions): Client {
  return new StoreClient(settingsOf(options));
}

type OpenOptions = { isWriteOnly: boolean };

const openStoresMax = 32;
const unusedMs = 60_000;

class StoreClient implements Client {
  readonly status: Cell<ConnectionStatus>;
  readonly #settings: Settings;
  readonly #session: string;
  readonly #uplink: Uplink;
  readonly #room: Room;
  readonly #stores: Registry<OpenStore, OpenOptions>;
  readonly #slots = new Map<StoreName, Slot>();
  /** A handle that nobody has any more holds its store no more. */
  readonly #forgotten = new FinalizationRegistry<Release>((release) => release());
  #closing: Promise<void> | null = null;

  constructor(settings: Settings) {
    const { env, report } = settings;
    this.#settings = settings;
    this.#session = env.randomId();
    this.status = new Cell<ConnectionStatus>({ connection: 'connecting', attempts: 0 }, report);
    this.#uplink = new Uplink(settings, this.status);
    this.#room = { settings, uplink: this.#uplink, connection: this.status };
    this.#stores = new Registry<OpenStore, OpenOptions>({
      name: 'stores',
      load: (key, { isWriteOnly }) =>
        this.#load(this.#slot(asStoreName(key.slice('store/'.length))), isWriteOnly),
      close: (open, { signal }) => open.close(signal),
      busy: (open) => open.isBusy,
      identity: ({ isWriteOnly }) => isWriteOnly,
      onMismatch: 'replace',
      defaults: { ttl: unusedMs },
      maxEntries: openStoresMax,
      env,
      onError: ({ error }) => report(error),
    });
    settings.tabs?.begin({
      session: this.#session,
      status: this.status,
      retain: (name, isWriteOnly) => {
        const slot = this.#slot(name);
        return this.#stores.retain(slot.key, this.#optionsFor(slot, isWriteOnly));
      },
    });
  }

  store(name: string, options: StoreOptions = {}): Store {
    this.#assertOpen();
    const parsed = parseStoreName(name);
    if (parsed === null) throw new TypeError(`"${name}" is not a store name like org/name.`);
    const isWriteOnly = isEmptyScope(options);
    const slot = this.#slot(parsed);
    const retain = (): Release => {
      this.#assertOpen();
      return this.#stores.retain(slot.key, this.#optionsFor(slot, isWriteOnly));
    };
    const release = retain();
    const letGo = releaseOnce(() => {
      this.#forgotten.unregister(letGo);
      release();
    });
    const store = new Store(
      {
        slot,
        isWriteOnly,
        retain,
        open: () => {
          this.#assertOpen();
          return this.#stores.get(slot.key, this.#optionsFor(slot, isWriteOnly));
        },
        nextOpId: () => `${this.#settings.deviceId}:${this.#session}:${slot.nextNumber()}`,
      },
      letGo,
    );
    this.#forgotten.register(store, release, letGo);
    return store;
  }

  connect(): void {
    this.#assertOpen();
    this.#uplink.connect();
  }

  inspect(): object {
    const open = [...this.#slots.values()].flatMap(({ open: store }) => store ?? []);
    return {
      device: this.#settings.deviceId,
      session: this.#session,
      status: this.status.get(),
      connection: this.#uplink.describe(),
      registries: { stores: { list: this.#stores.list(), stats: this.#stores.stats() } },
      stores: open.map((store) => store.describe()),
      outbox: [...this.#slots.values()].flatMap((slot) => slot.outbox()),
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#settings.tabs?.close();
    const disposed = this.#stores.dispose();
    this.#uplink.close();
    this.status.set({ connection: 'closed', attempts: 0 });
    await disposed;
  }

  #load(slot: Slot, isWriteOnly: boolean): OpenStore | Promise<OpenStore> {
    const { cache, report } = this.#settings;
    const open = (image: CachedStore | null): OpenStore =>
      new OpenStore(this.#room, slot, { isWriteOnly, image });
    // Without its cache a client goes on in memory, having said so (registry.md §11, Storage).
    const openEmpty = (error: unknown): OpenStore => {
      report(error);
      return open(null);
    };
    try {
      const image = cache?.load(slot.name) ?? null;
      return image instanceof Promise ? image.then(open, openEmpty) : open(image);
    } catch (error) {
      return openEmpty(error);
    }
  }

  #slot(name: StoreName): Slot {
    let slot = this.#slots.get(name);
    if (slot === undefined) {
      slot = new Slot(name, this.#settings);
      this.#slots.set(name, slot);
    }
    return slot;
  }

  /** What to open a store with. One that replicates all of it serves those who only write, too. */
  #optionsFor({ key, open }: Slot, isWriteOnly: boolean): OpenOptions {
    if (isWriteOnly) return { isWriteOnly: open?.isWriteOnly ?? true };
    if (open?.isWriteOnly === true && open.isBusy) {
      throw new HoldfastError(
        'option_mismatch',
        { key },
        'option_mismatch: the store is open with scope [] and has writes to send; wait for settled() and close that handle first.',
      );
    }
    return { isWriteOnly };
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw closedError('client');
  }
}

function isEmptyScope(options: StoreOptions): boolean {
  checkOptions('store', options, { scope: ['object'] });
  const { scope } = options;
  if (scope === undefined) return false;
  if (Array.isArray(scope) && scope.length === 0) return true;
  throw new TypeError(
    'store: "scope" can only be absent, for the whole store, or [], to write only; parts of a store cannot be replicated yet.',
  );
}
