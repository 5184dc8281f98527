import {
  collection,
  type CollectionDef,
  type CollectionSpec,
  parseStoreName,
  type RecordDef,
  type RecordRef,
  recordsByName,
  RejectedError,
  type SourceDef,
  type StoreName,
} from '@holdfast/protocol';
import { mutatorOf, type RecordWrite } from '@holdfast/engine/record';
import { Pool, type Release, releaseOnce, type Signal } from '@holdfast/engine/registry';
import { call } from '../cell.ts';
import type { Client } from '../client.ts';
import { holdOf, roomOf } from '../doors.ts';
import { twins } from '../twins.ts';
import type { ClientEnv } from '../env.ts';
import { handled } from '../handled.ts';
import { checkOptions } from '../mistakes.ts';
import type { Party, Room } from '../room.ts';
import type { Slot } from '../slot.ts';
import type { RecordsOptions, Skew } from './options.ts';
import type { RecordsPlug } from './plug.ts';
import { Behind } from './behind.ts';
import { type CollectionDesk, CollectionEntry } from './collection.ts';
import { firstOf, LiveCollection } from './collection-handle.ts';
import type { RecordConflictError } from './conflict.ts';
import type { DeliveryDesk, Opened, RecordEntry, SourceRef } from './delivery.ts';
import { type EntryDesk, StoreEntry } from './entry.ts';
import { AllWrites } from './flush.ts';
import { type HandleDesk, still, StoreRecordHandle } from './handle.ts';
import { idleState, noRows } from './idle.ts';
import type { KeptClashes, KeptDesk } from './kept-clashes.ts';
import { transact } from './transact.ts';
import type {
  CollectionState,
  RecordDesk,
  RecordHandle,
  RecordReceipt,
  RecordState,
  RecordWriteOptions,
} from './types.ts';
import { type Kind, Use } from './use.ts';
import { versionedTerms } from './versions.ts';
import { SlotWatch, type Watched, type WideWatched } from './watch.ts';
import { writeAll } from './sending.ts';
import { type WriterDesk, Writes } from './writes.ts';

export { type Clash, RecordConflictError, type Resolution } from './conflict.ts';
export type { Delivery, DeliveryDesk, Followed, RecordEntry, SourceRef } from './delivery.ts';
export { idleState } from './idle.ts';
export type { RecordsOptions, Skew } from './options.ts';
export type { RecordsPlug } from './plug.ts';
export type {
  CollectionDef,
  CollectionSpec,
  Out,
  Params,
  RecordDef,
  RecordRef,
  SourceDef,
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
    assertClient(client);
    return new Desk(client, byName, { ...options, mutate });
  };
  const { link } = options.delivery ?? {};
  return { mutate, open, link, terms: (terms) => versionedTerms(definitions, terms) };
}

function assertClient(client: object): asserts client is Client {
  roomOf(client);
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
    WriterDesk,
    KeptDesk,
    CollectionDesk,
    Party
{
  readonly room: Room;
  readonly env: ClientEnv;
  readonly report: (error: unknown) => void;
  readonly mutate: RecordsPlug['mutate'];
  readonly outbox: AllWrites;
  readonly disputes = new Set<Release>();
  readonly followed = new Set<StoreName>();
  readonly #client: Client;
  readonly #byName: ReadonlyMap<string, RecordDef>;
  readonly #options: RecordsOptions;
  readonly #openMax: number;
  readonly #records: Kind<RecordRef | SourceRef, RecordEntry, RecordState<unknown>>;
  readonly #collections: Kind<CollectionDef, CollectionEntry, CollectionState<unknown>>;
  readonly #behind = new Behind();
  readonly #watches = new Map<Slot, SlotWatch>();
  /** Of the records of each store, and of collections; by what consoles call them. */
  readonly #pools = new Map<string, Pool>();
  #keptClashes: Promise<KeptClashes> | null = null;

  constructor(
    client: Client,
    byName: ReadonlyMap<string, RecordDef>,
    options: RecordsOptions & Pick<RecordsPlug, 'mutate'>,
  ) {
    const room = roomOf(client);
    const { env, report } = room.settings;
    this.room = room;
    this.env = env;
    this.report = report;
    this.mutate = options.mutate;
    this.outbox = new AllWrites(room);
    this.#client = client;
    this.#byName = byName;
    this.#options = options;
    this.#openMax = options.openMax ?? openMaxDefault;
    this.#records = {
      entries: new Map(),
      idle: idleState,
      begin: (ref) => this.#noted(this.#begun(ref)),
      hold: (entry) => this.hold(entry),
      drawn: (ref, state) => still(this.#drawn(ref) ?? state),
    };
    this.#collections = {
      entries: new Map(),
      idle: noRows,
      begin: (def) => this.#noted(new CollectionEntry(def, this)),
      hold: (entry) => this.#holdCollection(entry),
      drawn: (def, state) => drawnBy(twins.get(room)?.().collection(def)) ?? state,
    };
    room.parties.add(this);
    const stop = room.connection.subscribe(() => {
      if (!this.#isClosed) return;
      stop();
      for (const pool of this.#pools.values()) void pool.dispose();
      options.delivery?.close?.(this);
      options.sources?.close?.(this);
    });
  }

  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the handle is of that definition
  readonly record = ((of: RecordDef | SourceDef | string, params: object): RecordHandle =>
    this.#handle(
      typeof of !== 'string' && of.kind === 'source'
        ? { source: of, key: of.key(params) }
        : this.#definition(of).ref(params),
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

  readonly flush: RecordDesk['flush'] = ({ timeout } = {}) =>
    handled(() => this.outbox.flush(timeout));

  readonly prefetch: RecordDesk['prefetch'] = (...refs) =>
    handled(async () => {
      const ready = refs.map((ref) =>
        ('kind' in ref ? this.#collection(ref) : this.#handle(ref)).ready(),
      );
      await Promise.allSettled(ready);
    });

  describe(): object {
    return Object.fromEntries([...this.#pools].map(([name, pool]) => [name, pool.list()]));
  }

  #handle(ref: RecordRef | SourceRef): StoreRecordHandle {
    return new StoreRecordHandle(ref, new Use(this.#records, ref), this);
  }

  #collection(def: CollectionDef): LiveCollection {
    const { record } = def;
    this.#definition(record);
    return new LiveCollection(def, new Use(this.#collections, def), (rowKey) => {
      const [, org, name, ...path] = rowKey.split('/');
      const params = record.match(path.join('/'), `${org}/${name}`);
      return params === null ? undefined : this.#handle(record.ref(params));
    });
  }

  /** A definition of this client, by itself or by its name. */
  #definition(of: RecordDef | string): RecordDef {
    const name = typeof of === 'string' ? of : of.name;
    const known = this.#byName.get(name);
    if (known === undefined) throw new RejectedError('unknown_record', { record: name });
    if (typeof of === 'string' || known === of) return known;
    // Such as of another bundle, which has a copy of the module.
    const message = 'The client was given another definition of that name.';
    throw new RejectedError('unknown_record', { record: name, message });
  }

  entry(ref: RecordRef): RecordEntry {
    return new Use(this.#records, ref).entry;
  }

  #begun(ref: RecordRef | SourceRef): RecordEntry {
    const { delivery, sources = delivery } = this.#options;
    if ('record' in ref) return delivery?.entry(ref, this) ?? new StoreEntry(ref, this);
    if (sources !== undefined) return sources.entry(ref, this);
    throw new TypeError('A source needs "sources": bySse().');
  }

  /** The status of the client is told of it as well. */
  #noted<Entry extends RecordEntry | CollectionEntry>(entry: Entry): Entry {
    this.#behind.follow(entry, this.room.activity.notify);
    return entry;
  }

  write(
    entry: RecordEntry,
    write: RecordWrite,
    options: RecordWriteOptions = {},
  ): RecordReceipt<unknown> {
    const { ref } = entry;
    return writeAll(new Writes(this, false), entry, [{ ref, write, options }]);
  }

  /** What a server has drawn of a record; nothing of what comes by a transport: that is not in a store. */
  #drawn(ref: RecordRef | SourceRef): RecordState<unknown> | undefined {
    if ('source' in ref || this.#options.delivery !== undefined) return undefined;
    return drawnBy(twins.get(this.room)?.().record(ref.record, ref.params));
  }

  readonly hold = (entry: RecordEntry): Release => {
    const [, org, name] = entry.key.split('/');
    return this.#pool(`rec/${org}/${name}`, unusedMs, this.#openMax).hold(entry);
  };

  /** One that is let go of before anything is known of it is given up at once (records.md §14.6). */
  #holdCollection(entry: CollectionEntry): Release {
    const pool = this.#pool('collections', 0, queriesMax);
    const release = pool.hold(entry);
    return releaseOnce(() => {
      const isKept = !this.#isClosed && entry.state.get().ready;
      if (isKept) pool.keep(entry, { ttlMs: queryMs, firmMs: 0 });
      release();
    });
  }

  #pool(name: string, ttlMs: number, max: number): Pool {
    const { env, timers, report } = this.room.settings;
    const pool = this.#pools.get(name) ?? new Pool({ env, timers, report, ttlMs, max });
    this.#pools.set(name, pool);
    return pool;
  }

  open(
    store: string,
    watched: Watched | WideWatched,
    scope: readonly string[] = ['_hf:schema/*'],
  ): Opened {
    const name = parseStoreName(store);
    if (name !== null) this.#lookForClashes(name);
    const handle = this.#client.store(store, { scope });
    const hold = holdOf(handle);
    const { slot } = hold;
    const watch = this.#watches.get(slot) ?? new SlotWatch(slot, this.#openMax);
    this.#watches.set(slot, watch);
    const leave = watch.add(watched);
    const close = (): void => {
      leave();
      handle.close();
    };
    return { hold, watch, close };
  }

  /** What tells of the conflicts of a former life is loaded by clients that keep their writes. */
  #lookForClashes(store: StoreName): void {
    const letters = this.room.settings.cache?.letters;
    if (letters === undefined) return;
    this.#keptClashes ??= import('./kept-clashes.ts').then(
      (part) => new part.KeptClashes(letters, this),
    );
    this.#keptClashes.then(
      (clashes) => clashes.look(store),
      (error: unknown) => {
        this.#keptClashes = null;
        this.report(error);
      },
    );
  }

  get definitions(): Iterable<RecordDef> {
    return this.#byName.values();
  }

  get isBehind(): boolean {
    return !this.#behind.isEmpty;
  }

  get entries(): ReadonlyMap<string, RecordEntry> {
    return this.#records.entries;
  }

  get conflicts(): number {
    const entries = [...this.entries.values()];
    return entries.reduce((sum, { conflicts }) => sum + conflicts.length, 0);
  }

  /** With its client it stays, and says so. */
  closed(entry: RecordEntry | CollectionEntry): void {
    this.room.activity.notify();
    if (this.#isClosed) return;
    for (const { entries } of [this.#records, this.#collections]) {
      // One that was opened once more, as for a conflict, has another in its place by now.
      if (entries.get(entry.key) === entry) entries.delete(entry.key);
    }
  }

  get #isClosed(): boolean {
    return this.room.connection.get().connection === 'closed';
  }

  conflicted(conflict: RecordConflictError): void {
    call(() => this.#options.onConflict?.(conflict), this.report);
  }

  skewed(skew: Skew): void {
    call(() => this.#options.onSkew?.(skew), this.report);
  }
}

/** What a client that ends with a seed shows; nothing ends there by itself. */
function drawnBy<S>(
  handle: { retain(): Release; readonly state: Signal<S> } | undefined,
): S | undefined {
  handle?.retain()();
  return handle?.state.get();
}
