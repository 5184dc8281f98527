import {
  type BadFrame,
  closeFrame,
  errorFrame,
  type Frame,
  isBadFrame,
  type MonotonicMs,
  refusalFrame,
  refuse,
  replyFrame,
} from '@holdfast/protocol';
import { Answers } from './answers.ts';
import type { ListenerEffect, ListenerInput } from './types.ts';

// One channel:  (no channel) ──phx_join──▶ deciding ──accept──▶ open ──phx_leave──▶ leaving ──all answered──▶ (no channel)
//                                             └──refuse──▶ (no channel)      shut, a second phx_join: from any state ──▶ (no channel)
//
// 1. A topic has at most one channel; a channel's number is never used again.
// 2. Each push that reaches the host is answered at most once, and answers leave in the order of the pushes; on topics of
//    views only those of commands and params do, and neither other answers nor a leave wait for them (views.md §5.6).
// 3. Nothing of a channel is sent after its `left`, and nothing at all after `close`.
// 4. What waits is bounded: frames before a decision, pushes without an answer, controls, channels.

/** What a listener is told about its socket and limits. */
export type ListenerConfig = {
  /** When the socket was opened. */
  readonly now: MonotonicMs;
  /** Channels per kind of topic, the part before `:` (stores.md §12.1). */
  readonly maxChannels: number;
  readonly idleTimeoutMs: number;
  /** Pushes of one channel that may wait for their answers (default 20 000); one more closes the socket. */
  readonly maxUnanswered?: number;
  /** Frames that may wait for the decision on their channel's join (default 1000); one more closes the socket. */
  readonly maxHeld?: number;
};

/** A listener as plain data, for logs and consoles. */
export type ListenerView = {
  readonly closed: boolean;
  readonly heardAt: MonotonicMs;
  readonly channels: readonly {
    readonly channel: number;
    readonly topic: string;
    readonly state: 'deciding' | 'open' | 'leaving';
    readonly unanswered: number;
  }[];
};

type Held = Frame | Exclude<BadFrame, { kind: 'unreadable' }>;

type Channel = {
  readonly id: number;
  readonly topic: string;
  readonly joinRef: string;
  readonly answers: Answers;
  /** While the join is being decided: what came meanwhile. */
  held: Held[] | null;
  leaving: boolean;
};

/** Kinds of topics a client may use at once: more than there are, so that inventing kinds does not evade the limit. */
const kindsMax = 8;
const controlsMax = 16;
const unreadableMax = 10;
const unreadableWindowMs = 60_000;
const phoenix = 'phoenix';

/** The server's end of one socket's conversation (stores.md §7.2–7.5). */
export class Listener {
  readonly #config: ListenerConfig;
  readonly #topics = new Map<string, Channel>();
  readonly #channels = new Map<number, Channel>();
  readonly #controls = new Set<string>();
  #lastChannel = 0;
  #unreadableAt: MonotonicMs[] = [];
  #heardAt: MonotonicMs;
  #closed = false;
  #effects: ListenerEffect[] = [];

  constructor(config: ListenerConfig) {
    this.#config = config;
    this.#heardAt = config.now;
  }

  /** Takes one input and says what is to be done, in order. */
  step(input: ListenerInput): readonly ListenerEffect[] {
    if (this.#closed) return [];
    this.#effects = [];
    this.#take(input);
    return this.#effects;
  }

  describe(): ListenerView {
    const channels = [...this.#channels.values()].map((channel) => ({
      channel: channel.id,
      topic: channel.topic,
      state: stateOf(channel),
      unanswered: channel.answers.size,
    }));
    return { closed: this.#closed, heardAt: this.#heardAt, channels };
  }

  #take(input: ListenerInput): void {
    switch (input.type) {
      case 'received':
        this.#heardAt = input.now;
        this.#receive(input.frame);
        break;
      case 'heard':
        this.#heardAt = input.now;
        break;
      case 'tick':
        if (input.now - this.#heardAt >= this.#config.idleTimeoutMs) this.#close(1001, 'idle');
        break;
      case 'accept':
        this.#accept(input.channel, input.response);
        break;
      case 'refuse':
        this.#refuse(input.channel, input.response);
        break;
      case 'answer':
        this.#answer(input);
        break;
      case 'answerControl':
        if (!this.#controls.delete(input.ref)) break;
        this.#send(replyFrame(control(input.ref), input.status, input.response));
        break;
      case 'shut':
        this.#end(
          this.#channels.get(input.channel),
          input.failed === true ? errorFrame : closeFrame,
        );
        break;
    }
  }

  #receive(frame: Frame | BadFrame): void {
    if (isBadFrame(frame)) {
      if (frame.kind === 'unreadable') this.#countUnreadable();
      else if (frame.topic === phoenix) this.#reject(frame);
      else if (isJoin(frame)) this.#send(refusalFrame(frame, frame.refusal));
      else this.#push(frame);
    } else if (frame.topic === phoenix) {
      this.#control(frame);
    } else if (frame.event === 'phx_join') {
      this.#join(frame);
    } else {
      this.#push(frame);
    }
  }

  /** The tenth within a minute ends the socket (§7.2.2). */
  #countUnreadable(): void {
    const since = this.#heardAt - unreadableWindowMs;
    this.#unreadableAt = this.#unreadableAt.filter((at) => at > since);
    this.#unreadableAt.push(this.#heardAt);
    if (this.#unreadableAt.length >= unreadableMax) this.#close(1007, 'undecodable frames');
  }

  #control(frame: Frame): void {
    // Without a ref nobody could tell what the answer answers.
    if (frame.ref === null) return;
    if (frame.event === 'heartbeat') {
      this.#send(replyFrame(control(frame.ref), 'ok', {}));
    } else if (frame.event !== 'access_token') {
      this.#unmatched(frame);
    } else if (this.#controls.size >= controlsMax) {
      this.#send(refusalFrame(control(frame.ref), refuse('overloaded', { retry_after_ms: 1000 })));
    } else if (!this.#controls.has(frame.ref)) {
      this.#controls.add(frame.ref);
      const { ref, event, payload } = frame;
      this.#effects.push({ type: 'control', ref, event, payload });
    }
  }

  #join({ joinRef, ref, topic, payload }: Frame): void {
    if (ref === null) return;
    if (joinRef !== null && joinRef !== ref) {
      const refusal = refuse('invalid_payload', { field: 'join_ref' });
      this.#send(refusalFrame({ joinRef, ref, topic }, refusal));
      return;
    }
    this.#end(this.#topics.get(topic));
    if (this.#isFull(topic)) {
      const refusal = refuse('too many channels joined');
      this.#send(refusalFrame({ joinRef: ref, ref, topic }, refusal));
      return;
    }
    this.#lastChannel += 1;
    const id = this.#lastChannel;
    const answers = new Answers();
    const channel = { id, topic, joinRef: ref, answers, held: [], leaving: false };
    this.#topics.set(topic, channel);
    this.#channels.set(id, channel);
    this.#effects.push({ type: 'join', channel: id, topic, joinRef: ref, payload });
  }

  #isFull(topic: string): boolean {
    const { maxChannels } = this.#config;
    if (this.#topics.size < maxChannels) return false;
    // How many roots there may be is for the views to say (views.md §4.1).
    if (isOfView(topic)) return this.#topics.size >= maxChannels * kindsMax;
    const kind = kindOf(topic);
    let alike = 0;
    for (const other of this.#topics.keys()) if (kindOf(other) === kind) alike += 1;
    return alike >= maxChannels || this.#topics.size >= maxChannels * kindsMax;
  }

  #push(frame: Held): void {
    const channel = this.#topics.get(frame.topic);
    if (channel === undefined) {
      this.#unmatched(frame);
    } else if (isForeign(frame, channel)) {
      return;
    } else if (channel.held !== null) {
      channel.held.push(frame);
      if (channel.held.length > (this.#config.maxHeld ?? 1000)) this.#close(1013, 'overload');
    } else if (channel.leaving) {
      this.#unmatched(frame);
    } else {
      this.#deliver(channel, frame);
    }
  }

  #deliver(channel: Channel, frame: Held): void {
    const { ref, topic } = frame;
    const { answers, joinRef } = channel;
    if (isOfView(topic) && !isBadFrame(frame) && !isQueued(frame)) {
      this.#deliverApart(channel, frame);
      return;
    }
    const slot = answers.take(ref);
    if (answers.size > (this.#config.maxUnanswered ?? 20_000)) {
      this.#close(1013, 'overload');
    } else if (isBadFrame(frame)) {
      answers.put(slot, refusalFrame({ joinRef, ref, topic }, frame.refusal));
      this.#flush(channel);
    } else if (frame.event === 'phx_leave') {
      channel.leaving = true;
      answers.put(slot, replyFrame({ joinRef, ref, topic }, 'ok', {}));
      this.#flush(channel);
    } else {
      const { event, payload } = frame;
      this.#effects.push({ type: 'push', channel: channel.id, slot, event, payload });
    }
  }

  /** What waits for no command of its channel (views.md §5.6). */
  #deliverApart(channel: Channel, { ref, event, payload }: Frame): void {
    const { topic, joinRef, answers } = channel;
    if (event === 'phx_leave') {
      if (ref !== null) this.#send(replyFrame({ joinRef, ref, topic }, 'ok', {}));
      this.#forget(channel);
      this.#send(closeFrame(topic, joinRef));
      this.#effects.push({ type: 'left', channel: channel.id, leave: payload });
      return;
    }
    const slot = answers.takeApart(ref);
    if (answers.size > (this.#config.maxUnanswered ?? 20_000)) this.#close(1013, 'overload');
    else this.#effects.push({ type: 'push', channel: channel.id, slot, event, payload });
  }

  #accept(id: number, response: object): void {
    const channel = this.#channels.get(id);
    if (channel === undefined) {
      // It went while it was being decided; the host lets go of what it has opened for it.
      this.#effects.push({ type: 'left', channel: id });
      return;
    }
    const { held } = channel;
    if (held === null) return;
    channel.held = null;
    this.#decided(channel, 'ok', response);
    this.#resume(held);
  }

  #refuse(id: number, response: object): void {
    const channel = this.#channels.get(id);
    if (channel === undefined || channel.held === null) return;
    this.#forget(channel);
    this.#decided(channel, 'error', response);
    this.#resume(channel.held);
  }

  #decided({ topic, joinRef }: Channel, status: 'ok' | 'error', response: object): void {
    this.#send(replyFrame({ joinRef, ref: joinRef, topic }, status, response));
  }

  #resume(held: readonly Held[]): void {
    for (const frame of held) if (!this.#closed) this.#push(frame);
  }

  #answer(input: Extract<ListenerInput, { type: 'answer' }>): void {
    const channel = this.#channels.get(input.channel);
    const ref = channel?.answers.refOf(input.slot);
    if (channel === undefined || ref === undefined) return;
    const { joinRef, topic, answers } = channel;
    const { slot, status, response, version } = input;
    const reply = versioned(replyFrame({ joinRef, ref, topic }, status, response), version);
    if (answers.settleApart(slot)) {
      if (ref !== null) this.#send(reply);
    } else {
      answers.put(slot, reply);
      this.#flush(channel);
    }
  }

  #flush(channel: Channel): void {
    for (let reply = channel.answers.next(); reply !== null; reply = channel.answers.next()) {
      if (reply.ref !== null) this.#send(reply);
    }
    if (channel.leaving && channel.answers.size === 0) this.#end(channel);
  }

  /** Ends a channel with `phx_close` (§7.3), or as said. */
  #end(channel: Channel | undefined, lastFrame = closeFrame): void {
    if (channel === undefined) return;
    this.#forget(channel);
    this.#send(lastFrame(channel.topic, channel.joinRef));
    this.#effects.push({ type: 'left', channel: channel.id });
  }

  #forget(channel: Channel): void {
    this.#topics.delete(channel.topic);
    this.#channels.delete(channel.id);
  }

  /** Nothing is joined there: leaving is done already, anything else is refused (§7.3). */
  #unmatched(frame: Held): void {
    const { ref, topic } = frame;
    if (ref === null) return;
    const to = { joinRef: null, ref, topic };
    if (!isBadFrame(frame) && frame.event === 'phx_leave') this.#send(replyFrame(to, 'ok', {}));
    else this.#send(refusalFrame(to, refuse('unmatched topic')));
  }

  #reject({ ref, topic, refusal }: Extract<Held, { kind: 'bad' }>): void {
    if (ref !== null) this.#send(refusalFrame({ joinRef: null, ref, topic }, refusal));
  }

  #send(frame: Frame): void {
    this.#effects.push({ type: 'send', frame });
  }

  #close(code: number, reason: string): void {
    this.#closed = true;
    this.#effects.push({ type: 'close', code, reason });
  }
}

/** Of a root of a view, or of a file on its way to one (views.md §3). */
function isOfView(topic: string): boolean {
  return topic.startsWith('musubi:') || topic.startsWith('musubi_upload:');
}

/** Whether a push of a view's channel is a task of its instance. */
function isQueued({ event }: Frame): boolean {
  return event === 'command' || event === 'params';
}

function versioned(reply: Frame, version: number | undefined): Frame {
  if (version === undefined) return reply;
  return { ...reply, payload: Object.assign({}, reply.payload, { version }) };
}

function control(ref: string): { joinRef: null; ref: string; topic: string } {
  return { joinRef: null, ref, topic: phoenix };
}

// Only a join has equal refs (stores.md §7.3), so a bad frame that has them was one.
function isJoin({ joinRef, ref }: Held): boolean {
  return ref !== null && joinRef === ref;
}

// Of another life of the channel, or answerable only by what would pass for the join's reply (stores.md §7.3).
function isForeign({ joinRef, ref }: Held, channel: Channel): boolean {
  return (joinRef !== null && joinRef !== channel.joinRef) || ref === channel.joinRef;
}

function stateOf({ held, leaving }: Channel): 'deciding' | 'open' | 'leaving' {
  if (held !== null) return 'deciding';
  return leaving ? 'leaving' : 'open';
}

function kindOf(topic: string): string {
  const colon = topic.indexOf(':');
  return colon < 0 ? topic : topic.slice(0, colon);
}
