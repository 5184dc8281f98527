import {
  type ConflictError,
  HoldfastError,
  type Json,
  type Path,
  type Reason,
  type RecordRef,
} from '@holdfast/protocol';
import type { Mutator } from '@holdfast/engine/data';
import type { Release } from '@holdfast/engine/registry';
import type { ReplicaStatus } from '@holdfast/engine/replica';
import type { ClientEnv } from '../env.ts';
import type { OpenStore } from '../open-store.ts';
import { literally } from '../literal.ts';
import { Part } from '../part.ts';
import { isOver } from '../connection.ts';
import type { Slot } from '../slot.ts';
import { type Failures, ServerCopy } from './copy.ts';
import type { Opened, RecordEntry, Unchanged } from './delivery.ts';
import { idleState, isSameState } from './idle.ts';
import { inOwnForm, type Stored, withOwn } from './own-form.ts';
import type { Shown } from './overlay.ts';
import { isMadeBy, leavesOpen } from './pending.ts';
import type { Placeless } from './places.ts';
import { type Reach, reachOf } from './reach.ts';
import { noStats, type Reading, readStored } from './reading.ts';
import { Showing } from './showing.ts';
import type { RecordState, RecordStats, RecordStatus } from './types.ts';
import type { Watched } from './watch.ts';

/** What the entries of a client share. */
export type EntryDesk = Failures & {
  readonly env: ClientEnv;
  /** Runs the mutations of records. */
  readonly mutate: Mutator;
  open(store: string, watched: Watched): Opened;
  closed(entry: StoreEntry): void;
};

type Replica = NonNullable<OpenStore['replica']>;

/**
 * A record of a client for as long as it is here: reads its object from the client's one replica of the store, through the
 * gates (records.md §8). What the gates do not let pass leaves the last good value where it is.
 */
export class StoreEntry
  extends Showing<unknown, RecordState<unknown>>
  implements RecordEntry, Watched, Placeless
{
  readonly ref: RecordRef;
  readonly stats: RecordStats = noStats();
  conflicts: readonly ConflictError[] = idleState.conflicts;
  readonly #desk: EntryDesk;
  readonly #part: Part;
  #opened: Opened | null = null;
  readonly #server: ServerCopy;
  /** What own writes make of it, as it was last read. */
  #shown: { readonly json: Json; readonly reading: Reading } | null = null;
  #reach: Reach | null = null;
  /** Keeps the object here. */
  #wish: Release | null = null;
  /** Too many are open. */
  #excess: HoldfastError | null = null;

  constructor(ref: RecordRef, desk: EntryDesk) {
    super({ value: undefined, state: idleState }, (error) => {
      this.stats.listenerErrors += 1;
      desk.report(error);
    });
    this.ref = ref;
    this.#desk = desk;
    this.#part = new Part({ scope: [`${literally(ref.path)}/**`] });
    this.#server = new ServerCopy(ref, this.stats, desk);
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

  get opened(): Opened | null {
    return this.#opened;
  }

  /** What the server has, as it was last taken. */
  get server(): Pick<ServerCopy, 'value' | 'sequence' | 'version'> {
    return this.#server;
  }

  open(): void {
    this.#opened = this.#desk.open(this.ref.store, this);
    this.#holds(this.#opened);
    this.refresh();
  }

  full(error: HoldfastError): void {
    this.#excess = error;
    this.refresh();
  }

  close(): void {
    this.#opened?.watch.places.leave(this);
    this.#opened?.close();
    this.#opened = null;
    this.#wish?.();
    this.#wish = null;
    this.#desk.closed(this);
    this.#show({ ...this.state.get(), status: 'closed', connected: false });
    this.tell();
  }

  current(): ReturnType<RecordEntry['current']> {
    const replica = this.#replica;
    const isHere = replica && (this.#isRow(replica) || !this.#reachOf(replica.status()).lacks);
    const current = replica && inOwnForm(this.ref.record, this.#withOwn(replica));
    const isPart = leavesOpen(this.ref, this.#near(this.path));
    return { current, isUnknown: isHere !== true, isPart };
  }

  guards(paths: readonly Path[]): readonly Unchanged[] {
    const replica = this.#replica;
    return paths.map((path) => {
      const revision = replica?.committed(path)?.revision;
      return revision === undefined
        ? { kind: 'if_absent', path }
        : { kind: 'if_match', path, revision };
    });
  }

  /** Resolves when it is known what there is; rejects when that may not be. */
  ready(): Promise<void> {
    return this.waiters.until(() => this.#verdict());
  }

  /** The same of what there is by now, also where it has left a query and is on its way once more. */
  arrived(): Promise<void> {
    return this.waiters.until(() => this.#verdict('refetching'));
  }

  whenIdle(): Promise<void> {
    return this.waiters.until(() => this.#verdict() !== false);
  }

  retry(): void {
    this.refresh();
  }

  look(): void {
    if (this.#opened === null) return;
    const isRow = this.#holds(this.#opened);
    const error = this.#excess;
    if (error !== null) this.#show({ ...this.state.get(), status: 'stale', error });
    else this.#show(this.#derive(this.#opened.hold.slot, isRow));
  }

  get #replica(): Replica | undefined {
    return this.#opened?.hold.slot.opened?.replica;
  }

  /** Whether it is known what there is, false where that is to be waited for, or why it will not be. */
  #verdict(also?: RecordStatus): unknown {
    const { status, error } = this.state.get();
    const line = this.#opened?.hold.slot.room.connection.get();
    const isComing = ['loading', also].includes(status);
    const isHopeful = isComing && (line === undefined || !isOver(line));
    if (status === 'idle' || isHopeful) return false;
    const code = this.#excess?.code ?? hopeless[status];
    return code === undefined || (error ?? line?.error ?? new HoldfastError(code));
  }

  #show(next: RecordState<unknown>): void {
    if (isSameState(this.state.get(), next)) return;
    this.value.put(next.value);
    this.state.put(Object.freeze(next));
  }

  #derive(slot: Slot, isRow: boolean): RecordState<unknown> {
    const { connection, error } = slot.status.get();
    const connected = connection === 'connected';
    const replica = this.#replica;
    if (replica === undefined) return { ...idleState, status: 'loading', connected };
    const status = replica.status();
    const { lacks, isDenied } = isRow ? here : this.#reachOf(status);
    if (isDenied) return { ...idleState, status: 'denied', connected, ...(error && { error }) };
    const { incarnation, phase } = status;
    const pendingIntents = slot.outboxNear(this.path).length;
    const common = { pendingIntents, conflicts: this.conflicts, connected, incarnation };
    if (lacks) return { ...this.#loading(replica, slot), ...common };
    this.#server.take({ replica, incarnation, shown: this.value.get() });
    const isLive = connected && (phase === 'live' || phase === 'catching_up');
    const trouble = this.#server.fault?.error ?? error;
    const taken = this.#taken(replica, isLive ? 'snapshot' : keptIn(slot));
    return { ...taken, ...common, ...(trouble !== undefined && { error: trouble }) };
  }

  /** Before the first baseline a `set` is shown, and nothing else: what it rests on is not known (records.md §11.2). */
  #loading(replica: Replica, slot: Slot): RecordState<unknown> {
    const before = this.state.get();
    // It was a row of a query, and is on its way once more.
    if (before.schemaVersion !== null) return { ...before, status: 'refetching' };
    const isMade = isMadeBy(slot.outboxNear(this.path), this.ref);
    const value = isMade ? this.#overlaid(replica) : undefined;
    const source = value === undefined ? null : 'local';
    return { ...idleState, status: 'loading', value, source };
  }

  /** `begun`: what it is of where nothing was taken before. */
  #taken(replica: Replica, begun: 'snapshot' | 'seed' | 'persisted'): RecordState<unknown> {
    const before = this.state.get();
    const { sequence } = this.#server;
    const value = this.#overlaid(replica);
    const isNew = before.status === 'loading' || sequence !== before.sequence;
    const now = this.#desk.env.wall();
    const isFirst = before.source === null || before.source === 'local';
    const synced = begun === 'snapshot' && isNew;
    return {
      ...idleState,
      value,
      ...this.#standing(before),
      sequence,
      updatedAt: Object.is(value, before.value) ? before.updatedAt : now,
      lastSyncedAt: synced ? now : before.lastSyncedAt,
      source: isFirst ? begun : isNew ? 'receipt' : before.source,
    };
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
    const { json, version } = this.#withOwn(replica);
    if (json === server.json || json === undefined) {
      this.#shown = null;
      return json === undefined ? undefined : server.value;
    }
    if (this.#shown?.json !== json) {
      const before = this.value.get() ?? server.value;
      const reading = readStored(this.ref.record, { json, version }, { before, stats: noStats() });
      this.#shown = { json, reading };
    }
    const { reading } = this.#shown;
    return 'value' in reading ? reading.value : server.value;
  }

  #withOwn(replica: Replica): Stored {
    const { mutate, env } = this.#desk;
    const near = (path: Path): readonly Shown[] => this.#near(path);
    return withOwn(this.ref.record, { replica, near, mutate, now: () => env.wall() })(this.path);
  }

  #near(path: Path): readonly Shown[] {
    return this.#opened?.hold.slot.outboxNear(path) ?? [];
  }

  #isRow(replica: Replica | undefined): boolean {
    return replica?.queries?.covers(this.path) === true;
  }

  /** What a query shows is here as long as that, and wanted for its own sake from then on; says whether one does. */
  #holds({ hold, watch }: Opened): boolean {
    const isRow = this.#isRow(hold.slot.opened?.replica);
    if (!isRow) this.#wish ??= watch.places.take(this.#part.globs, this);
    if (isRow || this.#wish !== null) this.#excess = null;
    return isRow;
  }

  #reachOf(status: ReplicaStatus): Reach {
    this.#reach = reachOf(this.#part, status, this.#reach);
    return this.#reach;
  }
}

/** Where what is shown at first is from while nothing has come. */
function keptIn({ name, room }: Slot): 'seed' | 'persisted' {
  return room.seeds.has(name) ? 'seed' : 'persisted';
}

const here = { lacks: false, isDenied: false };

/** Where nothing is known and nothing will be. */
const hopeless: { readonly [Status in RecordStatus]?: Reason } = {
  loading: 'unavailable',
  denied: 'denied',
  closed: 'closed',
};
