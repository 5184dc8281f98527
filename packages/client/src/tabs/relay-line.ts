import { Listener, type ListenerEffect, type ListenerInput } from '@holdfast/engine/session';
import {
  asGlob,
  asStoreName,
  type BadFrame,
  type Codec,
  type Frame,
  frameTuple,
  type Glob,
  isObject,
  isRefusal,
  parseStoreName,
  parseTransact,
  parseWrite,
  readFrame,
  readJoin,
  readOpId,
  readScope,
  type Refusal,
  refuse,
  type StoreName,
} from '@holdfast/protocol';
import { decodeChunk, isChunk } from '@holdfast/protocol/views';
import type { Wish } from '../wish.ts';
import { Guests, isOfGuest } from './guests.ts';
import type { StoreHub } from './hub.ts';
import { Line } from './line.ts';
import type { LineMessage } from './line-message.ts';
import { cannotServe, elsewhere } from './link.ts';
import {
  type Answer,
  type AskLimits,
  askLimits,
  type FollowerChannel,
  type Push,
  type ServingPorts,
} from './follower.ts';
import type { StoreServing } from './serving.ts';
import type { Message } from './snapshot.ts';

/** What a relay needs. */
export type RelayPorts = ServingPorts & {
  readonly codec: Codec;
  post(to: string, message: LineMessage): void;
  /** Whose connection it is, by which modules find it. */
  readonly client: object;
  /** The store of a name, kept open with a part of it until it is let go of; throws where it cannot be opened so. */
  hold(
    store: StoreName,
    part: readonly Glob[],
  ): { readonly hub: StoreHub; readonly release: () => void };
};

/** Messages that a tab may leave without a sign that they have arrived: a frozen one is let go of. */
const waitingMax = 10_000;
const channelsMax = 1000;
const unreadable = { kind: 'unreadable' } as const;

type Channel = FollowerChannel & {
  readonly store: StoreName;
  readonly serving: StoreServing;
  release: () => void;
  /** Pushes that are not answered. */
  readonly unanswered: Set<number>;
  /** A change of the scope, which waits until what came before it is answered: its answer has its place among the events. */
  rescope: { readonly slot: number; readonly run: () => void } | null;
};

type Owner = {
  servingOf(hub: StoreHub): StoreServing;
  encode(topic: string, message: Message): string | Uint8Array;
  ended(): void;
};

/** A line of another tab, and the channels that it has joined over it. */
export class RelayLine {
  readonly session: string;
  readonly #id: string;
  readonly #ports: RelayPorts;
  readonly #owner: Owner;
  readonly #line: Line;
  readonly #listener: Listener;
  readonly #channels = new Map<number, Channel>();
  readonly #guests: Guests;
  #isClosed = false;

  constructor(
    of: { readonly id: string; readonly session: string },
    ports: RelayPorts,
    owner: Owner,
  ) {
    this.#id = of.id;
    this.session = of.session;
    this.#ports = ports;
    this.#owner = owner;
    this.#line = new Line(of.id, {
      post: (message) => ports.post(of.session, message),
      received: (data) => this.#step({ type: 'received', frame: this.#decode(data) }),
      broken: () => this.close(elsewhere),
    });
    this.#guests = new Guests(ports, {
      peer: of.session,
      step: (input) => this.#step(input),
      send: (frame) => this.#send(ports.codec.encode(frameTuple(frame))),
      push: (topic, message) => this.#send(owner.encode(topic, message)),
      cannotServe: () => this.close(cannotServe),
      report: (error) => ports.report(error),
    });
    this.#listener = new Listener({
      now: ports.env.now(),
      maxChannels: channelsMax,
      idleTimeoutMs: Infinity,
    });
  }

  welcome(): void {
    this.#ports.post(this.session, { line: this.#id, is: 'opened' });
  }

  hear(message: LineMessage): void {
    if (message.is === 'open') this.welcome();
    else if (message.is === 'closed') this.#end();
    else this.#line.hear(message);
    // Both ends learn in this way what was lost last.
    if (message.is === 'beat' && !this.#isClosed) this.#line.beat();
  }

  close(code: number): void {
    if (this.#isClosed) return;
    this.#ports.post(this.session, { line: this.#id, is: 'closed', code });
    this.#end();
  }

  /** The tab is no more. */
  gone(): void {
    this.#guests.close('gone');
    this.close(elsewhere);
  }

  #end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const id of this.#channels.keys()) this.#left(id);
    this.#guests.close('lost');
    this.#owner.ended();
  }

  #step(input: Wish<ListenerInput, 'now'>): void {
    if (this.#isClosed) return;
    const effects = this.#listener.step({ ...input, now: this.#ports.env.now() });
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: ListenerEffect): void {
    switch (effect.type) {
      case 'send':
        this.#send(this.#ports.codec.encode(frameTuple(effect.frame)));
        break;
      case 'join':
        this.#join(effect);
        break;
      case 'push':
        this.#push(effect);
        break;
      case 'control':
        // The connection to the server has the leader's token.
        this.#step({
          type: 'answerControl',
          ref: effect.ref,
          status: 'ok',
          response: { expires_at: null },
        });
        break;
      case 'left':
        this.#guests.left(effect.channel, effect.leave);
        this.#left(effect.channel);
        break;
      case 'close':
        this.close(elsewhere);
        break;
    }
  }

  #send(data: string | Uint8Array): void {
    if (this.#isClosed) return;
    this.#line.send(data);
    if (this.#line.waiting > waitingMax) this.close(elsewhere);
  }

  #join(joining: Extract<ListenerEffect, { type: 'join' }>): void {
    const { channel: id, topic, payload } = joining;
    if (isOfGuest(topic)) {
      this.#guests.join(joining);
      return;
    }
    const name = topic.startsWith('store:') ? parseStoreName(topic.slice('store:'.length)) : null;
    const request = readJoin(payload, 4, askLimits);
    if (name === null || isRefusal(request)) {
      this.close(cannotServe);
      return;
    }
    try {
      const store = asStoreName(name);
      const held = this.#ports.hold(store, request.patterns ?? [asGlob('**')]);
      const serving = this.#owner.servingOf(held.hub);
      const channel = this.#channel({ id, topic, store }, { serving, release: held.release });
      this.#channels.set(id, channel);
      serving.join(channel, request);
    } catch {
      // It is open in another way that cannot be changed now.
      this.#refuse(id, refuse('unavailable', { retry_after_ms: 1000 }));
    }
  }

  #channel(
    { id, topic, store }: { readonly id: number; readonly topic: string; store: StoreName },
    held: Pick<Channel, 'serving' | 'release'>,
  ): Channel {
    return {
      ...held,
      store,
      unanswered: new Set(),
      rescope: null,
      accept: (response) => this.#step({ type: 'accept', channel: id, response }),
      refuse: (refusal) => this.#refuse(id, refusal),
      push: (message) => this.#send(this.#owner.encode(topic, message)),
      shut: () => this.#step({ type: 'shut', channel: id }),
      decline: () => this.close(cannotServe),
    };
  }

  #refuse(channel: number, refusal: Refusal): void {
    this.#left(channel);
    this.#step({ type: 'refuse', channel, response: refusal.toResponse() });
  }

  #push({ channel, slot, event, payload }: Extract<ListenerEffect, { type: 'push' }>): void {
    if (this.#guests.push({ channel, slot, event, payload })) return;
    const from = this.#channels.get(channel);
    if (from === undefined) return;
    const answer: Answer = (status, response) => {
      from.unanswered.delete(slot);
      this.#step({ type: 'answer', channel, slot, status, response });
      this.#runRescope(from);
    };
    from.unanswered.add(slot);
    if (event === 'scope') {
      this.#rescope(from, { slot, payload }, answer);
    } else if (event.startsWith('query_')) {
      from.serving.query(from, { event, payload, store: from.store }, answer);
    } else {
      const write = writeOf(event, payload, from.serving.limits);
      from.serving.push(from, { event, payload, write }, answer);
    }
  }

  #rescope(
    from: Channel,
    { slot, payload }: { readonly slot: number; readonly payload: unknown },
    answer: Answer,
  ): void {
    const change = readScope(payload, from.serving.limits);
    if (isRefusal(change)) {
      answer('error', change.toResponse());
      return;
    }
    const run = (): void => {
      const { release, serving } = from;
      const kept = serving.patternsOf(from).filter((each) => !change.remove.includes(each));
      try {
        from.release = this.#ports.hold(from.store, [...kept, ...change.add]).release;
      } catch {
        answer('error', refuse('unavailable', { retry_after_ms: 1000 }).toResponse());
        return;
      }
      release();
      serving.rescope(from, change, answer);
    };
    from.rescope = { slot, run };
    this.#runRescope(from);
  }

  #runRescope(from: Channel): void {
    const { rescope, unanswered } = from;
    const [first] = unanswered;
    if (rescope === null || first !== rescope.slot) return;
    from.rescope = null;
    rescope.run();
  }

  #left(id: number): void {
    const channel = this.#channels.get(id);
    if (channel === undefined) return;
    this.#channels.delete(id);
    // What it waits for is answered all the same.
    channel.rescope = null;
    channel.serving.left(channel);
    channel.release();
  }

  #decode(data: string | Uint8Array): Frame | BadFrame {
    try {
      if (typeof data !== 'string' && isChunk(data)) return decodeChunk(data) ?? unreadable;
      return readFrame(this.#ports.codec.decode(data));
    } catch {
      return unreadable;
    }
  }
}

/** What a write says; null where it is none. */
function writeOf(event: string, payload: unknown, limits: AskLimits): Push['write'] {
  if (event !== 'write' && event !== 'transact') return null;
  if (!isObject(payload)) return refuse('invalid_payload', { field: 'payload' });
  const opId = readOpId(payload);
  if (isRefusal(opId)) return opId;
  const request =
    event === 'write'
      ? parseWrite(payload, { dialect: 4, limits })
      : parseTransact(payload, { limits });
  return isRefusal(request) ? request : { opId, request };
}
