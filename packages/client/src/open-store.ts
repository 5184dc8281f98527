import {
  asGlob,
  defaultLimits,
  HoldfastError,
  type Json,
  type OpId,
  type Path,
  type Refusal,
  refuse,
  RejectedError,
} from '@holdfast/protocol';
import {
  type Listing,
  type ListPage,
  type ListQuery,
  type Outcome,
  type PendingRequest,
  Replica,
  type ReplicaEffect,
  type ReplicaImage,
  type ReplicaInput,
  type ShownEntry,
} from '@holdfast/engine/replica';
import { Asks } from './asks.ts';
import { Calls } from './calls.ts';
import { call, type Cell } from './cell.ts';
import { Keeper } from './keeper.ts';
import type { Settings } from './options.ts';
import { WriteReceipt } from './receipt.ts';
import type { Slot, Tenant } from './slot.ts';
import type { Subscription } from './subscription.ts';
import { Timer } from './timer.ts';
import type { ConnectionStatus, Speaker, Uplink } from './uplink.ts';
import { Waiting } from './waiting.ts';

/** What the stores of a client share. */
export type Room = {
  readonly settings: Settings;
  readonly uplink: Uplink;
  readonly connection: Cell<ConnectionStatus>;
};

type Wish = ReplicaInput extends infer Input
  ? Input extends ReplicaInput
    ? Omit<Input, 'now' | 'wall'>
    : never
  : never;

/** A store that is open: does what its replica says. The value of the registry's entry (registry.md §8.1). */
export class OpenStore implements Speaker, Tenant {
  /** It replicates nothing, and only writes. */
  readonly isWriteOnly: boolean;
  readonly #room: Room;
  readonly #slot: Slot;
  readonly #replica: Replica;
  readonly #timer: Timer;
  readonly #receipts = new Map<OpId, WriteReceipt>();
  readonly #subscriptions = new Map<number, Subscription>();
  readonly #asks = new Asks();
  readonly #calls: Calls;
  readonly #waiting: Waiting;
  readonly #keeper: Keeper;
  #effects: ReplicaEffect[] = [];
  #outboxVersion = 0;
  #isPerforming = false;
  #delivery: 'none' | 'due' | 'running' = 'none';
  #isClosed = false;

  constructor(
    room: Room,
    slot: Slot,
    how: { readonly isWriteOnly: boolean; readonly image: ReplicaImage | null },
  ) {
    const { settings } = room;
    const { isWriteOnly, image } = how;
    this.#room = room;
    this.#slot = slot;
    this.isWriteOnly = isWriteOnly;
    this.#keeper = new Keeper(slot.name, settings.cache, settings.report);
    this.#calls = new Calls(settings.report);
    this.#replica = new Replica({
      topic: slot.topic,
      patterns: isWriteOnly ? [] : [asGlob('**')],
      deviceId: settings.deviceId,
      limits: defaultLimits,
      random: () => settings.env.random(),
      durable: settings.cache !== null,
      ...(image !== null && { image }),
    });
    this.#waiting = new Waiting(image !== null && image.seq > 0);
    this.#timer = new Timer(settings.env, () => this.#step({ type: 'tick' }));
    slot.open = this;
    slot.outboxChanged();
    this.#showStatus();
    room.uplink.join(slot.topic, this);
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  get(path: Path): Json | undefined {
    return this.#replica.read(path)?.value;
  }

  entry(path: Path): ShownEntry | undefined {
    return this.#replica.entry(path);
  }

  list(query: ListQuery, page: ListPage): Listing {
    return this.#replica.entries(query, page);
  }

  pending(): readonly PendingRequest[] {
    return this.#replica.outbox();
  }

  /** Whether there is work that must not be lost (registry.md §5.5). */
  get isBusy(): boolean {
    return this.#replica.status().pending > 0;
  }

  get ready(): Promise<void> {
    return this.#waiting.ready();
  }

  /** Resolves when the store is joined, or cannot be for now; rejects when the server refuses it. */
  reached(): Promise<void> {
    return this.#waiting.reached();
  }

  /** Resolves when nothing is pending. */
  settled(): Promise<void> {
    return this.#waiting.settled();
  }

  describe(): object {
    return { name: this.#slot.name, ...this.#replica.describe() };
  }

  // ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

  request(receipt: WriteReceipt): void {
    const { opId, request } = receipt;
    if (request === null) return;
    this.#receipts.set(opId, receipt);
    this.#step({ type: 'request', opId, request });
  }

  cancel(opId: OpId): void {
    this.#step({ type: 'cancel', opId });
  }

  retry(opId: OpId): void {
    this.#step({ type: 'retry', opId });
  }

  stateOf(opId: OpId): PendingRequest['status']['state'] | null {
    return this.#replica.stateOf(opId);
  }

  /** Asks the server something about the store, over the same channel as everything else. */
  ask(event: string, payload: object): Promise<unknown> {
    const { phase } = this.#replica.status();
    if (phase !== 'live' && phase !== 'catching_up') {
      return Promise.reject(new HoldfastError('unavailable'));
    }
    return this.#asks.ask((id) => this.#room.uplink.push(this.#slot.topic, { id, event, payload }));
  }

  // ── watching ─────────────────────────────────────────────────────────────────────────────────────────────────────

  subscribe(subscription: Subscription): () => void {
    const id = this.#replica.subscribe(subscription.pattern, subscription.options);
    this.#subscriptions.set(id, subscription);
    this.#deliverSoon();
    return () => {
      subscription.isLive = false;
      if (this.#subscriptions.delete(id)) this.#replica.unsubscribe(id);
    };
  }

  // ── what the uplink says ─────────────────────────────────────────────────────────────────────────────────────────

  joinPayload(): object {
    return this.#replica.joinPayload();
  }

  joined(response: unknown): void {
    this.#step({ type: 'joined', response });
  }

  refused(refusal: Refusal): void {
    this.#step({ type: 'refused', refusal });
  }

  lost(): void {
    this.#asks.lost();
    this.#step({ type: 'lost' });
  }

  message(event: string, payload: unknown): void {
    this.#step({ type: 'message', event, payload });
  }

  reply(id: string, status: 'ok' | 'error', response: unknown): void {
    const isTaken = this.#asks.answer(id, status, response);
    if (!isTaken) this.#step({ type: 'reply', id, status, response });
  }

  connection(): void {
    this.#showStatus();
  }

  /** Leaves the topic at once; resolves when what was accepted is in the cache (registry.md §8.2). */
  close(signal: AbortSignal): void | Promise<void> {
    if (this.#isClosed) return undefined;
    this.#room.uplink.leave(this.#slot.topic);
    this.lost();
    const subscriptions = [...this.#subscriptions.values()];
    this.#subscriptions.clear();
    this.#step({ type: 'close' });
    this.#isClosed = true;
    this.#timer.set(null);
    for (const subscription of subscriptions) call(() => subscription.closed(), this.#report);
    this.#waiting.close();
    this.#slot.closed();
    const drained = this.#keeper.drained(signal);
    return drained === null ? this.#end() : drained.then(() => this.#end());
  }

  /** The cache has what is left, and the next client sends it; or nobody has. */
  #end(): void {
    const kept = this.#keeper.isKeeping ? refuse('closed', { kept: true }) : null;
    for (const { opId, attempts, status } of this.pending()) {
      if (!this.#receipts.has(opId)) continue;
      const isUncertain = attempts > 0 && status.state !== 'waiting';
      const refusal = kept ?? refuse(isUncertain ? 'outcome_unknown' : 'closed');
      this.#settle(opId, { status: 'refused', refusal });
    }
  }

  // ── the loop ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** One input with all that it causes; the application's callbacks come after the last of it. */
  #step(wish: Wish): void {
    if (this.#isClosed && wish.type !== 'persisted') return;
    const { env } = this.#room.settings;
    for (const effect of this.#replica.step({ ...wish, now: env.now(), wall: env.wall() })) {
      this.#effects.push(effect);
    }
    const { outboxVersion } = this.#replica;
    if (outboxVersion !== this.#outboxVersion && !this.#isClosed) this.#slot.outboxChanged();
    this.#outboxVersion = outboxVersion;
    if (this.#isPerforming) return;
    this.#isPerforming = true;
    for (let at = 0; at < this.#effects.length; at++) {
      const effect = this.#effects[at];
      if (effect !== undefined) this.#perform(effect);
    }
    this.#effects = [];
    this.#isPerforming = false;
    this.#calls.run();
  }

  #perform(effect: ReplicaEffect): void {
    switch (effect.type) {
      case 'push':
        this.#room.uplink.push(this.#slot.topic, effect);
        break;
      case 'rejoin':
        this.#room.uplink.rejoin(this.#slot.topic);
        break;
      case 'persist':
        this.#persist(effect);
        break;
      case 'settled':
        this.#settle(effect.opId, effect.outcome);
        break;
      case 'notify':
        this.#notify(effect);
        break;
      case 'dropped':
        this.#drop(effect.subscription);
        break;
      case 'deliverable':
        this.#deliverSoon();
        break;
      case 'status':
        this.#showStatus();
        break;
      case 'wake':
        this.#timer.set(effect.at);
        break;
    }
  }

  #settle(opId: OpId, outcome: Outcome): void {
    const receipt = this.#receipts.get(opId) ?? this.#unknownReceipt(opId);
    this.#receipts.delete(opId);
    this.#slot.settle(receipt, outcome);
  }

  /** Of a write made before a restart, or with a receipt that was let go of. */
  #unknownReceipt(opId: OpId): WriteReceipt {
    return new WriteReceipt({ opId, request: null }, this);
  }

  #persist({ batch, change }: Extract<ReplicaEffect, { readonly type: 'persist' }>): void {
    this.#keeper.keep(change, () => {
      for (const [opId, request] of change.requests) {
        if (request !== null && this.#keeper.isKeeping) this.#receipts.get(opId)?.stored();
      }
      this.#step({ type: 'persisted', batch });
    });
  }

  #notify({ subscription: id, events }: Extract<ReplicaEffect, { type: 'notify' }>): void {
    const subscription = this.#subscriptions.get(id);
    if (subscription === undefined) return;
    for (const event of events) {
      this.#calls.add(() => (subscription.isLive ? subscription.event(event) : undefined));
    }
  }

  #drop(id: number): void {
    const subscription = this.#subscriptions.get(id);
    this.#subscriptions.delete(id);
    if (subscription === undefined) return;
    this.#calls.add(() => {
      if (!subscription.isLive) return undefined;
      subscription.isLive = false;
      return subscription.dropped();
    });
  }

  /**
   * A round of delivery after what runs now. What a round brings about waits for a task of its own, so that neither a
   * long listing nor a subscriber that writes holds up the event loop (stores.md §18 C21).
   */
  #deliverSoon(): void {
    if (this.#delivery === 'due') return;
    const isInRound = this.#delivery === 'running';
    this.#delivery = 'due';
    const deliver = (): void => this.#deliver();
    if (isInRound) this.#room.settings.env.setTimeout(deliver, 0);
    else queueMicrotask(deliver);
  }

  #deliver(): void {
    this.#delivery = 'running';
    this.#step({ type: 'deliver' });
    if (this.#delivery === 'running') this.#delivery = 'none';
  }

  #showStatus(): void {
    const line = this.#room.connection.get();
    const { connection } = line;
    const { phase, seq, pending, synced, incarnation, error } = this.#replica.status();
    const known = this.#slot.status.get();
    const why = error === null ? line.error : errorOf(error, known.error);
    this.#slot.status.set({
      connection,
      seq,
      pending,
      synced: synced && connection === 'connected',
      incarnation,
      ...(why !== undefined && { error: why }),
    });
    this.#waiting.update({ phase, pending, line, error: why ?? null });
  }

  readonly #report = (error: unknown): void => this.#room.settings.report(error);
}

/** The same error for the same refusal, so that what has not changed does not seem to. */
function errorOf(refusal: Refusal, known: HoldfastError | undefined): HoldfastError {
  const isSame = known?.code === refusal.code && known.details === refusal.details;
  return isSame ? known : RejectedError.from(refusal);
}
