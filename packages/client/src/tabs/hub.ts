import {
  asGlob,
  defaultLimits,
  HoldfastError,
  isObject,
  isRefusal,
  type JoinReply,
  type JoinRequest,
  type Limits,
  type OpId,
  readJoinReply,
  type Refusal,
  refuse,
  type Request,
  type Seq,
  type SnapshotReason,
} from '@holdfast/protocol';
import type { Outcome, ReplicaImage } from '@holdfast/engine/replica';
import { RelayedReceipt } from './relayed-receipt.ts';
import type { SeatedNews, SeatedStore } from './seat.ts';
import { type Message, snapshotOf } from './snapshot.ts';

/** How a push ends. */
export type Answer = (status: 'ok' | 'error', response: object) => void;

/** What another tab pushes; of a write, what it says. */
export type Push = Message & {
  readonly write: { readonly opId: OpId; readonly request: Request } | Refusal | null;
};

/** The leader's end of one joined channel of another tab. */
export interface FollowerChannel {
  /** Names the tab. */
  readonly session: string;
  accept(response: object): void;
  refuse(refusal: Refusal): void;
  push(message: Message): void;
  /** Ends the channel; it is joined again, and what is unanswered is sent again. */
  shut(): void;
}

/** What a hub needs to know of its leader. */
export type HubPorts = {
  wall(): number;
  randomId(): string;
  /** A request of another tab is in our outbox now; it keeps its own record of it in the cache. */
  relayed(opId: OpId, session: string): void;
};

type Joining = { readonly channel: FollowerChannel; readonly request: JoinRequest };

type Frame = { readonly from: Seq; readonly to: Seq; readonly message: Message };

const tailOpsMax = 1000;
const whole = asGlob('**');

/**
 * A store of the leader, as the channels of other tabs are served from it: they get what the leader's replica has, and
 * then what it hears, when it has heard it; their requests go through its outbox.
 *
 * 1. A channel is served only while the leader's own is live; the frames that it gets continue at its cursor.
 * 2. A request is answered when the leader's replica knows how it ended, after the event of it.
 */
export class StoreHub {
  readonly #ports: HubPorts;
  readonly #joining = new Set<Joining>();
  /** With the cursor of each. */
  readonly #channels = new Map<FollowerChannel, { seq: Seq; readonly isBlind: boolean }>();
  readonly #asked = new Map<OpId, Answer[]>();
  /** What came last, contiguous. */
  #tail: Frame[] = [];
  #store: SeatedStore | null = null;
  /** The server does not let the store be read. */
  #refusal: Refusal | null = null;
  #reply: (JoinReply & { readonly heardAt: number }) | null = null;

  constructor(ports: HubPorts) {
    this.#ports = ports;
  }

  /** The store, where it is open. */
  get store(): SeatedStore | null {
    return this.#store;
  }

  /** What is committed of all of the store; null where that is not known here. */
  get image(): ReplicaImage | null {
    const image = this.#store?.replica?.image();
    return image !== undefined && image.patterns.length > 0 ? image : null;
  }

  /** Caught up with the server, on this connection. */
  get isLive(): boolean {
    return this.#store?.replica?.status().phase === 'live';
  }

  /** Requests that were first sent before this may not be sent again. */
  get dedupeSince(): number {
    return this.#reply?.dedupe_since ?? 0;
  }

  /** Limits on requests, as far as they are known. */
  get limits(): Limits {
    return { ...defaultLimits, ...this.#reply?.limits };
  }

  /** Whether a request of another tab is in our outbox. */
  isAsked(opId: OpId): boolean {
    return this.#asked.has(opId);
  }

  opened(store: SeatedStore): void {
    this.shut();
    this.#store = store;
    this.#refusal = null;
    this.#reply = null;
  }

  heard(store: SeatedStore, news: SeatedNews): void {
    if (store !== this.#store) return;
    switch (news.type) {
      case 'joined':
        this.#joined(news.response);
        break;
      case 'refused':
        this.#refused(news.refusal);
        this.shut();
        break;
      case 'lost':
        this.shut();
        break;
      case 'message':
        this.#hear(news);
        break;
      case 'reply':
      case 'connection':
        break;
    }
    // A reply, too, may be what the replica has waited for.
    this.#decide();
  }

  /** A channel wants to be joined: now, or when the leader's own is live. */
  join(channel: FollowerChannel, request: JoinRequest): void {
    this.#joining.add({ channel, request });
    if (this.#refusal !== null) this.#refused(this.#refusal);
    this.#decide();
  }

  left(channel: FollowerChannel): void {
    this.#channels.delete(channel);
    for (const each of this.#joining) if (each.channel === channel) this.#joining.delete(each);
  }

  /** Ends all channels. */
  shut(): void {
    const channels = [...this.#channels.keys()];
    this.#channels.clear();
    for (const channel of channels) channel.shut();
  }

  push(from: FollowerChannel, push: Push, answer: Answer): void {
    if (push.event === 'ack_seq') answer('ok', {});
    else if (push.write === null) this.#ask(push, answer);
    else if (isRefusal(push.write)) answer('error', push.write.toResponse());
    else this.#write(from, { ...push, write: push.write }, answer);
  }

  #refused(refusal: Refusal): void {
    this.#refusal = refusal;
    for (const joining of this.#joining) {
      // Who may read nothing may write: the leader joins again for that.
      if (refusal.code === 'path_not_allowed' && isBlind(joining)) continue;
      this.#joining.delete(joining);
      joining.channel.refuse(refusal);
    }
  }

  #joined(response: unknown): void {
    const reply = readJoinReply(response);
    this.#refusal = null;
    this.#reply = isRefusal(reply) ? null : { ...reply, heardAt: this.#ports.wall() };
  }

  #hear({ event, payload }: Message): void {
    if (event === 'events') {
      this.#follow({ event, payload });
    } else if (event.startsWith('snapshot_')) {
      // The leader's state is replaced by something that no frame leads to.
      this.#tail = [];
      this.shut();
    } else if (event !== 'catch_up_complete') {
      for (const channel of this.#channels.keys()) channel.push({ event, payload });
    }
  }

  #follow(message: Message): void {
    const { payload } = message;
    if (!isObject(payload)) return;
    const { from_seq: from, to_seq: to } = payload;
    if (typeof from !== 'number' || typeof to !== 'number') return;
    this.#remember({ from, to, message });
    for (const [channel, cursor] of this.#channels) {
      if (cursor.isBlind || to <= cursor.seq) continue;
      if (from > cursor.seq) this.#shutOne(channel);
      else channel.push(message);
      cursor.seq = to;
    }
  }

  #remember(frame: Frame): void {
    if (this.#tail.at(-1)?.to !== frame.from) this.#tail = [];
    this.#tail.push(frame);
    while (frame.to - (this.#tail[0]?.from ?? frame.to) > tailOpsMax) this.#tail.shift();
  }

  #decide(): void {
    if (this.#joining.size === 0 || !this.isLive) return;
    for (const joining of this.#joining) {
      const reply = this.#reply;
      // One for each: it can be read once.
      const image = this.#store?.replica?.image();
      if (reply !== null && image !== undefined) this.#serve(joining, { reply, image });
    }
  }

  #serve(joining: Joining, has: { reply: JoinReply; image: ReplicaImage }): void {
    const { channel } = joining;
    const isServed = isBlind(joining) || has.image.patterns[0] === whole;
    const isDenied = this.#store?.replica?.status().denied.includes(whole) === true;
    // All of it is on its way here.
    if (!isServed && !isDenied) return;
    this.#joining.delete(joining);
    if (!isServed) channel.refuse(refuse('path_not_allowed', { patterns: [whole] }));
    else if (isBlind(joining)) this.#beginBlind(channel, { ...has, seq: has.image.seq });
    else this.#begin(joining, has);
  }

  #beginBlind(channel: FollowerChannel, at: { reply: JoinReply; seq: Seq }): void {
    const { seq } = at;
    channel.accept({ ...this.#present(at.reply, seq), scope: 'none', patterns: [] });
    this.#channels.set(channel, { seq, isBlind: true });
    channel.push({ event: 'catch_up_complete', payload: { through_seq: seq } });
  }

  #begin({ channel, request }: Joining, has: { reply: JoinReply; image: ReplicaImage }): void {
    const { reply, image } = has;
    const { seq, incarnation, scope } = image;
    const tail = this.#tailAfter(request.lastSeq, seq);
    const why = reasonFor(request, { image, tail });
    channel.accept({
      ...this.#present(reply, seq),
      incarnation,
      scope,
      patterns: [whole],
      sync: why === null ? 'tail' : 'snapshot',
      why,
    });
    this.#channels.set(channel, { seq, isBlind: false });
    if (why === null) for (const { message } of tail ?? []) channel.push(message);
    else for (const message of snapshotOf(image, this.#ports.randomId())) channel.push(message);
    channel.push({ event: 'catch_up_complete', payload: { through_seq: seq } });
  }

  /** The leader's own join reply, as it would be now. */
  #present(reply: JoinReply, seq: Seq): object {
    const passed = this.#ports.wall() - (this.#reply?.heardAt ?? 0);
    const server_time = Math.max(0, Math.round(reply.server_time + passed));
    return { ...reply, store_seq: seq, server_time, sync: 'tail', why: null, heardAt: undefined };
  }

  /** The frames from a cursor to the present; null where they do not reach back. */
  #tailAfter(seq: Seq, present: Seq): readonly Frame[] | null {
    const frames = this.#tail.filter(({ to }) => to > seq);
    const first = frames[0]?.from ?? present;
    const isWhole = first <= seq && (frames.at(-1)?.to ?? seq) === present;
    return isWhole ? frames : null;
  }

  #write(
    from: FollowerChannel,
    push: Push & { readonly write: { readonly opId: OpId; readonly request: Request } },
    answer: Answer,
  ): void {
    const { opId, request } = push.write;
    const asked = this.#asked.get(opId);
    if (asked !== undefined) {
      asked.push(answer);
    } else if (this.#store?.stateOf(opId) === 'answered') {
      // Committed, which the server can tell and we cannot.
      this.#ask(push, answer);
    } else {
      this.#asked.set(opId, [answer]);
      this.#ports.relayed(opId, from.session);
      this.#relay(opId, request, from);
    }
  }

  #relay(opId: OpId, request: Request, from: FollowerChannel): void {
    const store = this.#store;
    if (store === null) return;
    const told = (outcome: Outcome): void => {
      const answers = this.#asked.get(opId) ?? [];
      this.#asked.delete(opId);
      const isLater = outcome.status === 'refused' && mayPass(outcome.refusal);
      // What was sent after it must not come before it: the channel begins again, with this one first.
      if (isLater) this.#shutOne(from);
      else for (const answer of answers) tell(outcome, answer);
    };
    const receipt = new RelayedReceipt({ opId, request }, { store, told });
    store.request(receipt, true, (found) => receipt.replace(found));
  }

  #shutOne(channel: FollowerChannel): void {
    if (this.#channels.delete(channel)) channel.shut();
  }

  #ask({ event, payload }: Message, answer: Answer): void {
    if (!isObject(payload)) {
      answer('error', refuse('invalid_payload', { field: 'payload' }).toResponse());
      return;
    }
    this.#store?.ask(event, payload).then(
      (response) => answer('ok', isObject(response) ? response : {}),
      (error: unknown) => {
        const { code, details } = error instanceof HoldfastError ? error : refuse('unavailable');
        answer('error', { ...details, reason: code });
      },
    );
  }
}

/** Wants to write, and to be told of nothing. */
function isBlind({ request }: Joining): boolean {
  return request.patterns?.length === 0;
}

function tell(outcome: Outcome, answer: Answer): void {
  if (outcome.status === 'committed') answer('ok', outcome.reply);
  else answer('error', outcome.refusal.toResponse());
}

/** Of the leader, not of the request: it did not get as far as the server. */
function mayPass({ code, retry }: Refusal): boolean {
  return retry === 'later' || code === 'closed' || code === 'cancelled';
}

/** Why a channel gets a snapshot; null: the tail does (stores.md §10.1.1). */
function reasonFor(
  { lastSeq, incarnation, scope, seed }: JoinRequest,
  has: { readonly image: ReplicaImage; readonly tail: readonly Frame[] | null },
): SnapshotReason | null {
  const { image, tail } = has;
  if (lastSeq === 0 && image.seq === 0) return null;
  if (lastSeq === 0) return 'fresh';
  // Only the server knows whether it is one; here nothing goes over the wire for it.
  if (seed !== null) return 'seed';
  if (incarnation !== image.incarnation) return 'incarnation';
  if (scope !== image.scope) return 'scope';
  if (lastSeq > image.seq) return 'ahead';
  return tail === null ? 'behind' : null;
}
