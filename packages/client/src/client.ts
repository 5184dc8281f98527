import {
  type Glob,
  parseStoreName,
  type PresenceDefinition,
  type StoreName,
} from '@holdfast/protocol';
import { Pool, type Release, releaseOnce, type Signal } from '@holdfast/engine/registry';
import { Cell } from './cell.ts';
import type { ConnectOptions } from './connect.ts';
import { rooms } from './doors.ts';
import { handled } from './handled.ts';
import { seldom } from './later.ts';
import { closedError } from './mistakes.ts';
import { type ClientOptions, type Settings, settingsOf } from './options.ts';
import { Part, type StoreOptions } from './part.ts';
import type { PresenceHandle } from './presence/types.ts';
import type { RecordDesk } from './records/types.ts';
import type { Room } from './room.ts';
import { Slot, unusedMs } from './slot.ts';
import { Store } from './store.ts';
import type { ConnectionStatus } from './connection.ts';
import { Uplink } from './uplink.ts';
import type { ViewsDesk } from './views/plug.ts';
import type { Modules, ParamsBy, RootBy, ViewArgs, ViewHandle } from './views/types.ts';
import { type SyncStatus, syncStatusOf } from './sync.ts';
import { isSettled } from './waiters.ts';

/** A client: one connection, and any number of stores and views over it; `App` is the type of the server's app. */
// oxlint-disable-next-line typescript/no-explicit-any -- a client of any app is one of an app not named, which `unknown` is not
export interface Client<App = any> extends AsyncDisposable {
  /** How far it is in step with its server (records.md §10); the same object until something changes. */
  readonly status: Signal<SyncStatus>;
  /** A handle on a store, which is opened if it is not. Throws a `TypeError` for a name that is not like `org/name`. */
  store(name: string, options?: StoreOptions): Store;
  /**
   * A handle on a record: of a definition, or of the name of one (records.md §10). This, and all up to `prefetch`, needs
   * `records` among the options of the client.
   */
  readonly record: RecordDesk<App>['record'];
  /** A handle on a live set of records (records.md §14). */
  readonly collection: RecordDesk<App>['collection'];
  /** The first of such a set. */
  readonly one: RecordDesk<App>['one'];
  /** Writes several records of one store, all or nothing. */
  readonly transact: RecordDesk<App>['transact'];
  /** Has records here before they are used. */
  readonly prefetch: RecordDesk<App>['prefetch'];
  /** Waits until own writes are safe (records.md §10). */
  readonly flush: RecordDesk<App>['flush'];
  /** The own writes that are not decided yet. */
  readonly outbox: RecordDesk<App>['outbox'];
  /**
   * A handle on a presence topic, which is joined while it is retained or subscribed to (records.md §16). Needs `presences`
   * among the options of the client. Throws a `TypeError` for parameters that do not fit.
   */
  presence<State>(
    definition: PresenceDefinition<State>,
    params: { readonly [name: string]: string },
  ): PresenceHandle<State>;
  /**
   * Mounts a view of the server (views.md §12.2), or takes a hold on it where it is mounted. Needs `views` among the
   * options of the client. Throws `option_mismatch` where it is mounted with other params.
   */
  view<M extends Modules<App>>(
    module: M,
    ...options: ViewArgs<ParamsBy<App, M>>
  ): ViewHandle<RootBy<App, M>, ParamsBy<App, M>>;
  /**
   * Tries to connect now instead of later, also after a token was refused; asks again for stores that were. Resolves when
   * the connection is open; rejects when it is refused, or not open in time. Nobody needs to wait for it.
   */
  connect(options?: ConnectOptions): Promise<void>;
  /** Everything that goes on inside, as plain data. */
  inspect(): object;
  /** Ends the socket, all timers and all stores at once. Idempotent. */
  close(): Promise<void>;
}

/** Makes a client, which connects at once. Throws a `TypeError` for options that are wrong or unknown. */
// oxlint-disable-next-line typescript/no-explicit-any -- as above
export function createClient<App = any>(options: ClientOptions): Client<App> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the server serves only its type tells
  return new StoreClient(settingsOf(options)) as unknown as Client<App>;
}

const openStoresMax = 32;

const membersOfRecords = [
  'record',
  'collection',
  'one',
  'transact',
  'prefetch',
  'flush',
  'outbox',
] as const;

class StoreClient implements Client {
  declare readonly record: RecordDesk['record'];
  declare readonly collection: RecordDesk['collection'];
  declare readonly one: RecordDesk['one'];
  declare readonly transact: RecordDesk['transact'];
  declare readonly prefetch: RecordDesk['prefetch'];
  declare readonly flush: RecordDesk['flush'];
  declare readonly outbox: RecordDesk['outbox'];
  readonly status: Signal<SyncStatus>;
  readonly #room: Room;
  readonly #stores: Pool;
  readonly #slots = new Map<StoreName, Slot>();
  /** A handle that nobody has any more holds its store no more. */
  readonly #forgotten = new FinalizationRegistry<Release>((release) => release());
  #views: ViewsDesk | undefined;
  #closing: Promise<void> | null = null;
  #records: RecordDesk | undefined;

  constructor(settings: Settings) {
    const { env, timers, report } = settings;
    const beginning = { connection: 'connecting', attempts: 0 } as const;
    const connection = new Cell<ConnectionStatus>(beginning, report);
    this.#room = {
      settings,
      session: env.randomId(),
      origin: env.dev ? new Error('made').stack : undefined,
      uplink: new Uplink(settings, connection),
      connection,
      slots: this.#slots,
      seeds: new Map(),
      rendered: { envelopes: new Map(), views: new Map() },
      activity: new Cell(null, report),
      parties: new Set(),
    };
    this.status = syncStatusOf(this.#room);
    rooms.set(this, this.#room);
    for (const name of membersOfRecords) {
      Object.defineProperty(this, name, {
        configurable: true,
        get: () => this.#desk(name)[name],
      });
    }
    this.#stores = new Pool({ env, timers, ttlMs: unusedMs, max: openStoresMax, report });
    settings.tabs?.begin({
      session: this.#room.session,
      client: this,
      status: connection,
      changed: this.#room.activity.notify,
      retain: (name, globs) => this.#retain(this.#slot(name), globs),
    });
    void settings.cache?.keeping.sendLeft(settings, (name) => {
      if (this.#closing !== null) return;
      const slot = this.#slot(name);
      const release = this.#retain(slot, []);
      slot.store.until(isSettled).then(release, release);
    });
  }

  store(name: string, options: StoreOptions = {}): Store {
    this.#assertOpen();
    const parsed = parseStoreName(name);
    if (parsed === null) throw new TypeError(`"${name}" is not a store name like org/name.`);
    const part = new Part(options);
    const slot = this.#slot(parsed);
    const retain = (): Release => this.#retain(slot, part.globs);
    const release = retain();
    slot.opened?.again();
    const letGo = releaseOnce(() => {
      this.#forgotten.unregister(letGo);
      release();
    });
    const store = new Store({ slot, part, retain }, letGo);
    this.#forgotten.register(store, release, letGo);
    return store;
  }

  view(module: string, options?: object): ViewHandle {
    this.#assertOpen();
    this.#views ??= (this.#room.settings.views ?? missing('view', 'views')).open(this);
    return this.#views.view(module, options);
  }

  presence<State>(
    definition: PresenceDefinition<State>,
    params: { readonly [name: string]: string },
  ): PresenceHandle<State> {
    this.#assertOpen();
    const plug = this.#room.settings.presences ?? missing('presence', 'presences', 'presence');
    return plug.open(this, definition, params);
  }

  connect(options: ConnectOptions = {}): Promise<void> {
    this.#assertOpen();
    this.#room.uplink.connect();
    return handled(async () => {
      const { whenOpen } = await seldom();
      return whenOpen(this.#room.connection, options, this.#room.settings.env);
    });
  }

  inspect(): object {
    const { settings, session, uplink } = this.#room;
    const slots = [...this.#slots.values()];
    return {
      device: settings.deviceId,
      session,
      status: this.status.get(),
      connection: uplink.describe(),
      registries: { stores: this.#stores.list(), ...this.#records?.describe() },
      stores: slots.flatMap(({ opened }) => opened?.describe() ?? []),
      outbox: slots.flatMap((slot) => slot.outbox()),
      views: this.#views?.describe() ?? [],
    };
  }

  close(): Promise<void> {
    this.#closing ??= handled(() => this.#close());
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    // Over the line to the tab that leads, perhaps.
    this.#views?.close();
    this.#room.settings.tabs?.close();
    const disposed = this.#stores.dispose();
    this.#room.uplink.close();
    this.#room.connection.set({ connection: 'closed', attempts: 0 });
    await disposed;
    await this.#room.settings.cache?.close?.();
  }

  #desk(name: keyof RecordDesk): RecordDesk {
    return (this.#records ??= (this.#room.settings.records ?? missing(name, 'records')).open(this));
  }

  #slot(name: StoreName): Slot {
    const slot = this.#slots.get(name) ?? new Slot(name, this.#room);
    this.#slots.set(name, slot);
    return slot;
  }

  /** Keeps a store open, and a part of it here. */
  #retain(slot: Slot, globs: readonly Glob[]): Release {
    const forget = slot.want(globs);
    const release = this.#stores.hold(slot);
    return releaseOnce(() => {
      release();
      forget();
    });
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw closedError('client');
  }
}

/** Throws: a member needs a part which the application has to import. */
function missing(member: string, part: string, from = part): never {
  const call = `createClient({ ${part}: ${part}(…) })`;
  throw new TypeError(`client.${member} needs ${call}, of @holdfast/client/${from}.`);
}
