import { Listener, type ListenerEffect } from '@holdfast/engine/session';
import {
  type Codec,
  type Frame,
  frameTuple,
  isObject,
  isRefusal,
  refuse,
} from '@holdfast/protocol';
import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import { type Principal, sameGrants } from '../access/index.ts';
import { startSpan } from '../tracing/index.ts';
import { StoreChannel } from './channel.ts';
import { Inbox } from './inbox.ts';
import { catchUpOf, crashResponse, joinResponse } from './join.ts';
import { Outbox } from './outbox.ts';
import { Pace } from './pace.ts';
import { Pings } from './pings.ts';
import { admitPresence, PresenceChannel } from './presence-channel.ts';
import type { SocketRoom } from './room.ts';
import { readMessage } from './read-message.ts';
import { joinStore } from './store-join.ts';
import { Throttle } from './throttle.ts';
import type { JoinedView, PushAddress, ViewPort } from './terms.ts';
import { kindOf, type TopicKind } from './topic-kind.ts';
import type { Handshake } from './upgrade.ts';
import { ViewChannel } from './view-channel.ts';
import { ViewJoins } from './view-joins.ts';
import { message } from './wire.ts';

const CLOSE_GRACE_MS = 5000;
/** The limit on channels is for each kind of topic, and there are so many. */
const KINDS = 4;

/** A joined channel and what it keeps open. */
type Joined = {
  readonly channel: StoreChannel | PresenceChannel | JoinedView;
  readonly release: () => void;
};

/** One socket: bytes in, the conversation of its listener, bytes out. */
export class Connection implements ViewPort {
  readonly outbox: Outbox;
  readonly throttle: Throttle;
  readonly #room: SocketRoom;
  readonly #socket: WebSocket;
  readonly #raw: Socket;
  readonly #handshake: Handshake;
  readonly #codec: Codec;
  readonly #listener: Listener;
  readonly #pings: Pings;
  readonly #pace: Pace;
  readonly #inbox: Inbox;
  readonly #channels = new Map<number, Joined>();
  readonly #views: ViewJoins;
  #principal: Principal;
  #credentials: Handshake['credentials'];
  #closingAt: number | null = null;
  /** One after the other: the token that was sent last is in force, however long those before it took to be looked at. */
  #controls: Promise<void> = Promise.resolve();
  #deciding = 0;
  #deaf = false;
  #closed = false;
  /** What waits until stores owe no answer; null: nothing. */
  #whenAnswered: (() => void) | null = null;

  constructor(
    room: SocketRoom,
    sockets: { readonly socket: WebSocket; readonly raw: Socket },
    opening: { readonly handshake: Handshake; readonly principal: Principal },
  ) {
    this.#room = room;
    this.#socket = sockets.socket;
    this.#raw = sockets.raw;
    this.#handshake = opening.handshake;
    this.#codec = opening.handshake.codec;
    this.#principal = opening.principal;
    this.#credentials = opening.handshake.credentials;
    this.outbox = new Outbox(sockets, room.flusher, room.limits.socket_soft_bytes);
    this.throttle = new Throttle(sockets.socket, room.clock);
    this.#listener = new Listener({
      maxChannels: room.limits.max_channels_per_socket,
      idleTimeoutMs: room.limits.idle_timeout_ms,
      now: room.clock.now(),
    });
    this.#views = new ViewJoins(room, this, opening.handshake);
    this.#pings = new Pings(sockets.socket, room.limits.idle_timeout_ms, room.clock.now());
    this.#pace = new Pace(room.clock.now());
    this.#inbox = new Inbox(room, this.throttle, (...came) => this.#received(...came));
    this.#socket.on('message', (...came) => this.#inbox.take(...came));
    // Who answers pings is there, be it without a word (stores.md §7.1.4).
    for (const sign of ['ping', 'pong'] as const) {
      this.#socket.on(sign, () => this.#listener.step({ type: 'heard', now: this.#now }));
    }
    this.#socket.on('error', () => this.#failed());
    this.#socket.on('close', () => this.#gone());
  }

  get #now(): number {
    return this.#room.clock.now();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** What it has joined, and how many ops its channels have yet to be told of. */
  standing(): { readonly stores: number; readonly presence: number; readonly behind: number } {
    let behind = 0;
    let stores = 0;
    for (const { channel } of this.#channels.values()) {
      if (!(channel instanceof StoreChannel)) continue;
      stores += 1;
      behind += channel.behind;
    }
    return { stores, presence: this.#channels.size - stores, behind };
  }

  /** Asks of each channel how far its client is, as soon as there is something to tell it; says how many it asks. */
  wonder(): number {
    return [...this.#channels.values()].filter(
      ({ channel }) => channel instanceof StoreChannel && channel.wonder(),
    ).length;
  }

  get principal(): Principal {
    return this.#principal;
  }

  get credentials(): Handshake['credentials'] {
    return this.#credentials;
  }

  answer(to: PushAddress, status: 'ok' | 'error', response: object): void {
    this.#perform(this.#listener.step({ type: 'answer', now: this.#now, ...to, status, response }));
    if (this.#whenAnswered !== null) this.whenAnswered(this.#whenAnswered);
  }

  /** Calls back once stores owe no answer: one waits for the events before it, where the peer is still on its way to them. */
  whenAnswered(run: () => void): void {
    const { channels } = this.#listener.describe();
    const isOwed = channels.some((each) => each.unanswered > 0 && each.topic.startsWith('store:'));
    this.#whenAnswered = isOwed ? run : null;
    if (!isOwed) run();
  }

  welcome(channel: number, joined: JoinedView, response: object): void {
    this.#channels.set(channel, { channel: joined, release: () => undefined });
    const now = this.#now;
    const [reply, ...held] = this.#listener.step({ type: 'accept', now, channel, response });
    if (reply === undefined) return;
    this.#do(reply);
    // What the client lacks comes first.
    if (reply.type !== 'left') queueMicrotask(() => this.#perform(held));
  }

  shutView(channel: number, how: 'failed' | 'replaced'): void {
    const failed = how === 'failed' ? { failed: true as const } : {};
    this.#perform(this.#listener.step({ type: 'shut', now: this.#now, channel, ...failed }));
  }

  confirmed(): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    this.outbox.flush();
    return this.#pings.ping();
  }

  fail(what: string, error: unknown): void {
    this.#room.report(what, error);
    this.close(1011, 'internal error');
  }

  /** Shuts every channel of a store: archived, expired, or no longer allowed. */
  shut(storeId: string): void {
    for (const [channel, joined] of this.#channels) {
      if (joined.channel.storeId === storeId) this.shutView(channel, 'replaced');
    }
  }

  /** Ends the conversation: channels first, then the socket (stores.md §7.1.5, §11.3). */
  end(code: number, reason: string): void {
    this.#shutAll();
    this.close(code, reason);
  }

  /** Pushes one frame outside any channel, such as the hint when to come back. */
  send(frame: Frame): void {
    this.outbox.send(message(this.#codec, frameTuple(frame)));
    if (this.#isOverfull) this.close(1013, 'slow consumer');
  }

  get #isOverfull(): boolean {
    return this.outbox.unsentBytes > this.#room.limits.socket_hard_bytes;
  }

  /** Leaves what arrives from now on unread: the client sends it again elsewhere. */
  stopReading(): void {
    this.#deaf = true;
  }

  close(code: number, reason: string): void {
    if (this.#closed || this.#closingAt !== null) return;
    this.#closingAt = this.#now;
    this.#deaf = true;
    this.outbox.end();
    this.#socket.close(code, reason);
  }

  /** Once a second: idle and slow peers, pings, a close that the peer does not answer. */
  sweep(now: number): void {
    if (this.#closingAt !== null) {
      if (now - this.#closingAt > CLOSE_GRACE_MS) this.#socket.terminate();
      return;
    }
    this.#perform(this.#listener.step({ type: 'tick', now }));
    const isStalled = this.#pace.isStalled(this.outbox, now);
    if (isStalled || this.#isOverfull) this.close(1013, 'slow consumer');
    else if (this.#handshake.dialect !== 3) this.#pings.tick(now);
  }

  #received(data: RawData, isBinary: boolean): void {
    if (this.#deaf) return;
    this.#room.meters.receivedFrames.add();
    const { max_frame_bytes: limit } = this.#room.limits;
    const frame = readMessage(data, isBinary, { codec: this.#codec, limit });
    this.#perform(this.#listener.step({ type: 'received', now: this.#now, frame }));
  }

  #perform(effects: readonly ListenerEffect[]): void {
    for (const effect of effects) this.#do(effect);
  }

  #do(effect: ListenerEffect): void {
    switch (effect.type) {
      case 'send':
        this.send(effect.frame);
        return;
      case 'push':
        this.#channels.get(effect.channel)?.channel.push(effect.slot, effect.event, effect.payload);
        return;
      case 'join':
        this.#decide(effect);
        return;
      case 'left':
        this.#left(effect.channel, 'leave', effect.leave);
        return;
      case 'control':
        this.#controls = this.#controls
          .then(() => this.#control(effect.ref, effect.payload))
          .catch((error: unknown) => this.fail('access_token failed', error));
        return;
      case 'close':
        this.close(effect.code, effect.reason);
    }
  }

  /** Joins are decided side by side, but not more of them than a socket may have channels. */
  #decide(effect: Extract<ListenerEffect, { type: 'join' }>): void {
    const { channel, topic } = effect;
    if (this.#deciding >= this.#room.limits.max_channels_per_socket * KINDS) {
      this.#decline(channel, { reason: 'too many channels joined' });
      return;
    }
    this.#deciding += 1;
    const span = startSpan('holdfast.join');
    const kind = kindOf(topic, this.#handshake.dialect);
    this.#decided(kind, effect)
      .catch((error: unknown) => {
        this.#room.report('join failed', error);
        this.#decline(channel, crashResponse(error, this.#handshake.dialect));
      })
      .finally(() => {
        this.#deciding -= 1;
        const isJoined = this.#channels.has(channel);
        span?.setAttributes({ 'holdfast.topic': kind, 'holdfast.joined': isJoined });
        span?.end();
      });
  }

  async #decided(kind: TopicKind, join: Extract<ListenerEffect, { type: 'join' }>): Promise<void> {
    const { channel, topic, payload } = join;
    if (kind === 'store') return this.#join(channel, topic, payload);
    if (kind === 'presence') return this.#attend(channel, topic, payload);
    const refusal = await (kind === 'view' ? this.#views.mount(join) : this.#views.take(join));
    // Who is refused a root for now is told so for good (views.md §12.2): once this server closes, it asks elsewhere.
    if (refusal !== null && !this.#deaf) this.#decline(channel, refusal);
  }

  async #join(channel: number, topic: string, payload: unknown): Promise<void> {
    const { dialect, deviceId } = this.#handshake;
    if (!topic.startsWith('store:')) return this.#decline(channel, { reason: 'unmatched topic' });
    if (dialect === null || deviceId === null) {
      return this.#decline(channel, { reason: 'unauthorized' });
    }
    const principal = this.#principal;
    const joining = { dialect, deviceId, principal };
    const decided = await joinStore(this.#room, joining, { topic, payload });
    if (isRefusal(decided)) return this.#decline(channel, decided.toResponse());
    const { hold, grants, plan } = decided;
    if (this.#closed || this.#deaf) return hold.release();
    if (principal !== this.#principal || hold.host.archived) {
      // What the join was admitted by has changed meanwhile.
      hold.release();
      return this.#join(channel, topic, payload);
    }
    const { host } = hold;
    this.#room.meters.catchUps.add(...catchUpOf(plan));
    const acks = dialect === 4 && isObject(payload) && payload['acks'] === true;
    const terms = { channel, topic, codec: this.#codec, ...joining, grants, host, plan, acks };
    const joined = new StoreChannel(this.#room, this, terms);
    this.#channels.set(channel, { channel: joined, release: () => hold.release() });
    this.#accept(channel, joined, joinResponse(this.#room, terms));
  }

  async #attend(channel: number, topic: string, payload: unknown): Promise<void> {
    const { deviceId } = this.#handshake;
    if (deviceId === null) return this.#decline(channel, { reason: 'unauthorized' });
    const principal = this.#principal;
    const terms = { channel, topic, codec: this.#codec, deviceId, principal, payload };
    const entry = await admitPresence(this.#room, terms);
    if (this.#closed || this.#deaf) return undefined;
    if (principal !== this.#principal) return this.#attend(channel, topic, payload);
    if (isRefusal(entry)) return this.#decline(channel, entry.toResponse());
    const joined = new PresenceChannel(this.#room, this, { ...terms, storeId: entry.storeId });
    const response = joined.enter(entry);
    if (isRefusal(response)) return this.#decline(channel, response.toResponse());
    this.#channels.set(channel, { channel: joined, release: () => undefined });
    return this.#accept(channel, joined, response);
  }

  /** What the client lacks begins right after the join reply, before the answers to pushes that waited. */
  #accept(channel: number, joined: StoreChannel | PresenceChannel, response: object): void {
    const now = this.#now;
    const [reply, ...held] = this.#listener.step({ type: 'accept', now, channel, response });
    if (reply === undefined) return;
    this.#do(reply);
    // The client left, or joined again, while the join was being decided.
    if (reply.type === 'left') return;
    joined.begin();
    this.#perform(held);
  }

  #decline(channel: number, response: object): void {
    if ('reason' in response && typeof response.reason === 'string') {
      this.#room.meters.refusals.add(response.reason, 'join');
    }
    this.#perform(this.#listener.step({ type: 'refuse', now: this.#now, channel, response }));
  }

  #left(channel: number, how: 'leave' | 'lost', leave?: unknown): void {
    const joined = this.#channels.get(channel);
    this.#channels.delete(channel);
    joined?.channel.close(how, leave);
    joined?.release();
  }

  /** Clients of views take `phx_close` as final (views.md §2). */
  #shutAll(): void {
    for (const [channel, joined] of this.#channels) {
      this.shutView(channel, joined.channel instanceof ViewChannel ? 'failed' : 'replaced');
    }
  }

  async #control(ref: string, payload: unknown): Promise<void> {
    const token = isObject(payload) ? payload['token'] : null;
    const credentials = { ...this.#credentials, token: typeof token === 'string' ? token : null };
    const principal = await this.#room.access.authenticate(credentials);
    const answer = (status: 'ok' | 'error', response: object): void => {
      const of = { now: this.#now, ref, status, response };
      this.#perform(this.#listener.step({ type: 'answerControl', ...of }));
    };
    if (principal === null || principal.subject !== this.#principal.subject) {
      return answer('error', refuse('unauthorized').toResponse());
    }
    this.#credentials = credentials;
    if (!sameGrants(principal, this.#principal)) this.#shutAll();
    this.#principal = principal;
    return answer('ok', { expires_at: principal.expiresAt });
  }

  /** The peer broke the rules of WebSocket, or the line did: the socket says so, closes, and is cut if that takes long. */
  #failed(): void {
    this.#deaf = true;
    this.#closingAt ??= this.#now;
    for (const channel of this.#channels.keys()) this.#left(channel, 'lost');
  }

  #gone(): void {
    if (this.#closed) return;
    this.#inbox.end();
    this.#closed = true;
    this.#pings.end();
    this.throttle.end();
    for (const channel of this.#channels.keys()) this.#left(channel, 'lost');
    this.#raw.destroy();
  }
}
