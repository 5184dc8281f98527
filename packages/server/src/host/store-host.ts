import {
  Authority,
  type AuthorityEffect,
  type AuthorityEvent,
  type Batch,
  type LoggedOp,
  type Quotas,
  type Submission,
} from '@holdfast/engine/authority';
import type { Tree } from '@holdfast/engine/data';
import { type EpochMs, type Json, type Limits, type Path, type Seq } from '@holdfast/protocol';
import type { Bus } from '../bus/port.ts';
import type { AppendResult, Storage, StoreRow } from '../storage/port.ts';
import { turn } from '../storage/turn.ts';
import { CommitTimes, type Meters } from '../metrics/index.ts';
import { startJointSpan } from '../tracing/index.ts';
import type { Clock } from './clock.ts';
import { LeaseAlarm } from './lease-alarm.ts';
import { loadStore } from './loading.ts';
import { migrate, type StoreGate } from './migrate.ts';
import { adviceOn, refusingAll } from './consult.ts';
import { countOps } from './count-ops.ts';
import { verdictInTime } from '../storage/in-time.ts';
import { OpenRequests, type Receiver, type RequestNotes, type Traces } from './requests.ts';
import { readLimit, StoreLog } from './store-log.ts';

/** Hears the facts of a store, in seq order, no commit split, before the replies that rest on them. */
export type Follower = (ops: readonly LoggedOp[], traces: Traces) => void;

/** What every store host needs of the server. */
export type HostRoom = {
  readonly storage: Storage;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly quotas?: Quotas;
  /** What the records of a store let pass; null where it has none. */
  readonly gateOf?: (row: StoreRow) => StoreGate | null;
  readonly meters: Meters;
  /** Who hears of slow commits, if anybody. */
  readonly slow: RequestNotes['slow'];
  /** Hears how each append ended. */
  readonly appended?: (result: AppendResult) => void;
  /** Something failed that nobody asked for: the operator's log. */
  readonly report: (what: string, error: unknown) => void;
  /** A host stopped for a bug: its channels are to be closed, and the store opened afresh. */
  readonly stopped: (store: StoreRow) => void;
};

/** One open store: runs its authority against the storage, and hands its facts to those who follow. */
export class StoreHost {
  readonly row: StoreRow;
  readonly #room: HostRoom;
  readonly #gate: StoreGate | null;
  readonly #authority: Authority;
  readonly #log: StoreLog;
  readonly #requests: OpenRequests;
  readonly #times = new CommitTimes();
  readonly #followers = new Set<Follower>();
  /** Tells of leases that end because nobody renews them. */
  readonly leaseAlarm: LeaseAlarm;
  #head: Seq;
  #oldestSeq: Seq;
  #dedupeSince: EpochMs;
  #tickets = 0;
  #timer: unknown = null;
  #archived: boolean;
  #stopped = false;
  #drained: (() => void) | null = null;
  #unsubscribe: () => void = () => undefined;

  private constructor(
    room: HostRoom,
    row: StoreRow,
    opened: { head: Seq; oldestSeq: Seq; dedupeSince: EpochMs; tree: Tree },
  ) {
    this.#room = room;
    this.#gate = room.gateOf?.(row) ?? null;
    this.row = row;
    this.#archived = row.status === 'archived';
    this.#oldestSeq = opened.oldestSeq;
    this.#dedupeSince = opened.dedupeSince;
    this.#head = opened.head;
    this.#log = new StoreLog(room.storage, row.id, opened.head);
    const { meters, slow, clock } = room;
    this.#requests = new OpenRequests({ store: row.name, now: () => clock.now(), meters, slow });
    this.leaseAlarm = new LeaseAlarm(room.clock, () => this.#instant());
    this.#authority = new Authority({
      head: opened.head,
      tree: opened.tree,
      at: this.#instant(),
      archived: this.#archived,
      limits: room.limits,
      ...(room.quotas && { quotas: room.quotas }),
      ...(this.#gate && { gate: this.#gate }),
    });
  }

  /** Loads a store, for as long as the signal lets it. */
  static async open(
    room: HostRoom,
    row: StoreRow,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<StoreHost> {
    const { leases, ...opened } = await loadStore(room, row, signal);
    const host = new StoreHost(room, row, opened);
    host.leaseAlarm.load(leases);
    host.#unsubscribe = room.bus.subscribe(`store.${row.id}`, (bytes) => host.#hinted(bytes));
    await migrate(host, host.#gate);
    return host;
  }

  /** The last seq that is durable and known here. */
  get head(): Seq {
    return this.#head;
  }

  /** The first seq that the log retained at the last {@link refresh}. */
  get oldestSeq(): Seq {
    return this.#oldestSeq;
  }

  /** Since when every committed op id was remembered at the last {@link refresh}. */
  get dedupeSince(): EpochMs {
    return this.#dedupeSince;
  }

  /** Where the store stands, as far as it is known here. */
  standing(): { readonly head: Seq; readonly oldestSeq: Seq } {
    return { head: this.#head, oldestSeq: this.#oldestSeq };
  }

  /** Looks how far back log and dedupe records reach by now; what was true at the opening sends repeats that nobody knows. */
  async refresh(): Promise<void> {
    const now = await this.#room.storage.open(this.row.id);
    if (now === null) return;
    this.#oldestSeq = now.oldestSeq;
    this.#dedupeSince = now.dedupeSince;
  }

  /** A ticket for one submission. */
  ticket(): number {
    this.#tickets += 1;
    return this.#tickets;
  }

  /** Takes a request to the authority; the receiver hears the answer under the submission's ticket. */
  submit(submission: Submission, receiver: Receiver, trace: string | null = null): void {
    this.#requests.add(submission, receiver, { head: this.#head, trace });
    if (this.#stopped) this.#requests.lose();
    else this.#step({ type: 'submit', submission });
  }

  /** Resolves when no request of this id is on its way: what it came to is stored by then. False: there was none. */
  settled(which: Parameters<OpenRequests['settled']>[0]): Promise<boolean> {
    return this.#requests.settled(which);
  }

  /** Tells that a channel is gone, so that its block is forgotten. */
  left(channel: number): void {
    this.#step({ type: 'left', channel });
  }

  /** Whether the store refuses writes. */
  get archived(): boolean {
    return this.#archived;
  }

  /** Whether a bug ended this host; it answers nothing any more. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Marks the store archived, or active again. */
  archive(archived: boolean): void {
    this.#archived = archived;
    this.#step({ type: 'archived', archived });
  }

  /** When the commit of a recent seq was stored, as monotonic milliseconds; null for older ones. */
  storedAt(seq: Seq): number | null {
    return this.#times.at(seq);
  }

  /** Hears everything that commits after this call. */
  follow(follower: Follower): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  /** A first part of the ops in (after, through]: whole commits, about a thousand ops or a mebibyte. */
  read(after: Seq, through: Seq): Promise<readonly LoggedOp[]> {
    return this.#log.read(after, through);
  }

  /** What is committed at a path: the same object until something below changes. */
  valueAt(path: Path): Json | undefined {
    return this.#authority.read(path)?.value;
  }

  /** A root of the committed state that stays as it is. */
  view(): { readonly tree: Tree; readonly seq: Seq } {
    return this.#authority.view();
  }

  describe(): ReturnType<Authority['describe']> {
    return this.#authority.describe();
  }

  /** Finishes what was accepted, then lets go of the store. */
  async close(): Promise<void> {
    this.#unsubscribe();
    await new Promise<void>((resolve) => {
      this.#drained = resolve;
      if (this.#stopped) resolve();
      else this.#step({ type: 'drain' });
    });
    this.#room.clock.clearTimeout(this.#timer);
    this.leaseAlarm.close();
    this.#followers.clear();
  }

  #instant(): { now: number; wall: number } {
    return { now: this.#room.clock.now(), wall: this.#room.storage.now() };
  }

  #hinted(bytes: Uint8Array): void {
    const head = Number(new TextDecoder().decode(bytes));
    if (Number.isSafeInteger(head) && head > this.#head) this.#step({ type: 'grew', head });
  }

  #step(event: AuthorityEvent): void {
    if (this.#stopped) return;
    const { now, wall } = this.#instant();
    try {
      for (const effect of this.#authority.step({ ...event, now, wall })) this.#perform(effect);
    } catch (error) {
      this.#stop(error);
    }
  }

  /** A bug. What is in memory is not trusted any more; the process and its other stores go on. */
  #stop(error: unknown): void {
    this.#stopped = true;
    const state = JSON.stringify(this.#authority.describe());
    this.#room.report(`store ${this.row.name} stopped at ${state}`, error);
    this.#followers.clear();
    this.#requests.lose();
    this.#drained?.();
    // Not amid the work of whoever asked.
    this.#room.clock.setImmediate(() => this.#room.stopped(this.row));
  }

  #perform(effect: AuthorityEffect): void {
    switch (effect.type) {
      case 'collect':
        this.#room.clock.setImmediate(() => this.#step({ type: 'flush' }));
        return;
      case 'append':
        void this.#append(effect.batch, effect.expected, effect.content);
        return;
      case 'committed':
        this.#committed(effect.ops);
        return;
      case 'reply':
        this.#requests.answer(effect.ticket, effect.answer);
        return;
      case 'consult':
        void this.#consult(effect);
        return;
      case 'lookup':
        void this.#lookup(effect);
        return;
      case 'read':
        void this.#follow(effect.after);
        return;
      case 'wake':
        this.#wake(effect.at);
        return;
      case 'fault':
        this.#room.report(`deciding a request failed (error_id ${effect.errorId})`, effect.error);
        return;
      case 'drained':
        this.#drained?.();
    }
  }

  async #append(batch: number, expected: Seq, content: Batch): Promise<void> {
    const { meters, clock } = this.#room;
    const since = clock.now();
    const result = await this.#stored(expected, content);
    meters.appendTime.observeMs(clock.now() - since);
    this.#room.appended?.(result);
    if (result.status === 'stored') {
      this.#step({ type: 'stored', batch });
      this.#room.bus.publish(`store.${this.row.id}`, new TextEncoder().encode(String(this.#head)));
    } else {
      if (result.status === 'failed') this.#room.report('append failed', result.message);
      this.#step({ type: result.status, batch });
    }
  }

  async #stored(expected: Seq, content: Batch): Promise<AppendResult> {
    try {
      return await this.#room.storage.append(this.row.id, expected, content);
    } catch (error) {
      this.#room.report('append threw', error);
      return { status: 'unknown' };
    }
  }

  #committed(ops: readonly LoggedOp[]): void {
    const last = ops.at(-1);
    if (last === undefined) return;
    this.#log.push(ops);
    this.leaseAlarm.follow(ops);
    this.#head = last.seq;
    this.#times.stored(last.seq, this.#room.clock.now());
    countOps(ops, this.#room.meters);
    const span = startJointSpan('holdfast.fanout', this.#requests.spansOf(ops));
    const traces = this.#requests.tracesOf(ops);
    for (const follower of this.#followers) follower(ops, traces);
    if (span === null) return;
    span.setAttributes({ 'holdfast.store': this.row.name, 'holdfast.seq': last.seq });
    // By then the sockets have been written to, which is queued already.
    process.nextTick(() => span.end());
  }

  async #consult({
    questions,
    ticket,
  }: Extract<AuthorityEffect, { type: 'consult' }>): Promise<void> {
    const answers = await adviceOn(questions, this.#room);
    const may = await verdictInTime(this.#room.clock, () => this.#requests.mayStill(ticket));
    const advice = may === true ? answers : refusingAll(questions);
    this.#step({ type: 'consulted', ticket, advice });
  }

  async #lookup(effect: Extract<AuthorityEffect, { type: 'lookup' }>): Promise<void> {
    try {
      const found = await this.#room.storage.answers(this.row.id, effect);
      this.#step({ type: 'answered', ...found });
    } catch (error) {
      this.#room.report('reading dedupe records failed', error);
      this.#step({ type: 'unreadable' });
    }
  }

  async #follow(after: Seq): Promise<void> {
    try {
      // Settles an append whose outcome is unknown, or rejects while it cannot.
      const head = (await this.#room.storage.open(this.row.id))?.head ?? after;
      const ops: LoggedOp[] = [];
      for (let last = after; ;) {
        const more = await this.#room.storage.read(this.row.id, last, readLimit);
        ops.push(...more);
        last = more.at(-1)?.seq ?? head;
        if (last >= head) break;
        await turn();
      }
      this.#step({ type: 'followed', ops });
    } catch (error) {
      this.#room.report('reading the log failed', error);
      this.#step({ type: 'unreadable' });
    }
  }

  #wake(at: number): void {
    this.#room.clock.clearTimeout(this.#timer);
    const delay = Math.max(0, at - this.#room.clock.now());
    this.#timer = this.#room.clock.setTimeout(() => this.#step({ type: 'tick' }), delay);
  }
}
