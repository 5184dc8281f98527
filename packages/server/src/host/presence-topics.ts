import { randomUUID } from 'node:crypto';
import {
  type Attendee,
  readNodeMessage,
  Roster,
  type RosterEffect,
  type RosterInput,
} from '@holdfast/engine/presence';
import type { JsonObject, Refusal } from '@holdfast/protocol';
import type { PresenceDiff, PresenceList } from '@holdfast/protocol/presence';
import type { Bus } from '../bus/port.ts';
import type { Clock } from './clock.ts';

/** A member of a topic, as the host speaks to it. Payloads are shared: nobody changes them. */
export type Seat = {
  /** From now on it hears the differences to this list. */
  welcome(list: PresenceList): void;
  diff(diff: PresenceDiff): void;
  tracked(ticket: number, ref: string): void;
  refused(ticket: number, refusal: Refusal): void;
};

/** How somebody joins a topic. */
export type Arrival = {
  readonly who: Attendee;
  readonly state: JsonObject | null;
  readonly seat: Seat;
};

/** What a member can do. */
export type Attendance = {
  /** Who is there, as was told last; the same object until the next diff. */
  list(): PresenceList;
  /** `refused`: it shows nothing, and its seat is told why. */
  track(ticket: number, state: JsonObject): 'tracked' | 'refused';
  untrack(): void;
  /** It goes; `lost`: perhaps not for good. */
  end(how: 'leave' | 'lost'): void;
};

/** What the topics need of the server. */
export type PresenceRoom = {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly report: (what: string, error: unknown) => void;
};

/** The presence topics that somebody of this node has joined (stores.md §10.8). */
export class PresenceTopics {
  readonly #room: PresenceRoom;
  readonly #node = randomUUID();
  readonly #topics = new Map<string, Topic>();
  #opened = 0;

  constructor(room: PresenceRoom) {
    this.#room = room;
  }

  /** Joins a topic, or says why not. */
  join(name: string, arrival: Arrival): Attendance | Refusal {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      this.#opened += 1;
      const node = `${this.#node}.${this.#opened}`;
      topic = new Topic(this.#room, { name, node }, () => this.#topics.delete(name));
      this.#topics.set(name, topic);
    }
    return topic.join(arrival);
  }

  /** How many topics are open here, and how many members of this node they have. */
  counts(): { readonly topics: number; readonly members: number } {
    let members = 0;
    for (const topic of this.#topics.values()) members += topic.size;
    return { topics: this.#topics.size, members };
  }

  /** This node goes; who is here has a while to come back by another one. */
  close(): void {
    for (const topic of this.#topics.values()) topic.close();
  }
}

type Wish = RosterInput extends infer Input
  ? Input extends RosterInput
    ? Omit<Input, 'now' | 'wall'>
    : never
  : never;

/** One topic: runs its roster on the bus, and speaks to the seats. */
class Topic {
  readonly #room: PresenceRoom;
  readonly #name: string;
  readonly #roster: Roster;
  readonly #seats = new Map<number, Seat>();
  readonly #welcome = new Map<number, Seat>();
  readonly #leaveBus: () => void;
  readonly #ended: () => void;
  #members = 0;
  #timer: unknown = null;
  #isClosed = false;

  constructor(
    room: PresenceRoom,
    { name, node }: { readonly name: string; readonly node: string },
    ended: () => void,
  ) {
    this.#room = room;
    this.#name = `presence.${name}`;
    this.#ended = ended;
    this.#roster = new Roster({ node, now: room.clock.now() });
    this.#leaveBus = room.bus.subscribe(this.#name, (bytes) => this.#hear(bytes));
    this.#publish(this.#roster.hello());
  }

  get size(): number {
    return this.#seats.size;
  }

  join({ who, state, seat }: Arrival): Attendance | Refusal {
    this.#members += 1;
    const member = this.#members;
    this.#seats.set(member, seat);
    const effects = this.#step({ type: 'join', member, who, state });
    const refused = effects.find((effect) => effect.type === 'refused' && effect.ticket === null);
    if (refused?.type === 'refused') {
      this.#forget(member);
      return refused.refusal;
    }
    return {
      list: () => this.#roster.list(),
      track: (ticket, tracked) => {
        const wish = { type: 'track', member, ticket, state: tracked } as const;
        const isRefused = this.#step(wish).some(({ type }) => type === 'refused');
        return isRefused ? 'refused' : 'tracked';
      },
      untrack: () => {
        this.#step({ type: 'untrack', member });
      },
      end: (how) => {
        this.#step({ type: how, member });
        this.#forget(member);
      },
    };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#step({ type: 'close' });
    this.#isClosed = true;
    this.#room.clock.clearTimeout(this.#timer);
    this.#leaveBus();
    this.#ended();
  }

  #forget(member: number): void {
    this.#seats.delete(member);
    this.#welcome.delete(member);
    if (this.#roster.isEmpty) this.close();
  }

  #hear(bytes: Uint8Array): void {
    const message = readNodeMessage(JSON.parse(new TextDecoder().decode(bytes)));
    if (message !== null) this.#step({ type: 'heard', message });
  }

  #step(wish: Wish): readonly RosterEffect[] {
    if (this.#isClosed) return [];
    const { clock } = this.#room;
    const effects = this.#roster.step({ ...wish, now: clock.now(), wall: clock.wall() });
    for (const effect of effects) this.#perform(effect);
    return effects;
  }

  #perform(effect: RosterEffect): void {
    switch (effect.type) {
      case 'publish':
        this.#publish(effect.message);
        return;
      case 'diff':
        for (const seat of this.#welcome.values()) seat.diff(effect.diff);
        return;
      case 'welcome':
        for (const member of effect.members) this.#welcomeTo(member);
        return;
      case 'tracked':
        this.#seats.get(effect.member)?.tracked(effect.ticket, effect.ref);
        return;
      case 'refused':
        if (effect.ticket === null) return;
        this.#seats.get(effect.member)?.refused(effect.ticket, effect.refusal);
        return;
      case 'wake':
        this.#wake(effect.at);
    }
  }

  #welcomeTo(member: number): void {
    const seat = this.#seats.get(member);
    if (seat === undefined) return;
    this.#welcome.set(member, seat);
    seat.welcome(this.#roster.list());
  }

  #publish(message: object): void {
    this.#room.bus.publish(this.#name, new TextEncoder().encode(JSON.stringify(message)));
  }

  #wake(at: number): void {
    const { clock } = this.#room;
    clock.clearTimeout(this.#timer);
    this.#timer = clock.setTimeout(() => this.#tick(), Math.max(0, at - clock.now()));
  }

  #tick(): void {
    try {
      this.#step({ type: 'tick' });
    } catch (error) {
      this.#room.report(`presence topic ${this.#name} failed`, error);
    }
    if (this.#roster.isEmpty) this.close();
  }
}
