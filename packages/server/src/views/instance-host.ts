import {
  Instance,
  type InstanceConfig,
  type InstanceDescription,
  type InstanceEffect,
  type InstanceInput,
  type UploadPorts,
  type UploadTarget,
} from '@holdfast/engine/view';
import type { ViewFault } from '@holdfast/protocol/views';
import type { Principal } from '../access/index.ts';
import { Guests } from './guests.ts';
import { isOfClosing, mountFault } from './mount-fault.ts';
import { Openings } from './openings.ts';
import { produce } from './produce.ts';
import { asPrincipal, type Subscriber, type ViewSeat } from './seat.ts';
import { StoreOfView } from './store-of-view.ts';
import { type Telling, tellingsOf } from './telemetry.ts';
import type { ViewsRoom } from './room.ts';

/** What the bytes of an instance's uploads are in the hands of. */
export type UploadDesk = Omit<UploadPorts, 'admits' | 'reserved'> & {
  /** `owner`: whose file it is. */
  opened(target: UploadTarget, owner: Principal): void;
  discard(ref: string): void;
};

/** Hears what becomes of an instance. */
export type InstanceOwner = {
  /** A subscriber's token is worth nothing any more. */
  forgot(subscriber: Subscriber): void;
  /** It has other params; `given`: what the client sent. */
  moved(params: unknown, given: unknown): void;
  ended(): void;
};

type Ticket = {
  readonly seat: ViewSeat;
  readonly slot: number;
  readonly versioned: boolean;
  readonly command: { readonly at: number } | null;
};

/** Whether somebody has come to an instance: anew, back to what it missed, or not at all. */
export type Attachment = 'fresh' | 'resumed' | 'lost';

/** Sends the reply to a join. */
type Joined = (version: number, resumed: boolean) => void;

/** One instance of a view, and the world around it: time, stores, uploads, channels. */
export class InstanceHost {
  readonly config: InstanceConfig;
  readonly #room: ViewsRoom;
  readonly #owner: InstanceOwner;
  readonly #uploads: UploadDesk;
  readonly #instance: Instance;
  readonly #subscribers = new Map<number, Subscriber>();
  readonly #guests: Guests;
  readonly #tickets = new Map<number, Ticket>();
  readonly #stores: Openings;
  /** Whose the open uploads are, and how large, by their refs. */
  readonly #open = new Map<string, { readonly subscriber: Subscriber; readonly bytes: number }>();
  readonly #attaching = new Map<
    number,
    { readonly joined: Joined; readonly done: (how: Attachment) => void }
  >();
  #params: unknown;
  #lastTicket = 0;
  #timer: unknown = null;
  #started: ((fault: ViewFault | null) => void) | null = null;
  #ended = false;

  constructor(
    room: ViewsRoom,
    config: InstanceConfig,
    parts: {
      readonly owner: InstanceOwner;
      readonly uploads: (step: (input: InstanceInput) => void) => UploadDesk;
    },
  ) {
    this.config = config;
    this.#params = config.params;
    this.#room = room;
    this.#guests = new Guests(config.principal === null);
    this.#stores = new Openings(room, this.#guests);
    this.#owner = parts.owner;
    this.#uploads = parts.uploads((input) => this.step(input));
    this.#instance = new Instance(config, {
      now: () => room.clock.now(),
      id: room.newId,
      produce: (base, recipe) => produce(base, recipe, room.dev),
      perform: (effect) => {
        this.#perform(effect);
        if (room.telemetry !== null) tellingsOf(effect).forEach((each) => this.#tell(each));
      },
      store: (name, options, access) => {
        const user = options.as === 'principal' ? asPrincipal(access.principal()) : null;
        return new StoreOfView(this.#stores.open(name, user), access, room.limits);
      },
      uploads: {
        token: (ref) => this.#uploads.token(ref),
        file: (ref) => this.#uploads.file(ref),
        admits: (number, bytes) => this.#subscribers.get(number)?.budget.fits(bytes) ?? false,
        reserved: (number, ref, bytes) => this.#reserved(number, ref, bytes),
      },
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** What its client has asked for last. */
  get params(): unknown {
    return this.#params;
  }

  /** Of what all are told (views.md §1). */
  get version(): number {
    return this.#instance.version;
  }

  get subscribers(): Iterable<Subscriber> {
    return this.#subscribers.values();
  }

  /** Mounts and renders for the first time; why that failed, or null. */
  start(): Promise<ViewFault | null> {
    return new Promise((resolve) => {
      this.#started = resolve;
      this.step({ type: 'start' });
    });
  }

  /** A subscriber has come by another channel: what it has open takes the room of that one's connection. */
  move(subscriber: Subscriber, { seat, budget }: Pick<Subscriber, 'seat' | 'budget'>): void {
    for (const { subscriber: owner, bytes } of this.#open.values()) {
      if (owner !== subscriber) continue;
      subscriber.budget.discarded(bytes);
      budget.opened(bytes);
    }
    subscriber.seat = seat;
    subscriber.budget = budget;
  }

  /** Takes a subscriber in, or back with what was sent to it up to `resume`. */
  attach(subscriber: Subscriber, resume: number | null, joined: Joined): Promise<Attachment> {
    const { number, capver4, principal } = subscriber;
    if (this.#ended) {
      this.#owner.forgot(subscriber);
      return Promise.resolve('lost');
    }
    this.#subscribers.set(number, subscriber);
    this.#guests.came(subscriber);
    return new Promise((done) => {
      this.#attaching.set(number, { joined, done });
      this.step({ type: 'attach', subscriber: number, capver4, principal, resume });
    });
  }

  /** Its channel has ended. */
  detach({ number }: Subscriber, keep: boolean): void {
    const subscriber = this.#subscribers.get(number);
    if (subscriber === undefined) return;
    for (const [ticket, { seat }] of this.#tickets) {
      if (seat === subscriber.seat) this.#tickets.delete(ticket);
    }
    subscriber.seat = null;
    this.#stores.left(subscriber.principal);
    this.#attaching.get(number)?.done('lost');
    this.#attaching.delete(number);
    if (subscriber.token === null) this.#subscribers.delete(number);
    this.#tell({ name: 'leave', kept: keep });
    this.step({ type: 'detach', subscriber: number, keep });
    if (subscriber.token === null) this.#forget(subscriber);
  }

  /** The socket of a subscriber has more to send than it should. */
  lagging({ number }: Subscriber): void {
    this.#tell({ name: 'lag' });
    this.step({ type: 'lagging', subscriber: number });
  }

  /** A number for a request, under which its reply comes. */
  ticket(subscriber: Subscriber, slot: number, isCommand: boolean): number | null {
    const { seat, capver4 } = subscriber;
    if (seat === null) return null;
    this.#lastTicket += 1;
    const command = isCommand ? { at: this.#room.clock.now() } : null;
    this.#tickets.set(this.#lastTicket, { seat, slot, versioned: capver4, command });
    return this.#lastTicket;
  }

  step(input: InstanceInput): void {
    if (!this.#ended) this.#instance.step(input);
  }

  end(): void {
    this.step({ type: 'end' });
    this.#end({ reason: 'internal error' });
  }

  describe(): InstanceDescription & { readonly module: string; readonly id: string } {
    return { module: this.config.view.name, id: this.config.id, ...this.#instance.describe() };
  }

  // oxlint-disable-next-line complexity -- one line for each effect
  #perform(effect: InstanceEffect): void {
    switch (effect.type) {
      case 'mounted':
        this.#settleStart(null);
        return;
      case 'failed':
        this.#settleStart(mountFault(effect));
        return;
      case 'stopped':
        this.#stopped(effect.cause);
        return;
      case 'attached':
      case 'lost':
        this.#attached(effect);
        return;
      case 'send':
        this.#send(effect);
        return;
      case 'reply':
        this.#reply(effect);
        return;
      case 'params':
        this.#params = effect.params;
        this.#owner.moved(effect.params, effect.given);
        return;
      case 'drop':
        this.#drop(effect.subscriber);
        return;
      case 'forgot':
        this.#forgot(effect.subscriber);
        return;
      case 'opened':
        this.#opened(effect.target);
        return;
      case 'discard':
        this.#discard(effect.ref);
        return;
      case 'turn':
        void this.#room.crowd.next().then(() => this.step({ type: 'turn' }));
        return;
      case 'wake':
        this.#wake(effect.at);
        return;
      case 'fault':
        this.#fault(effect);
        return;
      case 'warn':
        this.#room.warn(effect.text);
        return;
      case 'ended':
        this.#end(null);
        return;
      case 'loaded':
      case 'rendered':
      case 'uploaded':
      // Telemetry alone hears of them.
    }
  }

  #settleStart(fault: ViewFault | null): void {
    this.#started?.(fault);
    this.#started = null;
  }

  #attached(effect: Extract<InstanceEffect, { type: 'attached' | 'lost' }>): void {
    const attaching = this.#attaching.get(effect.subscriber);
    this.#attaching.delete(effect.subscriber);
    if (effect.type === 'lost') {
      // The machine may not know it any more, and would not say so.
      this.#forgot(effect.subscriber);
      attaching?.done('lost');
      return;
    }
    attaching?.joined(effect.version, effect.resumed);
    attaching?.done(effect.resumed ? 'resumed' : 'fresh');
  }

  #send({ to, base, version, tail }: Extract<InstanceEffect, { type: 'send' }>): void {
    for (const number of to) this.#subscribers.get(number)?.seat?.envelope(base, version, tail);
  }

  #reply({ ticket, status, response, version }: Extract<InstanceEffect, { type: 'reply' }>): void {
    const waiting = this.#tickets.get(ticket);
    if (waiting === undefined) return;
    this.#tickets.delete(ticket);
    const { seat, slot, versioned, command } = waiting;
    seat.answer({ slot, version: versioned ? version : null }, status, response);
    if (command === null) return;
    const reason =
      status === 'error' && typeof response['reason'] === 'string' ? response['reason'] : null;
    this.#tell({ name: 'command', ms: this.#room.clock.now() - command.at, reason });
  }

  #drop(number: number): void {
    const subscriber = this.#subscribers.get(number);
    const seat = subscriber?.seat;
    if (subscriber === undefined || seat === undefined || seat === null) return;
    subscriber.seat = null;
    this.#stores.left(subscriber.principal);
    seat.end('failed');
    this.#tell({ name: 'leave', kept: false });
  }

  #forgot(number: number): void {
    const subscriber = this.#subscribers.get(number);
    if (subscriber === undefined) return;
    this.#subscribers.delete(number);
    this.#forget(subscriber);
    this.#owner.forgot(subscriber);
  }

  #reserved(number: number, ref: string, bytes: number): void {
    const subscriber = this.#subscribers.get(number);
    if (subscriber === undefined) return;
    subscriber.budget.opened(bytes);
    this.#open.set(ref, { subscriber, bytes });
  }

  #opened(target: UploadTarget): void {
    const subscriber = this.#subscribers.get(target.subscriber);
    if (subscriber === undefined) return;
    this.#uploads.opened(target, asPrincipal(subscriber.principal));
  }

  #discard(ref: string): void {
    const open = this.#open.get(ref);
    open?.subscriber.budget.discarded(open.bytes);
    this.#open.delete(ref);
    this.#uploads.discard(ref);
  }

  #fault({ id, where, node, error }: Extract<InstanceEffect, { type: 'fault' }>): void {
    if (isOfClosing(error)) return;
    const place = `${this.config.view.name}:${this.config.id} ${JSON.stringify(node)}`;
    this.#room.report(`${where} of ${place} failed (${id})`, error);
  }

  #wake(at: number): void {
    const { clock } = this.#room;
    clock.clearTimeout(this.#timer);
    if (at === Infinity) return;
    this.#timer = clock.setTimeout(
      () => this.step({ type: 'wake' }),
      Math.max(0, at - clock.now()),
    );
  }

  /** In a shared view, who has left holds nothing any more; else the instance goes with its subscriber. */
  #forget(subscriber: Subscriber): void {
    this.#guests.forgot(subscriber);
    const principal = asPrincipal(subscriber.principal);
    if (this.#guests.isGone(principal)) this.#stores.closeOf(principal);
  }

  /** A bug ends the instance, and nothing else. */
  #stopped(cause: unknown): void {
    this.#room.report(`the view ${this.config.view.name} stopped`, cause);
    this.#end({ reason: 'internal error', id: this.#room.newId() });
  }

  #end(fault: ViewFault | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#room.clock.clearTimeout(this.#timer);
    this.#settleStart(fault ?? { reason: 'internal error' });
    for (const { done } of this.#attaching.values()) done('lost');
    this.#attaching.clear();
    for (const subscriber of this.#subscribers.values()) {
      this.#drop(subscriber.number);
      this.#owner.forgot(subscriber);
    }
    this.#subscribers.clear();
    this.#tickets.clear();
    for (const ref of this.#open.keys()) this.#discard(ref);
    this.#stores.close();
    this.#owner.ended();
  }

  #tell(what: Telling): void {
    const { telemetry } = this.#room;
    if (telemetry === null) return;
    const { view, id } = this.config;
    telemetry({ ...what, module: view.name, id });
  }
}
