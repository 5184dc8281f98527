import {
  HoldfastError,
  type Json,
  type Path,
  type Precondition,
  type Reason,
  type RecordRef,
} from '@holdfast/protocol';
import { type Deferred, deferred, type Release } from '@holdfast/engine/registry';
import type { ReplicaStatus } from '@holdfast/engine/replica';
import type { Hold } from '../hold.ts';
import type { OpenStore } from '../open-store.ts';
import { Part } from '../part.ts';
import type { Slot } from '../slot.ts';
import type { Store } from '../store.ts';
import { type ConnectionStatus, isOver } from '../uplink.ts';
import { Beat, type RecordWrite } from '@holdfast/engine/record';
import { Conflicts, type RecordConflictError } from './conflict.ts';
import { type Failures, ServerCopy } from './copy.ts';
import { idleState, isSameState } from './idle.ts';
import { pendingAt, writesOf } from './pending.ts';
import type { Placeless, Places } from './places.ts';
import { type Reach, reachOf } from './reach.ts';
import { noStats, type Reading, readStored } from './reading.ts';
import type {
  RecordReceipt,
  RecordState,
  RecordStats,
  RecordStatus,
  RecordWriteOptions,
} from './types.ts';
import type { SlotWatch, Watched } from './watch.ts';
import type { Writable } from './delivery.ts';

/** What the entries of a client share. */
export type EntryDesk = Failures & {
  /** Opens the store of a record, with what is wanted of it. */
  open(store: string, scope: readonly string[]): { readonly store: Store; readonly hold: Hold };
  readonly places: Places;
  closed(entry: StoreEntry): void;
  watch(hold: Hold): SlotWatch;
  wall(): number;
  write(
    entry: StoreEntry,
    write: RecordWrite,
    options?: RecordWriteOptions,
  ): RecordReceipt<unknown>;
};

type Replica = NonNullable<OpenStore['replica']>;

/**
 * A record of a client for as long as it is here: reads its object from the client's one replica of the store, through the
 * gates (records.md §8). What the gates do not let pass leaves the last good value where it is.
 */
export class StoreEntry implements Writable, Watched, Placeless {
  readonly ref: RecordRef;
  readonly isBusy = false;
  readonly value: Beat<unknown>;
  readonly state: Beat<RecordState<unknown>>;
  readonly stats: RecordStats = noStats();
  readonly #desk: EntryDesk;
  readonly #part: Part;
  #opened: { store: Store; hold: Hold; leave: () => void } | null = null;
  #server: ServerCopy;
  /** What own writes make of it, as it was last read. */
  #shown: { readonly json: Json; readonly reading: Reading } | null = null;
  #reach: Reach | null = null;
  readonly #conflicts = new Conflicts();
  #ready: Deferred<void> | null = null;
  /** Keeps the object here. */
  #wish: Release | null = null;
  /** Too many are open. */
  #excess: HoldfastError | null = null;

  constructor(ref: RecordRef, desk: EntryDesk) {
    this.ref = ref;
    this.#desk = desk;
    const report = (error: unknown): void => {
      this.stats.listenerErrors += 1;
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- reported as it was thrown
      desk.report(error as HoldfastError);
    };
    this.#part = new Part({ scope: [globUnder(ref.path)] });
    this.#server = new ServerCopy(ref, this.stats, desk);
    this.value = new Beat<unknown>(undefined, report);
    this.state = new Beat<RecordState<unknown>>(idleState, report);
  }

  get key(): string {
    return this.ref.key;
  }

  get path(): Path {
    return this.ref.path;
  }

  get hasPending(): boolean {
    return this.state.get().pendingIntents > 0;
  }

  /** Where the record is held, while it is. */
  get hold(): Hold | null {
    return this.#opened?.hold ?? null;
  }

  /** What the server has, as it was last taken. */
  get server(): Pick<ServerCopy, 'value' | 'sequence' | 'version'> {
    return this.#server;
  }

  open(): void {
    const { store, hold } = this.#desk.open(this.ref.store, ['_hf:schema/*']);
    this.#opened = { store, hold, leave: this.#desk.watch(hold).add(this) };
    this.#holds(hold.slot);
    this.#refresh();
  }

  full(error: HoldfastError): void {
    this.#excess = error;
    this.#refresh();
  }

  close(): void {
    if (this.hold !== null) this.#desk.places.leave(this.hold.slot, this);
    this.#excess = null;
    this.#opened?.leave();
    this.#opened?.store.close();
    this.#opened = null;
    this.#wish?.();
    this.#wish = null;
    this.#server = new ServerCopy(this.ref, this.stats, this.#desk);
    this.#shown = null;
    this.#reach = null;
    this.#desk.closed(this);
    this.#show({ ...this.state.get(), status: 'closed', connected: false });
    this.tell();
  }

  /** What is shown of the object, as it is stored; and whether nothing is known of it yet. */
  current(): { readonly current: Json | undefined; readonly isUnknown: boolean } {
    const replica = this.hold?.slot.opened?.replica;
    const isUnknown = replica === undefined || !this.#isHere(replica);
    return { current: replica?.read(this.path)?.value, isUnknown };
  }

  guards(paths: readonly Path[]): readonly Precondition[] {
    const replica = this.hold?.slot.opened?.replica;
    return paths.map((path) => {
      const revision = replica?.committed(path)?.revision;
      return revision === undefined
        ? { kind: 'if_absent', path }
        : { kind: 'if_match', path, revision };
    });
  }

  addConflict(conflict: RecordConflictError): void {
    this.#conflicts.add(conflict);
    this.#refresh();
  }

  removeConflict(conflict: RecordConflictError): boolean {
    const isKnown = this.#conflicts.remove(conflict);
    this.#refresh();
    return isKnown;
  }

  /** Resolves when it is known what there is; rejects when that may not be. The same promise for all who wait. */
  ready(): Promise<void> {
    const ready = (this.#ready ??= deferred<void>());
    this.#settle();
    return ready.promise;
  }

  whenIdle(): Promise<void> {
    return this.ready();
  }

  retry(): void {
    this.#refresh();
  }

  write(write: RecordWrite, options?: RecordWriteOptions): RecordReceipt<unknown> {
    return this.#desk.write(this, write, options);
  }

  look(): void {
    const { hold } = this;
    if (hold !== null) this.#show(this.#surplus(hold.slot) ?? this.#derive(hold));
  }

  tell(): void {
    this.#settle();
    this.value.tell();
    this.state.tell();
  }

  #refresh(): void {
    this.look();
    this.tell();
  }

  get #line(): ConnectionStatus | undefined {
    return this.hold?.slot.room.connection.get();
  }

  #settle(): void {
    const { status, error } = this.state.get();
    const line = this.#line;
    const isHopeful = status === 'loading' && (line === undefined || !isOver(line));
    if (status === 'idle' || isHopeful) return;
    const { code } = this.#excess ?? { code: hopeless[status] };
    if (code === undefined) this.#ready?.resolve();
    else this.#ready?.reject(error ?? line?.error ?? new HoldfastError(code));
    this.#ready = null;
  }

  #show(next: RecordState<unknown>): void {
    if (isSameState(this.state.get(), next)) return;
    this.value.put(next.value);
    this.state.put(Object.freeze(next));
  }

  #surplus(slot: Slot): RecordState<unknown> | null {
    this.#holds(slot);
    if (this.#excess === null) return null;
    return { ...this.state.get(), status: 'stale', error: this.#excess };
  }

  #derive({ slot }: Hold): RecordState<unknown> {
    const { connection, error } = slot.status.get();
    const connected = connection === 'connected';
    const { replica } = slot.opened ?? {};
    if (replica === undefined) return { ...idleState, status: 'loading', connected };
    const status = replica.status();
    const { lacks, isDenied } = this.#holds(slot) ? here : this.#reachOf(status);
    if (isDenied) return { ...idleState, status: 'denied', connected, ...(error && { error }) };
    const pendingIntents = pendingAt(this.path, slot.outbox());
    const common = { pendingIntents, conflicts: this.#conflicts.list, connected };
    const incarnation = status.incarnation;
    if (lacks) return { ...this.#loading(replica), ...common, incarnation };
    this.#server.take({ replica, incarnation, shown: this.value.get() });
    const isLive = status.phase === 'live' || status.phase === 'catching_up';
    const trouble = this.#server.fault?.error ?? error;
    return {
      ...this.#taken(replica, isLive && connected),
      ...common,
      incarnation,
      ...(trouble !== undefined && { error: trouble }),
    };
  }

  /** Before the first baseline a `set` is shown, and nothing else: what it rests on is not known (records.md §11.2). */
  #loading(replica: Replica): RecordState<unknown> {
    const before = this.state.get();
    // It was a row of a query, and is on its way once more.
    if (before.schemaVersion !== null) return { ...before, status: 'refetching' };
    const value = this.#isCreated() ? this.#overlaid(replica) : undefined;
    const source = value === undefined ? null : 'local';
    return { ...idleState, status: 'loading', value, source };
  }

  #taken(replica: Replica, isLive: boolean): Omit<RecordState<unknown>, 'error'> {
    const before = this.state.get();
    const { sequence } = this.#server;
    const value = this.#overlaid(replica);
    const isNew = before.status === 'loading' || sequence !== before.sequence;
    const now = this.#desk.wall();
    const isFirst = before.source === null || before.source === 'local';
    const news = isFirst ? (isLive ? 'snapshot' : this.#begun) : 'receipt';
    return {
      ...idleState,
      value,
      ...this.#standing(before),
      sequence,
      updatedAt: Object.is(value, before.value) ? before.updatedAt : now,
      lastSyncedAt: isLive && isNew ? now : before.lastSyncedAt,
      source: isFirst || isNew ? news : before.source,
    };
  }

  /** What the store has begun with. */
  get #begun(): 'seed' | 'persisted' {
    const { name, room } = this.#opened?.hold.slot ?? {};
    return name !== undefined && room?.seeds.has(name) ? 'seed' : 'persisted';
  }

  /** The status, and the versions that go with it. */
  #standing({
    schemaVersion,
  }: RecordState<unknown>): Pick<
    RecordState<unknown>,
    'status' | 'schemaVersion' | 'serverSchemaVersion'
  > {
    const { fault, json, version } = this.#server;
    if (json === undefined) return { status: 'gone', schemaVersion: version };
    if (fault === null) return { status: 'ok', schemaVersion: version };
    const skew = fault.fault === 'skew' && { serverSchemaVersion: version };
    return { status: fault.fault, schemaVersion, ...skew };
  }

  /** The value of the server, or what own writes make of it where that passes the gates. */
  #overlaid(replica: Replica): unknown {
    const server = this.#server;
    const json = replica.read(this.path)?.value;
    if (json === server.json || json === undefined) {
      this.#shown = null;
      return json === undefined ? undefined : server.value;
    }
    if (this.#shown?.json !== json) {
      const { version } = server;
      const before = this.value.get() ?? server.value;
      const reading = readStored(this.ref.record, { json, version }, { before, stats: noStats() });
      this.#shown = { json, reading };
    }
    const { reading } = this.#shown;
    return 'value' in reading ? reading.value : server.value;
  }

  #isCreated(): boolean {
    const outbox = this.hold?.slot.outbox() ?? [];
    return outbox.some(({ request }) =>
      writesOf(request).some(({ op, path }) => op === 'set' && path === this.path),
    );
  }

  #isHere(replica: Replica): boolean {
    return !this.#reachOf(replica.status()).lacks || this.#isRow(replica);
  }

  #isRow(replica: Replica | undefined): boolean {
    return replica?.queries?.covers(this.path) === true;
  }

  /** What a query shows is here as long as that, and wanted for its own sake from then on; says whether one does. */
  #holds(slot: Slot): boolean {
    const isRow = this.#isRow(slot.opened?.replica);
    if (!isRow) this.#wish ??= this.#desk.places.take(slot, this.#part.globs, this);
    if (isRow || this.#wish !== null) this.#excess = null;
    return isRow;
  }

  #reachOf(status: ReplicaStatus): Reach {
    this.#reach = reachOf(this.#part, status, this.#reach);
    return this.#reach;
  }
}

const here = { lacks: false, isDenied: false };

/** Where nothing is known and nothing will be. */
const hopeless: { readonly [Status in RecordStatus]?: Reason } = {
  loading: 'unavailable',
  denied: 'denied',
  closed: 'closed',
};

/** Everything at and below a path, as a pattern (stores.md §2.2.1). */
function globUnder(path: Path): string {
  return `${path.replaceAll(/(^|\/)(\*\*?)(?=\/|$)/g, String.raw`$1\$2`)}/**`;
}
