import type { Submission } from '@holdfast/engine/authority';
import { Listener, type ListenerEffect, type ListenerInput } from '@holdfast/engine/session';
import {
  type BadFrame,
  type Codec,
  defaultLimits,
  fingerprint,
  type Frame,
  frameTuple,
  isObject,
  isRefusal,
  type JoinRequest,
  parseTransact,
  parseWrite,
  pushFrame,
  readFrame,
  readJoin,
  readOpId,
  type Refusal,
  refuse,
  type WriteReply,
} from '@holdfast/protocol';
import { Channel, type ChannelPlan } from './channel.ts';
import type { Life } from './life.ts';
import type { Room } from './room.ts';
import type { Wire } from './wire.ts';

type Wish = ListenerInput extends infer Input
  ? Input extends ListenerInput
    ? Omit<Input, 'now'>
    : never
  : never;

/** The process that a socket belongs to. */
export type SocketOwner = {
  readonly life: Life;
  /** A number for a channel that no other channel of this process has. */
  channelNumber(socket: Socket, id: number): number;
  /** How to bring a client to the present. */
  plan(request: JoinRequest): ChannelPlan;
  gone(socket: Socket): void;
};

/** Who is at the other end of a wire. */
export type Caller = {
  readonly deviceId: string;
  readonly principal: string;
  /** Whether it may not write now. */
  readonly isBarred: (now: number) => boolean;
};

const congestedAt = 8;
const limits = defaultLimits;

/** The server's end of one wire: the conversation of its listener, its channels, the way of its writes. */
export class Socket {
  readonly #room: Room;
  readonly #server: SocketOwner;
  readonly #wire: Wire;
  readonly #codec: Codec;
  readonly #caller: Caller;
  readonly #listener: Listener;
  readonly #channels = new Map<number, Channel>();
  #isClosed = false;
  /** Whose rights change gets another connection. */
  #isBarred = false;

  constructor(
    room: Room,
    server: SocketOwner,
    by: Caller & { readonly wire: Wire; readonly codec: Codec },
  ) {
    this.#room = room;
    this.#server = server;
    this.#wire = by.wire;
    this.#codec = by.codec;
    this.#caller = by;
    const { max_channels_per_socket: maxChannels, idle_timeout_ms: idleTimeoutMs } = limits;
    this.#listener = new Listener({ maxChannels, idleTimeoutMs, now: room.agenda.now });
    by.wire.attach('up', {
      received: (data) => this.#step({ type: 'received', frame: this.#read(data) }),
      closed: () => this.close(),
    });
    this.#tickLater();
  }

  channels(): Iterable<Channel> {
    return this.#channels.values();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const id of this.#channels.keys()) this.#left(id);
    this.#server.gone(this);
    this.#wire.cut();
  }

  #tickLater(): void {
    this.#room.agenda.later(10_000, () => {
      if (this.#isClosed) return;
      this.#step({ type: 'tick' });
      this.#tickLater();
    });
  }

  #step(input: Wish): void {
    if (this.#isClosed) return;
    const effects = this.#listener.step({ ...input, now: this.#room.agenda.now });
    for (const effect of effects) this.#perform(effect);
  }

  #read(data: string | Uint8Array): Frame | BadFrame {
    const frame = readFrame(this.#codec.decode(data));
    if ('kind' in frame) this.#room.problem('calm', `a client sent ${String(data)}`);
    return frame;
  }

  #send(frame: Frame): void {
    const isNonsense = this.#room.isSpoiled?.('a host speaks nonsense');
    this.#wire.send('down', this.#codec.encode(isNonsense ? ['nonsense'] : frameTuple(frame)));
  }

  #perform(effect: ListenerEffect): void {
    switch (effect.type) {
      case 'send':
        this.#send(effect.frame);
        return;
      case 'join':
        this.#room.agenda.later(this.#room.delay(50), () => this.#decide(effect));
        return;
      case 'push':
        this.#push(effect);
        return;
      case 'left':
        this.#left(effect.channel);
        return;
      case 'close':
        this.close();
        return;
      case 'control':
    }
  }

  #left(id: number): void {
    this.#channels.get(id)?.close();
    if (this.#channels.delete(id)) this.#server.life.left(this.#server.channelNumber(this, id));
  }

  #decide(join: Extract<ListenerEffect, { type: 'join' }>): void {
    if (this.#isClosed) return;
    const { channel: id, topic, payload } = join;
    const { life } = this.#server;
    const request = readJoin(payload, 4, limits);
    if (!isRefusal(request) && request.lastSeq > life.head) {
      // The client comes from a node that knows more; a snapshot of what is known here would take it back.
      life.grew(request.lastSeq);
      this.#room.agenda.later(10, () => this.#decide(join));
      return;
    }
    if (isRefusal(request)) {
      this.#room.problem('calm', `a join was malformed: ${JSON.stringify(payload)}`);
      this.#step({ type: 'refuse', channel: id, response: request.toResponse() });
    } else if (this.#room.happens('limited')) {
      const response = refuse('overloaded', { retry_after_ms: 300 }).toResponse();
      this.#step({ type: 'refuse', channel: id, response });
    } else {
      this.#accept(id, topic, request);
    }
  }

  #accept(id: number, topic: string, request: JoinRequest): void {
    const plan = this.#server.plan(request);
    const { life } = this.#server;
    const isCongested = (): boolean => this.#wire.unsent('down') > congestedAt;
    const channel = new Channel(
      this.#room,
      {
        get head() {
          return life.head;
        },
        get isCongested() {
          return isCongested();
        },
        read: (after) => life.read(after),
        push: (event, body) => this.#send(pushFrame(topic, event, body)),
      },
      plan,
    );
    const response = joinResponse(plan, this.#room.agenda.now);
    const now = this.#room.agenda.now;
    const [reply, ...held] = this.#listener.step({ type: 'accept', now, channel: id, response });
    if (reply === undefined) return;
    if (reply.type !== 'left') this.#channels.set(id, channel);
    this.#perform(reply);
    if (reply.type === 'left') return;
    channel.begin();
    for (const effect of held) this.#perform(effect);
  }

  #push({ channel, slot, event, payload }: Extract<ListenerEffect, { type: 'push' }>): void {
    this.#isBarred ||= this.#caller.isBarred(this.#room.agenda.now);
    if (this.#isBarred) {
      // Nobody looks whether it is a repeat.
      this.#answer({ channel, slot }, refuse('missing_scope', { scope: 'entries:write' }));
      return;
    }
    const submission = this.#submission(channel, event, payload);
    if (isRefusal(submission)) {
      this.#room.problem('calm', `a push was malformed: ${event} ${JSON.stringify(payload)}`);
      this.#answer({ channel, slot }, submission);
      return;
    }
    const submit = (): void =>
      this.#server.life.submit(submission, (answer) => {
        const answered = (): void => this.#answer({ channel, slot }, answer);
        if (isRefusal(answer) || !('store_seq' in answer)) answered();
        else this.#channels.get(channel)?.reach(answer.store_seq, answered);
      });
    if (this.#room.isSpoiled?.('a push overtakes another')) this.#room.agenda.later(100, submit);
    else submit();
  }

  /** Answers get ready in any order; the listener sends them in that of the pushes. */
  #answer(to: { channel: number; slot: number }, answer: WriteReply | Refusal): void {
    this.#room.agenda.later(this.#room.delay(30), () => {
      if (isRefusal(answer)) {
        this.#step({ type: 'answer', ...to, status: 'error', response: answer.toResponse() });
      } else {
        this.#step({ type: 'answer', ...to, status: 'ok', response: answer });
      }
    });
  }

  #submission(
    channel: number,
    event: string,
    payload: unknown,
  ): Omit<Submission, 'ticket'> | Refusal {
    if (!isObject(payload) || (event !== 'write' && event !== 'transact')) {
      return refuse('unknown_event');
    }
    const opId = readOpId(payload);
    if (isRefusal(opId)) return opId;
    const options = { dialect: 4, limits } as const;
    const isLimited = this.#room.happens('limited');
    return {
      channel: this.#server.channelNumber(this, channel),
      blocks: true,
      unblock: payload['unblock'] === true,
      dialect: 4,
      deviceId: this.#caller.deviceId,
      opId,
      fingerprint: fingerprint(payload),
      principal: this.#caller.principal,
      request:
        event === 'transact' ? parseTransact(payload, options) : parseWrite(payload, options),
      rate: isLimited ? () => refuse('rate_limited', { retry_after_ms: 100 }) : null,
    };
  }
}

function joinResponse(plan: ChannelPlan, now: number): object {
  return {
    store_seq: plan.cut,
    capver: 4,
    capver_min: 3,
    permissions: { read: true, write: true },
    scopes: ['entries:read', 'entries:write'],
    store_access: { mode: 'all', store_ids: [] },
    incarnation: 'first',
    scope: plan.isSilent ? 'none' : 'all',
    patterns: plan.isSilent ? [] : ['**'],
    sync: plan.snapshot === null ? 'tail' : 'snapshot',
    why: plan.snapshot === null ? null : 'cheaper',
    oldest_seq: 1,
    dedupe_since: 0,
    server_time: 1_700_000_000_000 + Math.floor(now),
    expires_at: null,
    limits,
  };
}
