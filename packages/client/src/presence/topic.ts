import { alarm, releaseOnce, type Signal } from '@holdfast/engine/registry';
import { type MirroredPeer, nameOfPeer, PresenceMirror } from '@holdfast/engine/presence';
import {
  type HoldfastError,
  isObject,
  isRefusal,
  type JsonObject,
  parseStoreName,
  type PresenceDefinition,
  presenceTopic,
  readRefusal,
  type Refusal,
  RejectedError,
  toPath,
} from '@holdfast/protocol';
import { readPresenceJoinReply } from '@holdfast/protocol/presence';
import { Cell } from '../cell.ts';
import { roomOf } from '../doors.ts';
import { toEnvelope } from '../envelopes.ts';
import { type Gate, gateOf, plainGate } from './gate.ts';
import { closedError } from '../mistakes.ts';
import { plainCopy } from '../plain-copy.ts';
import type { Room } from '../room.ts';
import type { Peer } from './types.ts';
import type { News, Speaker } from '../uplink.ts';

/** How a topic is doing. */
export type PresenceStatus = {
  readonly state: 'joining' | 'joined' | 'left';
  /** Why it cannot be joined, or what was last set was not taken. */
  readonly error?: HoldfastError;
};

/** Who is on a topic, and what this client shows there (records.md §16). */
export interface Presence<State> extends Disposable {
  /** Everybody who shows something, this client included, by their names; a new map at each change. */
  readonly peers: Signal<ReadonlyMap<string, Peer<State>>>;
  readonly status: Signal<PresenceStatus>;
  /** Shows this to everybody; of what is set quickly the last counts. Throws a `TypeError` for what the schema refuses. */
  set(value: State): void;
  /** Shows nothing any more, and goes on looking. */
  clear(): void;
  /** Counters of what came, and of what could not be read. */
  stats(): { readonly updates: number; readonly leaves: number; readonly parseErrors: number };
  /** Leaves the topic; what is set afterwards is nothing to anybody. */
  leave(): void;
}

/**
 * Joins a presence topic that has no definition (stores.md §10.8), by its store and path; with one there is
 * `client.presence`. It needs no store to be open. All of one topic share one channel, and what this client shows on it.
 */
export function joinPresence(
  client: object,
  at: { readonly store: string; readonly topic: string },
): Presence<JsonObject> {
  const channel = channelOf(openRoomOf(client), plainTopic(at));
  return new TopicHandle(channel, { gate: plainGate, throttle: 50 });
}

/** Joins the topic of a definition. */
export function joinTopic<State>(
  client: object,
  definition: PresenceDefinition<State>,
  params: { readonly [name: string]: string },
): Presence<State> {
  const { schema, throttle } = definition;
  const channel = channelOf(openRoomOf(client), presenceTopic(definition, params));
  return new TopicHandle(channel, { gate: gateOf(schema), throttle });
}

function openRoomOf(client: object): Room {
  const room = roomOf(client);
  if (room.connection.get().connection === 'closed') throw closedError('client');
  return room;
}

function plainTopic({ store, topic }: { readonly store: string; readonly topic: string }): string {
  if (parseStoreName(store) === null) {
    throw new TypeError(`"${store}" is not a store name like org/name.`);
  }
  const path = toPath(topic);
  if (isRefusal(path)) throw new TypeError(`"${topic}" is no path: ${path.code}.`);
  return `presence:${store}:${path}`;
}

/** Why a state is not taken by a topic that may be joined. */
export const aboutStates: ReadonlySet<string> = new Set(['value_too_large', 'limit_exceeded']);

/** The open topics of each client. */
const open: WeakMap<Room, Map<string, PresenceChannel>> = /* @__PURE__ */ new WeakMap();

/** The channel of a topic, which all of a client share. */
export function channelOf(room: Room, topic: string): PresenceChannel {
  const topics = open.get(room) ?? new Map<string, PresenceChannel>();
  open.set(room, topics);
  const channel = topics.get(topic) ?? new PresenceChannel(room, topic, () => topics.delete(topic));
  topics.set(topic, channel);
  return channel;
}

/** One topic of one client: what it shows, and the copy of who is there. */
export class PresenceChannel implements Speaker {
  readonly status: Cell<PresenceStatus>;
  readonly changes: Cell<ReadonlyMap<string, MirroredPeer>>;
  readonly room: Room;
  /** Takes part in it for other tabs, with one hold for all of them: hears what comes first, and says whether it is theirs. */
  share: ((news: News) => boolean) | undefined;
  /** How this user is known here. */
  key: string | null = null;
  readonly #topic: string;
  readonly #ended: () => void;
  readonly #mirror = new PresenceMirror();
  readonly #peer: string;
  readonly #setAlarm: (at: number) => void;
  #own: JsonObject | null = null;
  /** What the last join brought along. */
  #brought: JsonObject | null = null;
  #isJoined = false;
  /** What is shown differs from what the server was told. */
  #isDue = false;
  /** What is shown was a reason to refuse the join: it is not sent along with the next. */
  #isBarred = false;
  /** Nobody sees anything here, this client included. */
  #isDenied = false;
  #nextAt = 0;
  #throttle = 0;
  #pushes = 0;
  #holds = 0;

  constructor(room: Room, topic: string, ended: () => void) {
    const { env, report, deviceId } = room.settings;
    this.room = room;
    this.#topic = topic;
    this.#ended = ended;
    this.#peer = `${deviceId}:${room.session}`;
    this.status = new Cell<PresenceStatus>({ state: 'joining' }, report);
    this.changes = new Cell<ReadonlyMap<string, MirroredPeer>>(this.#mirror.peers, report);
    this.#setAlarm = alarm(env, () => this.#send());
  }

  /** Who shows something; the own state as it was set, not as it came back. */
  get peers(): ReadonlyMap<string, MirroredPeer> {
    return this.changes.get();
  }

  isSelf({ key, peer }: MirroredPeer): boolean {
    return peer === this.#peer && (this.key === null || key === this.key);
  }

  /** What the server says of each who shows something. */
  get metas(): PresenceMirror['metas'] {
    return this.#mirror.metas;
  }

  hold(): () => void {
    this.#holds += 1;
    // What was refused is asked for again with the next use.
    this.room.uplink.join(this.#topic, this);
    return releaseOnce(() => {
      this.#holds -= 1;
      if (this.#holds === 0) this.#leave();
      else if (this.#holds === 1 && this.share) this.show(null, 0);
    });
  }

  show(state: JsonObject | null, throttle: number): void {
    this.#own = state;
    this.#isDue = true;
    this.#isBarred = false;
    this.#throttle = throttle;
    const { state: at, error } = this.status.get();
    if (at === 'joined' && error !== undefined) this.status.set({ state: at });
    this.#tell();
    if (this.room.settings.env.now() >= this.#nextAt) this.#send();
    else this.#setAlarm(this.#nextAt);
  }

  joinPayload(): object {
    this.#isDue = false;
    this.#brought = this.#isBarred ? null : this.#own;
    return { peer: this.#peer, ...(this.#brought !== null && { state: this.#brought }) };
  }

  hear(news: News): void {
    if (this.share?.(news)) return;
    switch (news.type) {
      case 'joined':
        this.#joined(news.response);
        break;
      case 'refused':
        this.#declined(news.refusal);
        break;
      case 'lost':
        this.#isJoined = false;
        this.#isBarred = false;
        this.status.set({ state: 'joining' });
        break;
      case 'message':
        if (this.#mirror.take(news.event, news.payload)) this.#tell();
        break;
      case 'reply':
        if (news.status === 'error') this.#refused(news.response);
        break;
      case 'connection':
        // Given up for an error it may be tried again.
        if (this.room.connection.get().connection === 'closed') this.#leave();
    }
  }

  #joined(response: unknown): void {
    const reply = readPresenceJoinReply(response);
    if (!isRefusal(reply)) this.key = reply.key;
    this.#isJoined = true;
    this.#isDenied = false;
    this.status.set(
      this.#isBarred ? { ...this.status.get(), state: 'joined' } : { state: 'joined' },
    );
    this.#tell();
    // What was set since the join was sent.
    if (this.#isDue) this.#send();
  }

  /** Who may not be here sees nobody any more; who may, but not with what it shows, is here without. */
  #declined(refusal: Refusal): void {
    const mayCome = this.#brought !== null && aboutStates.has(refusal.code);
    // What has been set since was not refused.
    this.#isBarred ||= mayCome && this.#brought === this.#own;
    this.#isDenied = !mayCome;
    this.#mirror.clear();
    this.#tell();
    const error = RejectedError.from(refusal.with({ topic: this.#topic }));
    this.status.set({ state: 'joining', error });
    // A handle of a definition has no status: whoever sees nobody would not know why.
    this.room.settings.report(error);
    if (mayCome) this.room.uplink.join(this.#topic, this);
  }

  #refused(response: unknown): void {
    const error = RejectedError.from(readRefusal(response));
    this.status.set({ ...this.status.get(), error });
    this.room.settings.report(error);
  }

  #send(): void {
    this.#setAlarm(Infinity);
    if (!this.#isJoined || !this.#isDue) return;
    this.#nextAt = this.room.settings.env.now() + this.#throttle;
    const id = String((this.#pushes += 1));
    const push =
      this.#own === null
        ? { id, event: 'presence_untrack', payload: {} }
        : { id, event: 'presence_track', payload: { state: this.#own } };
    this.room.uplink.push(this.#topic, push);
  }

  #leave(): void {
    this.#setAlarm(Infinity);
    this.#own = null;
    this.#mirror.clear();
    this.status.set({ state: 'left' });
    this.#tell();
    this.#ended();
    this.room.uplink.leave(this.#topic);
  }

  /** Own states are shown as they were set, at the place where they came: what comes back of them is of the past. */
  #tell(): void {
    const peers = new Map<string, MirroredPeer>();
    const isShown = this.#own !== null && !this.#isDenied;
    for (const [name, each] of this.#mirror.peers) {
      if (isShown || !this.isSelf(each)) peers.set(name, each);
    }
    if (this.#own !== null && isShown) {
      const [key, peer, state] = [this.key ?? this.room.settings.principal, this.#peer, this.#own];
      const name = nameOfPeer({ key, peer });
      const known = this.changes.get().get(name);
      peers.set(name, known?.state === state ? known : { key, peer, state });
    }
    if (!isSame(peers, this.changes.get())) this.changes.set(peers);
  }
}

/** One handle: its gate on what it sets and sees. */
class TopicHandle<State> implements Presence<State> {
  readonly peers: Signal<ReadonlyMap<string, Peer<State>>>;
  readonly status: Signal<PresenceStatus>;
  readonly #channel: PresenceChannel;
  readonly #gate: Gate<State>;
  readonly #throttle: number;
  readonly #release: () => void;
  readonly #unsubscribe: () => void;
  readonly #seen: Cell<ReadonlyMap<string, Peer<State>>>;
  /** What was made of each peer; null: it could not be read. */
  #made = new Map<MirroredPeer, Peer<State> | null>();
  #updates = 0;
  #leaves = 0;
  #parseErrors = 0;
  #hasLeft = false;

  constructor(
    channel: PresenceChannel,
    { gate, throttle }: { readonly gate: Gate<State>; readonly throttle: number },
  ) {
    this.#channel = channel;
    this.#gate = gate;
    this.#throttle = throttle;
    this.status = channel.status;
    this.#seen = new Cell<ReadonlyMap<string, Peer<State>>>(
      new Map(),
      channel.room.settings.report,
    );
    this.peers = this.#seen;
    this.#unsubscribe = channel.changes.subscribe(() => this.#update());
    this.#release = channel.hold();
    this.#update();
  }

  set(value: State): void {
    if (this.#hasLeft) return;
    const passed = this.#gate.out(value);
    if ('issue' in passed) throw new TypeError(`This cannot be shown: ${passed.issue}.`);
    const state = toEnvelope(passed.value);
    if (!isObject(state)) throw new TypeError('This cannot be shown: it is no object.');
    this.#channel.show(plainCopy(state), this.#throttle);
    this.#update();
  }

  clear(): void {
    if (this.#hasLeft) return;
    this.#channel.show(null, this.#throttle);
    this.#update();
  }

  stats(): ReturnType<Presence<State>['stats']> {
    return { updates: this.#updates, leaves: this.#leaves, parseErrors: this.#parseErrors };
  }

  leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#unsubscribe();
    this.#release();
    this.#seen.set(new Map());
  }

  [Symbol.dispose](): void {
    this.leave();
  }

  #update(): void {
    const made = new Map<MirroredPeer, Peer<State> | null>();
    const peers = new Map<string, Peer<State>>();
    for (const [name, each] of this.#channel.peers) {
      const known = this.#made.get(each);
      const peer = known === undefined ? this.#make(each) : known;
      made.set(each, peer);
      if (peer !== null) peers.set(name, peer);
    }
    this.#made = made;
    const before = this.#seen.get();
    for (const [name, { self }] of before) if (!self && !peers.has(name)) this.#leaves++;
    if (!isSame(peers, before)) this.#seen.set(peers);
  }

  #make(mirrored: MirroredPeer): Peer<State> | null {
    const { key, peer, state } = mirrored;
    const self = this.#channel.isSelf(mirrored);
    const passed = this.#gate.in(state);
    if ('issue' in passed) {
      this.#parseErrors++;
      return null;
    }
    if (!self) this.#updates++;
    return Object.freeze({ key, peer, value: passed.value, self });
  }
}

/** Whether two lists have the same peers in the same order. */
function isSame<Each>(one: ReadonlyMap<string, Each>, other: ReadonlyMap<string, Each>): boolean {
  const others = [...other.values()];
  return one.size === other.size && [...one.values()].every((each, at) => each === others[at]);
}
