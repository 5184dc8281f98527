import {
  collection,
  type CollectionDef,
  type CollectionSpec,
  HoldfastError,
  parseStoreName,
  type Path,
  type RecordDef,
  type RecordRef,
  recordsByName,
  RejectedError,
  type SourceDef,
} from '@holdfast/protocol';
import { mutatorOf, type RecordWrite } from '@holdfast/engine/record';
import { Pool, type Release, releaseOnce } from '@holdfast/engine/registry';
import { call } from '../cell.ts';
import type { Client } from '../client.ts';
import { holds, roomOf, rooms } from '../doors.ts';
import { twins } from '../twins.ts';
import type { Hold } from '../hold.ts';
import type { ClientEnv } from '../env.ts';
import { checkOptions } from '../options.ts';
import type { Room } from '../room.ts';
import type { Slot } from '../slot.ts';
import type { RecordsPlug } from './plug.ts';
import { type CollectionDesk, CollectionEntry } from './collection.ts';
import { type CollectionHandleDesk, firstOf, LiveCollection } from './collection-handle.ts';
import type { RecordConflictError } from './conflict.ts';
import type { Delivery, DeliveryDesk, Followed, RecordEntry, Writable } from './delivery.ts';
import { type EntryDesk, StoreEntry } from './entry.ts';
import { AllWrites } from './flush.ts';
import { followedRecord, followedSource, isSource } from './followed.ts';
import { type HandleDesk, StoreRecordHandle } from './handle.ts';
import { pendingAt } from './pending.ts';
import { Places } from './places.ts';
import { type SkewedDesk, SkewedWrites } from './skewed.ts';
import { transact, type TransactDesk } from './transact.ts';
import type {
  CollectionState,
  RecordDesk,
  RecordHandle,
  RecordReceipt,
  RecordState,
  RecordWriteOptions,
} from './types.ts';
import { versionedTerms } from './versions.ts';
import { SlotWatch } from './watch.ts';
import { RecordWriter } from './writer.ts';

export { type Clash, RecordConflictError, type Resolution } from './conflict.ts';
export type { Delivery, DeliveryDesk, Followed, RecordEntry, Writable } from './delivery.ts';
export { idleState } from './idle.ts';
export type { RecordsPlug } from './plug.ts';
export type {
  CollectionDef,
  CollectionSpec,
  Out,
  Params,
  RecordDef,
  RecordRef,
} from '@holdfast/protocol';
export type {
  ClientOutbox,
  CollectionHandle,
  CollectionRow,
  CollectionState,
  OneHandle,
  PatchOf,
  RecordBy,
  RecordHandle,
  RecordNames,
  RecordReceipt,
  RecordState,
  RecordStats,
  RecordStatus,
  RecordWriteOptions,
  RecordWrites,
  SourceHandle,
  Tx,
  TxReceipt,
  TxRecord,
  WaitingWrite,
} from './types.ts';

/** How records are kept and told of. */
export type RecordsOptions = {
  /** Another way for records to come than by the client's stores: `byTransport` of `@holdfast/client/records/transport`. */
  readonly delivery?: Delivery;
  /** How sources come: `bySse()` of `@holdfast/client/records/sse`. Default: as `delivery` says. */
  readonly sources?: Delivery;
  /** Hears of own writes that met another's (records.md §11.4). */
  readonly onConflict?: (conflict: RecordConflictError) => void;
  /** Hears, once for each version of the server, that this client cannot read a record. */
  readonly onSkew?: (skew: Skew) => void;
  /** Records of one store that are open at once (records.md §19). Default: 1000. */
  readonly openMax?: number;
};

/** A record that the server has in a version which this client cannot read. */
export type Skew = { readonly record: string; readonly client: string; readonly server: string };

/**
 * Gives a client records: `createClient({ records: records([User, …]) })`. Throws a `TypeError` where two definitions have
 * one name or one path (records.md §2.5).
 */
export function records(
  definitions: readonly RecordDef[],
  options: RecordsOptions = {},
): RecordsPlug {
  checkOptions('records', options, {
    delivery: 'object',
    sources: 'object',
    onConflict: 'function',
    onSkew: 'function',
    openMax: 'number',
  });
  const byName = recordsByName(definitions);
  const mutate = mutatorOf(byName);
  const open: RecordsPlug['open'] = (client) => {
    if (isClient(client)) return new Desk(client, byName, { ...options, mutate });
    throw new TypeError('records needs a client of this package.');
  };
  const { link } = options.delivery ?? {};
  return { mutate, open, link, terms: (terms) => versionedTerms(definitions, terms) };
}

function isClient(client: object): client is Client {
  return rooms.has(client);
}

function isWritable(entry: RecordEntry): entry is Writable {
  return 'current' in entry;
}

const unusedMs = 60_000;
/** Records of one store that are open at once, and would each be a pattern of its channel (records.md §19). */
const openMaxDefault = 1000;
const queryMs = 10_000;
const queriesMax = 200;

/** The records of one client. */
class Desk
  implements
    RecordDesk,
    EntryDesk,
    HandleDesk,
    DeliveryDesk,
    TransactDesk,
    SkewedDesk,
    CollectionDesk,
    CollectionHandleDesk
{
  readonly #client: Client;
  readonly #room: Room;
  readonly #byName: ReadonlyMap<string, RecordDef>;
  readonly #options: RecordsOptions & Pick<RecordsPlug, 'mutate'>;
  readonly #entries = new Map<string, RecordEntry>();
  readonly #watches = new Map<Slot, SlotWatch>();
  readonly #collections = new Map<string, CollectionEntry>();
  /** By their stores. */
  readonly #pools = new Map<string, Pool>();
  readonly places: Places;
  readonly #queries: Pool;
  readonly outbox: AllWrites;
  readonly #skewed: SkewedWrites | null;
  readonly env: ClientEnv;
  readonly wall: () => number;
  readonly report: (error: unknown) => void;

  constructor(
    client: Client,
    byName: ReadonlyMap<string, RecordDef>,
    options: RecordsOptions & Pick<RecordsPlug, 'mutate'>,
  ) {
    const room = roomOf(client);
    const { env, timers, report } = room.settings;
    this.#room = room;
    this.#client = client;
    this.#byName = byName;
    this.#options = options;
    this.places = new Places(env, options.openMax ?? openMaxDefault);
    this.#queries = new Pool({ env, timers, report, ttlMs: 0, max: queriesMax });
    this.outbox = new AllWrites(room);
    const letters = room.settings.cache?.letters;
    this.#skewed = letters === undefined ? null : new SkewedWrites(letters, this);
    this.env = env;
    this.wall = () => env.wall();
    this.report = report;
    const stop = room.connection.subscribe(() => {
      if (!this.#isClosed) return;
      stop();
      for (const pool of this.#pools.values()) void pool.dispose();
      void this.#queries.dispose();
      options.delivery?.close?.(this);
      options.sources?.close?.(this);
    });
  }

  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the handle is of that definition
  readonly record = ((of: RecordDef | SourceDef | string, params: object): RecordHandle =>
    new StoreRecordHandle(
      isSource(of) ? followedSource(of, params) : this.#definition(of).ref(params),
      this,
    )) as RecordDesk['record'];

  readonly transact: RecordDesk['transact'] = (collect, options) =>
    transact(this, collect, options);

  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the handle is of that definition
  readonly collection = ((of: CollectionDef | string, spec?: CollectionSpec<RecordDef>) =>
    this.#collection(
      typeof of === 'string' ? collection(this.#definition(of), spec) : of,
    )) as unknown as RecordDesk['collection'];

  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the handle is of that definition
  readonly one = ((def: CollectionDef) => {
    const query = { ...def.query, limit: 1 };
    const key = `${def.key} one`;
    return firstOf(this.#collection({ ...def, query, key }));
  }) as RecordDesk['one'];

  readonly flush: RecordDesk['flush'] = ({ timeout } = {}) => this.outbox.flush(timeout);

  readonly prefetch: RecordDesk['prefetch'] = async (...refs) => {
    const ready = refs.map((ref) =>
      'kind' in ref ? this.#collection(ref).ready() : new StoreRecordHandle(ref, this).ready(),
    );
    await Promise.allSettled(ready);
  };

  #collection(def: CollectionDef): LiveCollection {
    this.#definition(def.record);
    return new LiveCollection(def, this);
  }

  /** A definition of this client, by itself or by its name. */
  #definition(of: RecordDef | string): RecordDef {
    const name = typeof of === 'string' ? of : of.name;
    const known = this.#byName.get(name);
    const isOther = typeof of !== 'string' && known !== of;
    if (known === undefined || isOther) throw new RejectedError('unknown_record', { record: name });
    return known;
  }

  entry(ref: RecordRef | Followed): RecordEntry {
    const entry = this.#entries.get(ref.key) ?? this.#begun(ref);
    this.#entries.set(ref.key, entry);
    return entry;
  }

  #begun(ref: RecordRef | Followed): RecordEntry {
    const { delivery, sources = delivery } = this.#options;
    if (!('pass' in ref)) {
      return delivery?.entry(followedRecord(ref), this) ?? new StoreEntry(ref, this);
    }
    if (sources !== undefined) return sources.entry(ref, this);
    throw new TypeError(
      'A source needs records([…], { sources: bySse() }), of @holdfast/client/records/sse.',
    );
  }

  writable(ref: RecordRef): Writable {
    const entry = this.entry(ref);
    if (isWritable(entry)) return entry;
    throw new HoldfastError('read_only', { key: ref.key });
  }

  get server(): DeliveryDesk['server'] {
    const { whoami, token } = this.#room.settings;
    return { url: whoami.replace(/\/api\/whoami$/, ''), token };
  }

  get rendered(): DeliveryDesk['rendered'] {
    return this.#room.rendered.envelopes;
  }

  get cache(): DeliveryDesk['cache'] {
    return this.#room.settings.cache;
  }

  get identified(): DeliveryDesk['identified'] {
    return this.#room.settings.identified;
  }

  get mutate(): DeliveryDesk['mutate'] {
    return this.#options.mutate;
  }

  waits(store: string, path: Path): boolean {
    const name = parseStoreName(store);
    const outbox = name === null ? [] : (this.#room.slots.get(name)?.outbox() ?? []);
    return pendingAt(path, outbox) > 0;
  }

  write(entry: Writable, write: RecordWrite, options?: RecordWriteOptions): RecordReceipt<unknown> {
    const receipt = new RecordWriter(entry, this).write(write, options);
    this.outbox.made(receipt.durable);
    return receipt;
  }

  drawn(ref: RecordRef | Followed): RecordState<unknown> | undefined {
    // What comes by a transport is not in a store.
    if ('written' in ref || this.#options.delivery !== undefined) return undefined;
    const handle = twins.get(this.#room)?.().record(ref.record, ref.params);
    // Nothing ends there by itself.
    handle?.retain()();
    return handle?.state.get();
  }

  drawnCollection(def: CollectionDef): CollectionState<RecordDef> | undefined {
    const handle = twins.get(this.#room)?.().collection(def);
    handle?.retain()();
    return handle?.state.get();
  }

  known(ref: RecordRef | Followed): RecordEntry | undefined {
    return this.#entries.get(ref.key);
  }

  hold(entry: RecordEntry): Release {
    const [, org, name] = entry.key.split('/');
    const store = `${org}/${name}`;
    const { env, report } = this;
    const { timers } = this.#room.settings;
    const max = this.#options.openMax ?? openMaxDefault;
    const pool = this.#pools.get(store) ?? new Pool({ env, timers, report, ttlMs: unusedMs, max });
    this.#pools.set(store, pool);
    return pool.hold(entry);
  }

  collectionOf(def: CollectionDef): CollectionEntry {
    const entry = this.#collections.get(def.key) ?? new CollectionEntry(def, this);
    this.#collections.set(def.key, entry);
    return entry;
  }

  knownCollection(def: CollectionDef): CollectionEntry | undefined {
    return this.#collections.get(def.key);
  }

  /** One that is let go of before anything is known of it is given up at once (records.md §14.6). */
  holdCollection(entry: CollectionEntry): Release {
    const release = this.#queries.hold(entry);
    return releaseOnce(() => {
      const isKept = !this.#isClosed && entry.state.get().ready;
      if (isKept) this.#queries.keep(entry, { ttlMs: queryMs, firmMs: 0 });
      release();
    });
  }

  recordAt(def: RecordDef, key: string): RecordHandle | undefined {
    const [, org, name, ...path] = key.split('/');
    const params = def.match(path.join('/'), `${org}/${name}`);
    return params === null ? undefined : new StoreRecordHandle(def.ref(params), this);
  }

  here(store: string): readonly Writable[] {
    return [...this.#entries.values()].filter(isWritable).filter(({ key, state }) => {
      const { status } = state.get();
      return key.startsWith(`rec/${store}/`) && status !== 'idle' && status !== 'closed';
    });
  }

  open(store: string, scope: readonly string[]): ReturnType<EntryDesk['open']> {
    const name = parseStoreName(store);
    if (name !== null) this.#skewed?.look(name);
    const handle = this.#client.store(store, { scope });
    const hold = holds.get(handle);
    if (hold === undefined) throw new TypeError('records needs a store of this package.');
    return { store: handle, hold };
  }

  /** With its client it stays, and says so. */
  closed(entry: RecordEntry | CollectionEntry): void {
    if (this.#isClosed) return;
    if (entry instanceof CollectionEntry) this.#collections.delete(entry.key);
    else this.#entries.delete(entry.key);
  }

  watch({ slot }: Hold): SlotWatch {
    const watch = this.#watches.get(slot) ?? new SlotWatch(slot);
    this.#watches.set(slot, watch);
    return watch;
  }

  get #isClosed(): boolean {
    return this.#room.connection.get().connection === 'closed';
  }

  conflicted(conflict: RecordConflictError): void {
    call(() => this.#options.onConflict?.(conflict), this.report);
  }

  skewed(skew: Skew): void {
    call(() => this.#options.onSkew?.(skew), this.report);
  }
}
