import { HoldfastError, isObject, type OpId, refuse, requestLimits } from '@holdfast/protocol';
import {
  type Outcome,
  type PendingRequest,
  Replica,
  type ReplicaEffect,
  type ReplicaImage,
  type ReplicaInput,
  type ReplicaStatus,
} from '@holdfast/engine/replica';
import { alarm } from '@holdfast/engine/registry';
import type { Keeper } from './cache/port.ts';
import { seldom } from './later.ts';
import { type Asking, type ReceiptDesk, WriteReceipt } from './receipt.ts';
import { leftBy, reportRefused, tellRevoked } from './rejections.ts';
import type { Part } from './part.ts';
import type { Place, Room } from './room.ts';
import { rounds } from './rounds.ts';
import type { Seed, Seeded } from './seed.ts';
import { listed, type OutboxEntry, shownOf, unread, wasSynced } from './status.ts';
import { Audience, type Subscription } from './subscription.ts';
import { inTurn, soon } from './turns.ts';
import type { News, Speaker } from './uplink.ts';
import { isPartReady, isReached, type Situation, type Verdict, Waiters } from './waiters.ts';
import type { Wish } from './wish.ts';

type Effect<Type extends ReplicaEffect['type']> = Extract<ReplicaEffect, { readonly type: Type }>;

/**
 * A store from when it is opened until it is closed: reads the cache, then does what the replica says. It can be used
 * at once; what is asked of it before the cache has answered is done when it has.
 */
export class OpenStore implements Speaker, ReceiptDesk {
  readonly #room: Room;
  readonly #place: Place;
  readonly #topic: string;
  readonly #keeper: Keeper | null;
  readonly #receipts = new Map<OpId, WriteReceipt>();
  readonly #audience: Audience;
  readonly #waiters = new Waiters();
  readonly #setAlarm: (at: number) => void;
  /** There is something to deliver. */
  readonly #deliver: () => void;
  #replica: Replica | null = null;
  #seed: Seed | null = null;
  /** What the seed shows until the cache has answered. */
  #preview: Replica | undefined;
  #early: ((replica: Replica) => void)[] = [];
  /** What one input has caused, before what that causes. */
  readonly #perform = inTurn<ReplicaEffect>(
    (effect) => this.#act(effect),
    (error) => this.#room.settings.report(error),
    () => this.#audience.run(),
  );
  #outboxVersion = 0;
  /** Once there is something to read there is, whatever becomes of the connection. */
  #has: Situation['has'] = 'nothing';
  /** The state of the store that was asked for after it was told that the server has made it anew. */
  #wanted: unknown = null;

  /** `after` is the end of the life before, whose writes to the cache this one needs. */
  constructor(room: Room, place: Place, after: void | Promise<void>) {
    const { cache, env, report, tabs } = room.settings;
    this.#room = room;
    this.#place = place;
    this.#topic = `store:${place.name}`;
    this.#keeper =
      cache?.keeping.keeper(place.name, cache, { env, report, show: () => this.#show() }) ?? null;
    this.#audience = new Audience(report);
    this.#setAlarm = alarm(env, () => this.#step({ type: 'tick' }));
    this.#deliver = rounds(env, () => this.#step({ type: 'deliver' }));
    this.#show();
    tabs?.opened(this, place.name);
    this.adopt(room.seeds.get(place.name) ?? null);
    if (this.#keeper === null) this.#begin(null);
    else this.#keeper.load(after, (image) => this.#begin(image));
  }

  /** For reading; undefined while the cache has yet to answer. */
  get replica(): Omit<Replica, 'step' | 'subscribe' | 'unsubscribe'> | undefined {
    return (
      this.#replica ??
      (this.#preview ??= this.#seed ? this.#made(this.#seed.over(null)) : undefined)
    );
  }

  /** Whether there is work that must not be lost (registry.md §5.5). */
  get isBusy(): boolean {
    return this.#early.length > 0 || this.#status().pending > 0;
  }

  describe(): object {
    return { name: this.#place.name, ...this.#replica?.describe() };
  }

  outbox(): readonly OutboxEntry[] {
    const all = this.#replica?.outbox() ?? [];
    return all.filter(({ opId }) => this.#receipts.get(opId)?.isListed !== false).map(listed);
  }

  /** Resolves when there is something to read of a part; rejects when there never will be. */
  ready(part: Part): Promise<void> {
    return this.until((now) => isPartReady(part, now));
  }

  /** Whether there is something to read of a part by now. */
  isReady(part: Part): boolean {
    return isPartReady(part, this.#situation()) === true;
  }

  /** Begins with what a server has rendered, unless there is something else by now. */
  adopt(seed: Seed | null): void {
    if (seed === null) return;
    this.#room.seeds.set(this.#place.name, null);
    if (this.#replica === null) this.#seed = seed;
    else this.#step({ type: 'adopt', ...seed.over(null) });
    this.#has = 'state';
    this.#show();
  }

  /** Asks again for what was refused. */
  again(): void {
    if (this.#status().phase !== 'refused') return;
    this.hear({ type: 'lost', topic: this.#topic });
    this.#perform([{ type: 'rejoin' }]);
  }

  /** Somebody wants another part of the store: once for all who do in this turn (stores.md §10.4.6). */
  readonly wish: () => void = soon(() =>
    this.#step({ type: 'want', patterns: this.#place.wanted }),
  );

  /** Resolves when something is so, or the store is joined, or cannot be for now; rejects when it will not be. */
  until(judge: (now: Situation) => Verdict = isReached): Promise<void> {
    return this.#waiters.until(() => {
      const now = this.#situation();
      return judge(now) || (now.phase === 'closed' && new HoldfastError('closed'));
    });
  }

  /** One of another tab is blind, and may be here already, with the receipt that is `found`. */
  request(
    receipt: WriteReceipt,
    how: Asking,
    found?: (receipt: WriteReceipt | undefined) => void,
  ): void {
    const { opId, request } = receipt;
    if (request === null) return;
    const { onWrite } = this.#room.settings;
    if (found === undefined) onWrite?.({ store: this.#place.name, opId, request });
    else found(this.#receipts.get(opId));
    this.#receipts.set(opId, receipt);
    if (this.#keeper?.isOver === true) receipt.stored(false);
    if (found !== undefined && this.stateOf(opId) !== null) return;
    this.#when(() => {
      this.#step({ type: 'request', opId, request, ...how });
      this.#place.written(request);
    });
  }

  cancel(opId: OpId, isLeft = false): boolean {
    const isOurs = isLeft || this.#receipts.get(opId)?.isOthers !== true;
    if (this.stateOf(opId) === null || !isOurs) return false;
    this.#step({ type: 'cancel', opId, isLeft });
    return this.stateOf(opId) === null;
  }

  retry(opId: OpId): void {
    this.#step({ type: 'retry', opId });
  }

  readonly relisted = (): void => this.#place.outboxChanged();

  stateOf(opId: OpId): PendingRequest['status']['state'] | null {
    return this.#replica?.stateOf(opId) ?? null;
  }

  /** Asks the server something about the store, over the same channel as everything else. */
  async ask(event: string, payload: object): Promise<unknown> {
    const { ask } = await seldom();
    const { phase } = this.#status();
    const isJoined = phase === 'live' || phase === 'catching_up';
    if (!isJoined) throw new HoldfastError('unavailable');
    const { listeners } = this.#place;
    return ask({ room: this.#room, topic: this.#topic, listeners }, event, payload);
  }

  /** Does something with the replica's queries, and what they then ask for. */
  query(deed: (replica: Replica) => void): void {
    this.#when((replica) => {
      deed(replica);
      this.#step({ type: 'tick' });
    });
  }

  subscribe(subscription: Subscription): () => void {
    let id = -1;
    this.#when((replica) => {
      if (!subscription.isLive) return;
      id = replica.subscribe(subscription.pattern, subscription.options);
      this.#audience.add(id, subscription);
      this.#deliver();
    });
    return () => {
      subscription.isLive = false;
      if (this.#audience.remove(id)) this.#replica?.unsubscribe(id);
    };
  }

  joinPayload(): object {
    return { ...this.#replica?.joinPayload(), acks: true };
  }

  hear(news: News): void {
    if (news.type === 'connection') return this.#show();
    const { uplink, settings } = this.#room;
    if (news.type === 'message' && news.event === 'ack') {
      const { seq } = this.#status();
      // The server measures how long its events take to get here. Its answer is no news to anybody.
      return uplink.push(this.#topic, { id: 'ack', event: 'ack_seq', payload: { seq } });
    }
    if (news.type === 'joined' && this.#mustClose(news.response)) {
      uplink.leave(this.#topic);
      const refusal = refuse('stale_incarnation');
      return this.hear({ type: 'refused', topic: this.#topic, refusal });
    }
    this.#step(news);
    for (const listen of this.#place.listeners) listen(news);
    settings.tabs?.heard(this, news);
  }

  /** Whether the server has made it anew, and nobody has asked for it again since that was told (registry.md §11). */
  #mustClose(reply: unknown): boolean {
    const { incarnation, error } = this.#status();
    if (this.#room.settings.onIncarnation !== 'close' || incarnation === null) return false;
    // Its `why` tells only those who hold something, and own writes are of the former one all the same.
    const isOther = isObject(reply) && reply['incarnation'] !== incarnation;
    // It was asked for, and has not come yet: the connection may be lost before that.
    if (isOther && error?.code === 'stale_incarnation') this.#wanted = reply['incarnation'];
    return isOther && reply['incarnation'] !== this.#wanted;
  }

  /** Tells how a write ended. */
  settle(receipt: WriteReceipt, outcome: Outcome): void {
    receipt.settle(outcome);
    reportRefused(receipt, this.#place.name, this.#room.settings);
  }

  /** Leaves the topic at once; resolves when what was accepted is in the cache (registry.md §8.2). */
  close(signal: AbortSignal): void | Promise<void> {
    const { uplink } = this.#room;
    if (this.#replica === null) this.#keeper?.giveUp();
    this.#begin(null);
    uplink.leave(this.#topic);
    this.hear({ type: 'lost', topic: this.#topic });
    this.#step({ type: 'close' });
    this.#setAlarm(Infinity);
    this.#audience.close();
    return this.#keeper?.drained(signal)?.then(() => this.#end()) ?? this.#end();
  }

  /** The cache has what is left, and the next client sends it; or nobody has. */
  #end(): void {
    const isKept = this.#keeper?.isKeeping === true;
    for (const pending of this.#replica?.outbox() ?? []) {
      const receipt = this.#receipts.get(pending.opId);
      if (receipt === undefined) continue;
      this.settle(receipt, { status: 'refused', refusal: leftBy(pending, isKept) });
    }
  }

  #made(start: Partial<Seeded> | null): Replica {
    const { deviceId, env, outboxMax, records } = this.#room.settings;
    return new Replica({
      topic: this.#topic,
      patterns: this.#place.wanted,
      deviceId,
      limits: requestLimits,
      random: () => env.random(),
      outboxMax,
      observe: (acts) => this.#place.observe(acts),
      ledger: this.#keeper?.ledger() ?? null,
      ...(records && { mutate: records.mutate }),
      ...start,
    });
  }

  #begin(image: ReplicaImage | null): void {
    if (this.#replica !== null) return;
    const start = this.#seed?.over(image) ?? (image && { image });
    // What was there is wanted for as long as if somebody had just let go of it.
    this.#place.want(start?.image.patterns ?? [])();
    this.#replica = this.#made(start);
    this.#preview = undefined;
    // What was synced once is something to read, though it be empty.
    if (this.#has === 'nothing' && wasSynced(image)) this.#has = 'image';
    this.#place.outboxChanged();
    this.#show();
    this.#room.uplink.join(this.#topic, this);
    for (const deed of this.#early) deed(this.#replica);
    this.#early = [];
  }

  #when(deed: (replica: Replica) => void): void {
    if (this.#replica === null) this.#early.push(deed);
    else deed(this.#replica);
  }

  /** One input with all that it causes; the application's callbacks come after the last of it. */
  #step(wish: Wish<ReplicaInput, 'now' | 'wall'>): void {
    const replica = this.#replica;
    if (replica === null) return;
    const { env } = this.#room.settings;
    const effects = replica.step({ ...wish, now: env.now(), wall: env.wall() });
    if (replica.outboxVersion !== this.#outboxVersion) {
      this.#outboxVersion = replica.outboxVersion;
      this.#place.outboxChanged();
    }
    this.#perform(effects);
  }

  #act(effect: ReplicaEffect): void {
    const { uplink } = this.#room;
    switch (effect.type) {
      case 'push':
        uplink.push(this.#topic, effect);
        break;
      case 'rejoin':
        uplink.rejoin(this.#topic);
        // What was refused is not joined: it is wanted again.
        uplink.join(this.#topic, this);
        break;
      case 'persist':
        this.#persist(effect);
        break;
      case 'settled':
        this.#settled(effect);
        break;
      case 'notify':
        this.#audience.hear(effect);
        break;
      case 'dropped':
        this.#audience.tell(effect.subscription, null);
        break;
      case 'deliverable':
        this.#deliver();
        break;
      case 'revoked':
        tellRevoked(effect, this.#place.name, this.#room.settings);
        break;
      case 'status':
        this.#show();
        break;
      case 'wake':
        this.#setAlarm(effect.at ?? Infinity);
        break;
    }
  }

  #persist({ batch, change }: Effect<'persist'>): void {
    this.#keeper?.keep(change, this.#receipts, () => this.#step({ type: 'persisted', batch }));
  }

  #settled({ opId, outcome, pending }: Effect<'settled'>): void {
    // Of a write made before a restart there is no receipt.
    const receipt = this.#receipts.get(opId) ?? new WriteReceipt({ opId, request: null }, this);
    this.#receipts.delete(opId);
    if (pending !== undefined) this.#place.ended(pending, outcome);
    if (pending !== undefined && outcome.status === 'refused' && !receipt.isAwaited) {
      this.#keeper?.bury(pending, outcome.refusal);
    }
    this.settle(receipt, outcome);
  }

  #show(): void {
    const now = this.#status();
    const { status } = this.#place;
    const { error } = status.get();
    if (now.phase === 'live') this.#has = 'state';
    status.set(shownOf(now, { line: this.#room.connection.get(), keeper: this.#keeper, error }));
    this.#waiters.look();
  }

  #situation(): Situation {
    return {
      ...this.#status(),
      has: this.#has,
      isSettled: !this.isBusy,
      line: this.#room.connection.get(),
      error: this.#place.status.get().error,
    };
  }

  #status(): ReplicaStatus {
    return this.replica?.status() ?? unread;
  }
}
