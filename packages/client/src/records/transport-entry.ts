import { encodeStored, readEnvelope } from '@holdfast/protocol/record';
import {
  type ConflictError,
  HoldfastError,
  type Json,
  type Path,
  type RecordRef,
} from '@holdfast/protocol';
import {
  Answered,
  type Have,
  Reconciler,
  type ReconcilerEffect,
  type ReconcilerInput,
  share,
} from '@holdfast/engine/record';
import { alarm } from '@holdfast/engine/registry';
import { askFor, type TransportDelivery, transportFault, waysToAsk } from './asking.ts';
import type { DeliveryDesk, Followed, Opened, RecordEntry, Unchanged } from './delivery.ts';
import { idleState, isSameState } from './idle.ts';
import { inTurn } from '../turns.ts';
import { type Base, isAwaited, OwnWrites } from './own-writes.ts';
import { noStats, readStored } from './reading.ts';
import { keep, PageSeed } from './page-envelope.ts';
import { isNewer, type Snapshots, snapshotsOf } from './snapshots.ts';
import { Showing } from './showing.ts';
import type { RecordState, RecordStats } from './types.ts';
import type { Watched } from './watch.ts';

/** What is known of the server before anything is. */
const nothing = { value: undefined, incarnation: null, schemaVersion: null, source: null } as const;

type Input = ReconcilerInput extends infer Each
  ? Each extends ReconcilerInput
    ? Omit<Each, 'now'>
    : never
  : never;

/** A record that comes by envelopes: one queue of what happens to it, each step whole before anybody is told (records.md §6.2). */
export class TransportEntry
  extends Showing<unknown, RecordState<unknown>>
  implements RecordEntry, Watched
{
  readonly isApart = true;
  /** Of the outbox every change is looked at, once something has been written. */
  readonly hasPending = true;
  readonly stats: RecordStats = noStats();
  conflicts: readonly ConflictError[] = idleState.conflicts;
  readonly #followed: Followed;
  readonly #options: TransportDelivery;
  readonly #desk: DeliveryDesk;
  readonly #snapshots: Snapshots | null;
  readonly #setAlarm: (at: number) => void;
  readonly #requests = new Map<number, AbortController>();
  #reconciler: Reconciler | null = null;
  #releases: (() => void)[] = [];
  #own: OwnWrites | null = null;
  #isStarted = false;
  #page: PageSeed | null = null;
  /** What the server has, as it is stored. */
  #stored: { readonly raw: unknown; readonly json: Json | undefined } | null = null;

  constructor(followed: Followed, options: TransportDelivery, desk: DeliveryDesk) {
    super({ value: undefined, state: idleState }, (error) => {
      this.stats.listenerErrors += 1;
      desk.report(error);
    });
    this.#followed = followed;
    this.#options = options;
    this.#desk = desk;
    this.#snapshots = snapshotsOf(desk);
    this.#setAlarm = alarm(desk.env, () => this.#step({ type: 'tick' }));
  }

  get key(): string {
    return this.#followed.key;
  }

  get ref(): RecordRef {
    const { written } = this.#followed;
    if (written !== null) return written;
    throw new HoldfastError('read_only', { key: this.key });
  }

  get path(): Path {
    return this.ref.path;
  }

  /** Where writes wait; the store is opened for the first of them. */
  get opened(): Opened | null {
    return this.#reconciler === null ? null : this.#ownWrites().opened;
  }

  get server(): RecordEntry['server'] {
    const { value, sequence = 0, schemaVersion = '*' } = this.#reconciler?.server ?? {};
    const base = this.#base();
    const known = this.#own?.committed(base) ?? base;
    const isSame = known.sequence === sequence;
    return {
      value: isSame ? value : this.#read(known.json),
      sequence: known.sequence,
      version: schemaVersion,
    };
  }

  /** Subscribes first, so that nothing is missed between what it begins with and what comes. */
  open(): void {
    const { transport } = this.#options;
    const { written } = this.#followed;
    this.#page = PageSeed.of(this.#desk, this.#followed);
    const reconciler = this.#reconciled();
    this.#reconciler = reconciler;
    try {
      const subscribed = transport.subscribe(this.key, (message) => this.#hear(message));
      this.#releases.push(subscribed);
      // Once it is closed, nobody waits for it.
      subscribed.ready.catch((error: unknown) => {
        if (this.#reconciler === reconciler) this.#desk.report(transportFault(error));
      });
      // A transport of JavaScript may hand on an event.
      const reconnected = (of?: unknown): void => {
        if (typeof of !== 'string' || of === this.key) this.#step({ type: 'reconnected' });
      };
      this.#releases.push(transport.onReconnect(reconnected));
      this.#releases.push(transport.status.subscribe(() => this.refresh()));
      if (written !== null && isAwaited(written, this.#desk)) this.#ownWrites();
      this.#begin();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    for (const release of this.#releases) release();
    this.#releases = [];
    this.#own?.close();
    this.#own = null;
    this.#desk.room.rendered.envelopes.delete(this.key);
    this.#setAlarm(Infinity);
    this.#desk.closed(this);
    this.#step({ type: 'close' });
    this.#reconciler = null;
  }

  ready(): Promise<void> {
    return this.waiters.until(() => {
      const { status, error } = this.state.get();
      if (status === 'denied' || status === 'closed') return error ?? new HoldfastError(status);
      return status !== 'idle' && status !== 'loading';
    });
  }

  whenIdle(): Promise<void> {
    return this.waiters.until(() => this.#reconciler?.isIdle !== false);
  }

  retry(): void {
    this.#step({ type: 'retry' });
  }

  current(): ReturnType<RecordEntry['current']> {
    const own = this.#ownWrites();
    const base = this.#base();
    const current = own.over(base);
    return { current, isUnknown: !base.isKnown, isPart: own.leavesOpen() };
  }

  /** Of the fields' own revisions nothing is known: the whole object has to be what it was. */
  guards(): readonly Unchanged[] {
    const { path } = this.ref;
    const { value, sequence } = this.server;
    return value === undefined
      ? [{ kind: 'if_absent', path }]
      : [{ kind: 'if_match', path, revision: sequence }];
  }

  /** What it begins with: the newest of what was rendered and what was kept, then what is asked for (records.md §6.3). */
  #begin(): void {
    const snapshots = this.#snapshots;
    const seed =
      this.#options.seed?.(this.key) ?? this.#desk.room.rendered.envelopes.get(this.key)?.envelope;
    const start = (): void => {
      this.#isStarted = true;
      this.#step({ type: 'start' });
    };
    const restore = (): void => {
      // What a page before has written is shown, too, over what it was written to.
      const { written } = this.#followed;
      if (written !== null && snapshots?.hasLeft(written.store) === true) this.#ownWrites();
      const message = snapshots?.get(this.key, this.#followed.record.name);
      if (message !== undefined && isNewer(message, this.#reconciler?.server ?? null)) {
        this.#step({ type: 'envelope', source: 'persisted', message });
      }
    };
    if (seed !== undefined) this.#step({ type: 'envelope', source: 'seed', message: seed });
    if (snapshots?.isLoaded !== false) {
      restore();
      start();
      return;
    }
    if (seed !== undefined) start();
    void snapshots.loaded().then(() => {
      if (this.#reconciler === null) return;
      restore();
      if (!this.#isStarted) start();
    });
    this.refresh();
  }

  #reconciled(): Reconciler {
    const { record: def, pass } = this.#followed;
    const random = (): number => this.#desk.env.random();
    const asks = waysToAsk(this.#options, this.#page !== null);
    return new Reconciler({ def, pass, stats: this.stats, random, ...asks });
  }

  /** Begins without what a page said. */
  #anew(page: PageSeed): void {
    page.disown();
    this.#page = null;
    for (const asked of this.#requests.values()) asked.abort();
    this.#reconciler = this.#reconciled();
    this.#step({ type: 'start' });
  }

  #ownWrites(): OwnWrites {
    this.#own ??= new OwnWrites(this.ref, this.#desk, { watched: this, base: () => this.#base() });
    return this.#own;
  }

  #hear(message: unknown): void {
    if (message instanceof Answered) {
      this.#step({ type: 'told', answer: message.answer });
      return;
    }
    this.#step({ type: 'envelope', source: 'receipt', message });
  }

  #step(input: Input): void {
    this.#take([input]);
  }

  /** What is caused from within comes after. */
  readonly #take = inTurn<Input>(
    (input) => {
      const now = this.#desk.env.now();
      for (const effect of this.#reconciler?.step({ ...input, now }) ?? []) this.#perform(effect);
      if (input.type === 'envelope' && input.source === 'receipt') this.#echo(input.message);
      this.refresh();
    },
    (error) => this.#desk.report(error),
  );

  /** An envelope tells by which write it came about; one that was not taken has nothing of it to show. */
  #echo(message: unknown): void {
    const own = this.#own;
    const server = this.#reconciler?.server ?? null;
    if (own === null || server === null) return;
    const read = readEnvelope(message);
    if ('fault' in read || read.opId === null) return;
    const { incarnation } = read;
    const isOfThis = incarnation === null || incarnation === (server.incarnation ?? incarnation);
    if (isOfThis && read.sequence <= server.sequence) own.echo(read.opId);
  }

  #perform(effect: ReconcilerEffect): void {
    switch (effect.type) {
      case 'request':
        void this.#request(effect.run, effect.have);
        break;
      case 'abort':
        this.#requests.get(effect.run)?.abort();
        this.#requests.delete(effect.run);
        break;
      case 'wake':
        this.#setAlarm(effect.at ?? Infinity);
        break;
      case 'report':
        this.#desk.report(effect.error);
        break;
      case 'skewed': {
        const { name, version } = this.#followed.record;
        this.#desk.skewed({ record: name, client: version, server: effect.server });
        break;
      }
      case 'persist':
        if (this.#page?.isBelow(effect.envelope) !== false) {
          keep(this.#desk, this.#followed, effect.envelope);
        }
        break;
    }
  }

  async #request(run: number, have: Have | null): Promise<void> {
    const controller = new AbortController();
    this.#requests.set(run, controller);
    const { signal } = controller;
    const page = this.#page;
    try {
      const told = await askFor(this.#followed, this.#options, { have, signal, page });
      if (signal.aborted) return;
      if (page?.isDisprovedBy(told) === true) return this.#anew(page);
      if (page?.isProvedBy(told) === true) this.#page = null;
      this.#step({ ...told, run });
    } catch (error) {
      this.#step({ type: 'failed', run, error });
    }
    this.#requests.delete(run);
  }

  look(): void {
    const reconciler = this.#reconciler;
    if (reconciler === null) return;
    const before = this.state.get();
    const next = this.#derive(reconciler, before);
    if (isSameState(before, next)) return;
    this.value.put(next.value);
    this.state.put(Object.freeze(next));
    this.#desk.room.activity.notify();
  }

  #derive(reconciler: Reconciler, before: RecordState<unknown>): RecordState<unknown> {
    const { status: own, error, serverVersion } = reconciler;
    const isBeginning = own === 'idle' || (!this.#isStarted && own === 'stale');
    const status = isBeginning ? 'loading' : own;
    const { sequence, ...server } = reconciler.server ?? { ...nothing, sequence: before.sequence };
    const value = status === 'denied' ? undefined : this.#displayed();
    const now = this.#desk.env.wall();
    return {
      ...idleState,
      value,
      status,
      sequence,
      incarnation: server.incarnation,
      schemaVersion: server.schemaVersion,
      ...(serverVersion !== null && { serverSchemaVersion: serverVersion }),
      pendingIntents: this.#own?.pending().length ?? 0,
      conflicts: this.conflicts,
      connected: this.#options.transport.status.get() === 'open',
      ...(error !== undefined && { error }),
      updatedAt: Object.is(value, before.value) ? before.updatedAt : now,
      lastSyncedAt: sequence === before.sequence ? before.lastSyncedAt : now,
      source: server.source,
    };
  }

  /** What the server has, as it is stored. */
  #base(): Base {
    const server = this.#reconciler?.server ?? null;
    const raw = this.#own === null ? undefined : server?.raw;
    if (this.#stored === null || this.#stored.raw !== raw) {
      this.#stored = { raw, json: raw === undefined ? undefined : encodeStored(raw) };
    }
    const { sequence = 0, incarnation = null } = server ?? {};
    return { json: this.#stored.json, isKnown: server !== null, sequence, incarnation };
  }

  #displayed(): unknown {
    const value = this.#reconciler?.server?.value;
    const before = this.value.get();
    if (this.#own === null) return value;
    const base = this.#base();
    const json = this.#own.over(base);
    return share(before, json === base.json ? value : this.#read(json));
  }

  /** What is shown for a stored object, if it passes the gates. */
  #read(json: Json | undefined): unknown {
    if (json === undefined) return undefined;
    const { record } = this.ref;
    const at = { json, version: record.version };
    const reading = readStored(record, at, { before: this.value.get(), stats: noStats() });
    return 'value' in reading ? reading.value : this.#reconciler?.server?.value;
  }
}
