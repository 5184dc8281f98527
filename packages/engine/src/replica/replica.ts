import {
  isRefusal,
  type Leaf,
  type MonotonicMs,
  type OpId,
  type Path,
  type Pattern,
  readJoinReply,
  readRefusal,
  type Refusal,
} from '@holdfast/protocol';
import { Tree } from '../data/index.ts';
import type { ReplicaConfig } from './config.ts';
import { Extent } from './extent.ts';
import { Fold } from './fold.ts';
import { Following, type Heard, rescoped } from './following.ts';
import {
  list,
  type Listing,
  type ListPage,
  type ListQuery,
  show,
  type ShownEntry,
} from './listing.ts';
import { type Guest, keptOf, type Parts } from './parts.ts';
import { isAboutLeases, listed } from './pending.ts';
import { Requests } from './requests.ts';
import { differs, rights } from './standing.ts';
import { Subscriptions } from './subscriptions.ts';
import type {
  PendingRequest,
  PendingState,
  ReplicaDescription,
  ReplicaEffect,
  ReplicaImage,
  ReplicaInput,
  ReplicaStatus,
  WatchOptions,
} from './types.ts';

/** What the session says of the topic. */
type ChannelInput = Input<'joined' | 'refused' | 'lost' | 'message' | 'reply'>;

type Input<Type extends ReplicaInput['type']> = Extract<ReplicaInput, { readonly type: Type }>;

/**
 * A client's replica of one store: the committed state, its own unanswered requests, and what they make together
 * (design.md, The replica; stores.md §18).
 *
 *     idle ──joined──▶ catching_up ──catch_up_complete──▶ live
 *                        ▲      │ lost, gap, bad frame     │
 *                 joined │      ▼                          │
 *                        └── joining ◀─────────────────────┘      refused: until joined · closed: for ever
 *
 * 1. After every step the view is the committed state with the own unanswered requests decided on it, in order.
 * 2. Subscribers hear of every difference between what was shown and what is, and of nothing else.
 * 3. What an earlier generation of the channel says is not heard: the session drops it.
 */
export class Replica {
  readonly #parts: Parts;
  readonly #requests: Requests;
  readonly #following: Following;
  #phase: 'idle' | 'joining' | 'joined' | 'refused' | 'closed' = 'idle';
  #error: Refusal | null = null;
  readonly #effects: ReplicaEffect[] = [];
  #told: ReplicaStatus;
  #wakeAt: MonotonicMs | null = null;
  #isSignalled = false;

  constructor(config: ReplicaConfig) {
    const { image, ledger = null } = config;
    const emit = (effect: ReplicaEffect): void => void this.#effects.push(effect);
    const subscriptions = new Subscriptions(emit, config.observe);
    const { patterns = [], scope = null } = image ?? {};
    this.#parts = {
      config,
      extent: new Extent({ patterns, scope }, config.patterns),
      fold: new Fold({ config, ledger, subscriptions }),
      subscriptions,
      ledger,
      emit,
      queries: null,
      image,
    };
    this.#requests = new Requests(this.#parts);
    this.#following = new Following(this.#parts, this.#requests);
    this.#told = this.status();
  }

  /** Takes one input; tells what is to be done about it. */
  step(input: ReplicaInput): readonly ReplicaEffect[] {
    const isLate = this.#phase === 'closed' && !['request', 'persisted'].includes(input.type);
    if (!isLate) this.#hear(input);
    this.#conclude(input);
    // What is brought about between steps, as by who lets go of a query, is told with the next.
    return this.#effects.splice(0);
  }

  /** The payload of the next join (stores.md §10.1). */
  joinPayload(): object {
    return this.#following.joinPayload();
  }

  /** What is committed at a path, own unanswered requests aside. */
  committed(path: Path): Leaf | undefined {
    return this.#parts.fold.committed.read(path);
  }

  /**
   * What is shown at a path, and whether an own unanswered request has a part in it; the value is frozen, and the same object
   * until it changes (stores.md §18 C10).
   */
  entry(path: Path): ShownEntry | undefined {
    return show(this.#parts.fold, path);
  }

  /** A page of the leaves that are shown. */
  entries(query: ListQuery, page: ListPage = {}): Listing {
    return list(this.#parts.fold, query, page);
  }

  /**
   * Registers a subscription, and names it. Its events, those of `includeCurrent` first, go out with rounds of `deliver`;
   * the caller sees to the first of them.
   */
  subscribe(pattern: Pattern, options: WatchOptions): number {
    const { fold, subscriptions } = this.#parts;
    return subscriptions.subscribe(pattern, options, () => {
      const nothing = Tree.empty();
      const before = { committed: nothing, view: nothing };
      return { before, after: fold.sight(), op: 'present', seq: fold.cursor };
    });
  }

  unsubscribe(subscription: number): void {
    this.#parts.subscriptions.unsubscribe(subscription);
  }

  /** The own unanswered requests, in order. */
  outbox(): readonly PendingRequest[] {
    return this.#requests.list();
  }

  /** Those of them that write at, above or below a path. */
  outboxNear(path: Path): readonly PendingRequest[] {
    return this.#requests.outbox.near(path).map(listed);
  }

  /** How many of them have never been sent. */
  get unsent(): number {
    let count = 0;
    for (const { firstSentAt } of this.#requests.outbox.queue.values()) {
      if (firstSentAt === null) count += 1;
    }
    return count;
  }

  /** Where an own request stands that has no outcome yet; null for any other. */
  stateOf(opId: OpId): PendingState['state'] | null {
    return this.#requests.outbox.stateOf(opId);
  }

  /** Grows with each change of {@link outbox}. */
  get outboxVersion(): number {
    return this.#requests.outbox.version;
  }

  status(): ReplicaStatus {
    const pending = this.#requests.outbox.queue.size;
    const phase = this.#shownPhase();
    const { held, denied, denial, refusal } = this.#parts.extent;
    return {
      phase,
      seq: this.#parts.fold.cursor,
      pending,
      synced: phase === 'live' && pending === 0,
      incarnation: this.#following.incarnation,
      error: this.#error ?? refusal,
      held,
      denied,
      denial,
    };
  }

  /** What follows queries, for those who have asked for it by {@link follow}. */
  get queries(): Guest | null {
    return this.#parts.queries;
  }

  /** Lets it follow queries, if it does not; a step must come next. */
  follow(By: new (parts: Parts) => Guest): Guest {
    return (this.#parts.queries ??= new By(this.#parts));
  }

  /** What a cache should hold as of now; its entries may be read at any later time. */
  image(): ReplicaImage {
    const { extent, fold } = this.#parts;
    const tree = fold.committed.fork();
    return {
      seq: fold.cursor,
      incarnation: this.#following.incarnation,
      scope: extent.scope,
      patterns: extent.held,
      queries: keptOf(this.#parts),
      loaded: tree,
      entries: tree.entries(),
      maps: tree.maps(),
      outbox: this.outbox().filter((each) => !isAboutLeases(each)),
    };
  }

  describe(): ReplicaDescription {
    const { outbox } = this.#requests;
    return {
      ...this.status(),
      leaves: this.#parts.fold.committed.size,
      inFlight: outbox.inFlight,
      blocked: outbox.isBlocked,
      subscriptions: this.#parts.subscriptions.size,
      collected: this.#following.collected,
    };
  }

  #hear(input: ReplicaInput): void {
    // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- what is not of the channel is taken
    switch (input.type) {
      case 'joined':
        return this.#onJoined(input);
      case 'refused':
        return this.#becomeRefused(input.refusal);
      case 'lost':
        return this.#becomeJoining();
      case 'message':
        return this.#onMessage(input);
      case 'reply':
        if (input.id === scopeId) return this.#onRescoped(input);
        this.#parts.queries?.replied(input);
        this.#requests.reply(input);
        return this.#heed(this.#following.resume());
      default:
        return this.#take(input);
    }
  }

  #take(input: Exclude<ReplicaInput, ChannelInput>): void {
    switch (input.type) {
      case 'request':
        return this.#ask(input);
      case 'cancel':
        return this.#requests.cancel(input);
      case 'retry':
        return this.#requests.outbox.hasten(input.opId, input.now);
      case 'want':
        return this.#want(input);
      case 'adopt':
        if (this.#following.adopt(input.image, input.seed)) this.#rejoin();
        return undefined;
      case 'persisted':
        return this.#parts.ledger?.stored(input.batch, this.#requests.outbox);
      case 'deliver':
        this.#isSignalled = false;
        return this.#parts.subscriptions.deliver(input.now);
      case 'tick':
        return this.#onTick(input.now);
      case 'close':
        return this.#becomeClosed();
    }
  }

  #ask(input: Input<'request'>): void {
    this.#requests.ask(input);
    // What was refused may be had by now; if not, this fares as what waited did (stores.md §18 C1).
    const isRefused = this.#phase === 'refused' && rights.has(this.#error?.code ?? '');
    if (isRefused && this.#requests.outbox.queue.size > 0) this.#rejoin();
  }

  #onJoined({ response, now, wall }: Input<'joined'>): void {
    const reply = readJoinReply(response);
    if (isRefusal(reply)) {
      this.#becomeRefused(reply);
      return;
    }
    const { config, fold } = this.#parts;
    fold.limits = { ...config.limits, ...reply.limits };
    this.#phase = 'joined';
    this.#error = null;
    const { incarnation } = this.#following;
    this.#following.joined(reply);
    this.#requests.joined(reply, { incarnation, now, wall });
  }

  #onMessage({ event, payload }: Input<'message'>): void {
    if (this.#phase === 'joined') this.#heed(this.#following.hear(event, payload));
  }

  #onRescoped({ status, response, now }: Input<'reply'>): void {
    if (status === 'ok') return this.#heed(this.#following.hear(rescoped, response));
    return this.#heed(this.#parts.extent.refused(readRefusal(response), now));
  }

  #heed(heard: Heard): void {
    if (heard === null) return;
    if (heard !== 'gap') {
      this.#error = heard;
      this.#following.spoil();
    }
    this.#rejoin();
  }

  #want({ patterns }: Input<'want'>): void {
    this.#parts.extent.want(patterns);
    // The answer would take away what is shown; another channel goes on with all that there is.
    if (this.#phase === 'joined' && this.#parts.extent.isRegretted) this.#rejoin();
  }

  #onTick(now: MonotonicMs): void {
    this.#wakeAt = null;
    if (this.#phase === 'joined' && now >= this.#requests.outbox.overdueAt) this.#rejoin();
  }

  #rejoin(): void {
    this.#parts.emit({ type: 'rejoin' });
    this.#becomeJoining();
  }

  #becomeJoining(): void {
    this.#phase = 'joining';
    this.#requests.lost();
    this.#following.lost();
    this.#parts.queries?.lost();
  }

  #becomeRefused(refusal: Refusal): void {
    this.#becomeJoining();
    this.#phase = 'refused';
    this.#error = refusal;
    if (!rights.has(refusal.code)) return;
    if (this.#following.refused(refusal)) this.#rejoin();
    else if (refusal.retry === 'never') this.#requests.refuseAll(refusal);
  }

  #becomeClosed(): void {
    this.#phase = 'closed';
    this.#requests.close();
    this.#parts.subscriptions.clear();
  }

  /** Brings everything in line with what a step did. */
  #conclude({ now, wall }: ReplicaInput): void {
    const { extent, fold, ledger, subscriptions, emit } = this.#parts;
    this.#requests.caughtUp(fold.cursor);
    fold.refold();
    ledger?.prepare(this.#requests.outbox, wall);
    this.#requests.outbox.send({ now, wall }, ledger?.holdsBehind ?? Infinity);
    const isLive = this.#phase === 'joined' && this.#following.isCaughtUp;
    this.#parts.queries?.ask(now, isLive);
    const payload = isLive ? extent.ask(now) : null;
    if (payload !== null) emit({ type: 'push', id: scopeId, event: 'scope', payload });
    this.#persist();
    const round = subscriptions.nextRound(now);
    if (!this.#isSignalled && round <= now) {
      this.#isSignalled = true;
      emit({ type: 'deliverable' });
    }
    const status = this.status();
    if (differs(status, this.#told)) {
      this.#told = status;
      emit({ type: 'status', status });
    }
    this.#wake(round > now ? round : Infinity);
  }

  #persist(): void {
    const { extent, fold, ledger, emit } = this.#parts;
    if (ledger?.isDue !== true) return;
    const { incarnation, kept } = this.#following;
    const queries = keptOf(this.#parts);
    emit({ type: 'persist', ...ledger.take({ extent, fold, incarnation, kept, queries }) });
  }

  // A wake that comes too early does no harm, so that only earlier ones are worth an effect.
  #wake(round: MonotonicMs): void {
    const { extent, queries } = this.#parts;
    const retry = queries?.wakeAt ?? Infinity;
    const at = Math.min(this.#requests.outbox.wakeAt, extent.retryAt, retry, round);
    if (at >= (this.#wakeAt ?? Infinity)) return;
    this.#wakeAt = at;
    this.#parts.emit({ type: 'wake', at });
  }

  #shownPhase(): ReplicaStatus['phase'] {
    if (this.#phase !== 'joined') return this.#phase;
    return this.#following.isCaughtUp ? 'live' : 'catching_up';
  }
}

/** Names the one `scope` push that is on its way; no op id is like it. */
export const scopeId = 'scope';
