import { type EpochMs, type JsonObject, type MonotonicMs, refuse } from '@holdfast/protocol';
import { type PresenceList, presenceLimits } from '@holdfast/protocol/presence';
import { Directory } from './directory.ts';
import { OtherNodes } from './other-nodes.ts';
import type {
  Attendee,
  NodeMessage,
  Presence,
  RosterDescription,
  RosterEffect,
  RosterInput,
} from './types.ts';

/*
 * One topic at one node: who is there, here and at the other nodes (stores.md §10.8).
 *
 *                    join (no state)            track
 *   (no member) ───────────────────▶ observer ─────────▶ present ──▶ track: another state, the old one replaced
 *        ▲           join (state) ──────────────────────────▲ │
 *        │                                                  │ │ lost
 *        ├─── leave ◀── any ───── 5 s ──── lingering ◀──────┼─┘
 *        │                                     │ join by the same peer
 *        └─────────────────────────────────────┘
 *
 * 1. A presence belongs to one member of one node, and leaves with it.
 * 2. Members hear a list once, then every difference to it, in order; no state is told that is older than 50 ms + the bus.
 * 3. Changes of this node are numbered densely on the bus; its set after the last one is what it answers with.
 * 4. A peer shows one state at a time, wherever it tracked last.
 */

const beatMs = 10_000;
const presencesPerPart = 50;
/** All members are looked at no more often. */
const scanMs = 10;

type Member = {
  readonly who: Attendee;
  presence: Presence | null;
  /** Before this no other state of it is taken over. */
  next: MonotonicMs;
  /** The last state given since then. */
  waiting: Presence | null;
  /** When what it shows is gone: its socket was lost, and it has tracked nothing since. */
  until: MonotonicMs | null;
  /** It has no socket. */
  isLost: boolean;
  /** It has heard who is there. */
  isWelcome: boolean;
};

/** Who is there on one topic, as one node knows it. */
export class Roster {
  readonly #node: string;
  readonly #members = new Map<number, Member>();
  readonly #directory = new Directory();
  readonly #others: OtherNodes;
  /** What the other nodes were told of this one. */
  #published = new Map<string, Presence>();
  #number = 0;
  #refs = 0;
  #effects: RosterEffect[] = [];
  /** When what has changed is told; null: nothing has. */
  #dueAt: MonotonicMs | null = null;
  #toldAt: MonotonicMs;
  #beatAt: MonotonicMs;
  #isAsked = false;
  /** When something of the members is due, and when they were looked at. */
  #scanAt: MonotonicMs = Infinity;
  #scannedAt: MonotonicMs = -Infinity;
  #wakeAt: MonotonicMs = Infinity;

  /** `node` names this node and this life of the roster: no other one ever has the name. */
  constructor({ node, now }: { readonly node: string; readonly now: MonotonicMs }) {
    this.#node = node;
    this.#toldAt = now - presenceLimits.collect_ms;
    this.#beatAt = now + beatMs;
    this.#others = new OtherNodes({
      came: (presence) => this.#came(presence),
      went: (presence) => this.#directory.remove(presence),
      ask: (of) => this.#publish({ type: 'ask', node, of }),
    });
  }

  /** Whether nobody is here, nor may come back. */
  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  /** What to say first, so that the other nodes tell who is there. */
  hello(): NodeMessage {
    return { type: 'ask', node: this.#node, of: null };
  }

  /** Who is there, as was told last: the payload of `presence_state`. */
  list(): PresenceList {
    return this.#directory.list();
  }

  step(input: RosterInput): readonly RosterEffect[] {
    this.#effects = [];
    this.#take(input);
    if (this.#directory.hasChanged) this.#dueIn(input.now, presenceLimits.collect_ms);
    if (this.#dueAt !== null && this.#dueAt <= input.now) this.#tell(input.now);
    if (input.type === 'close') this.#part(input.now);
    this.#setAlarm(input.type === 'tick');
    return this.#effects;
  }

  describe(): RosterDescription {
    const nodes = this.#others.describe();
    const present = this.#directory.size;
    return { members: this.#members.size, present, number: this.#number, nodes };
  }

  #take(input: RosterInput): void {
    switch (input.type) {
      case 'join':
        this.#join(input);
        break;
      case 'track':
        this.#track(input);
        break;
      case 'untrack':
        this.#untrack(this.#members.get(input.member));
        break;
      case 'leave':
        this.#remove(input.member);
        break;
      case 'lost':
        this.#linger(input.member, input.now);
        break;
      case 'heard':
        this.#hear(input.message, input.now);
        break;
      case 'tick':
        this.#tick(input.now);
        break;
      case 'close':
        break;
    }
  }

  #join(input: Extract<RosterInput, { readonly type: 'join' }>): void {
    const { member, who, state, now } = input;
    if (state !== null && this.#isFull(who)) return this.#refuse(member, null);
    const former = this.#atHome(who, { lostOnly: state === null });
    const presence = former?.presence ?? null;
    const fresh: Member = {
      who,
      presence,
      next: now,
      waiting: null,
      // Who comes back and tracks nothing has gone after the grace, too.
      until: former?.until ?? null,
      isLost: false,
      isWelcome: false,
    };
    if (former !== null) this.#forget(former);
    this.#members.set(member, fresh);
    if (state !== null) this.#show(fresh, this.#present(fresh, input.wall, state), now);
    if (this.#directory.hasChanged) this.#hurry(now);
    else this.#welcome();
  }

  /** A member of this node by the same name that shows something. Who only looks takes nothing from another socket. */
  #atHome({ key, peer }: Attendee, { lostOnly }: { readonly lostOnly: boolean }): Member | null {
    for (const member of this.#members.values()) {
      if (lostOnly && !member.isLost) continue;
      const isSame = member.who.key === key && member.who.peer === peer;
      if (isSame && member.presence !== null) return member;
    }
    return null;
  }

  /** What it showed is another member's now; who only lingered is gone. */
  #forget(former: Member): void {
    former.presence = null;
    former.waiting = null;
    for (const [id, member] of this.#members) {
      if (member === former && member.isLost) this.#members.delete(id);
    }
  }

  #track(input: Extract<RosterInput, { readonly type: 'track' }>): void {
    const { member: id, ticket, state, now, wall } = input;
    const member = this.#members.get(id);
    if (member === undefined) return;
    const isNew = member.presence === null && member.waiting === null;
    if (isNew && this.#isFull(member.who)) return this.#refuse(id, ticket);
    if (isNew) this.#takeOver(member);
    const presence = this.#present(member, wall, state);
    if (now < member.next) {
      member.waiting = presence;
      this.#scanBy(member.next);
    } else {
      this.#show(member, presence, now);
      this.#hurry(now);
    }
    this.#effects.push({ type: 'tracked', member: id, ticket, ref: presence.ref });
  }

  /** The same peer on another socket of this node: it shows nothing there any more. */
  #takeOver(member: Member): void {
    const former = this.#atHome(member.who, { lostOnly: false });
    if (former === null) return;
    member.presence = former.presence;
    this.#forget(former);
  }

  #isFull(who: Attendee): boolean {
    const isThere = this.#directory.find(who.key, who.peer) !== null;
    return !isThere && this.#directory.size >= presenceLimits.metas;
  }

  #refuse(member: number, ticket: number | null): void {
    const [current, limit] = [this.#directory.size, presenceLimits.metas];
    const refusal = refuse('limit_exceeded', { dimension: 'presence', current, limit });
    this.#effects.push({ type: 'refused', member, ticket, refusal });
  }

  /** What is given while an older state still waits takes its place, and its name. */
  #present({ who, presence, waiting }: Member, wall: EpochMs, state: JsonObject): Presence {
    const { key, peer, deviceId } = who;
    const former = presence ?? this.#directory.find(key, peer);
    const isOurs = former === null || former.ref.startsWith(`${this.#node}:`);
    return {
      key,
      ref: waiting?.ref ?? `${this.#node}:${(this.#refs += 1)}`,
      peer,
      deviceId,
      onlineAt: former?.onlineAt ?? wall,
      state,
      over: isOurs ? (former?.over ?? null) : former.ref,
    };
  }

  #show(member: Member, presence: Presence, now: MonotonicMs): void {
    if (member.presence !== null) this.#directory.remove(member.presence);
    this.#directory.add(presence);
    member.presence = presence;
    member.waiting = null;
    member.until = null;
    member.next = now + presenceLimits.track_ms;
  }

  #untrack(member: Member | undefined): void {
    if (member === undefined) return;
    if (member.presence !== null) this.#directory.remove(member.presence);
    member.presence = null;
    member.waiting = null;
    member.until = null;
  }

  #remove(id: number): void {
    this.#untrack(this.#members.get(id));
    this.#members.delete(id);
  }

  #linger(id: number, now: MonotonicMs): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    if (member.waiting !== null) this.#show(member, member.waiting, now);
    if (member.presence === null) {
      this.#members.delete(id);
      return;
    }
    member.until = now + presenceLimits.grace_ms;
    member.isLost = true;
    this.#scanBy(member.until);
  }

  #hear(message: NodeMessage, now: MonotonicMs): void {
    if (message.node === this.#node) return;
    if (message.type === 'ask' && (message.of ?? this.#node) === this.#node) {
      this.#isAsked = true;
      this.#dueIn(now, presenceLimits.collect_ms);
    }
    this.#others.hear(message, now);
    const isNews = message.type === 'diff' || message.type === 'set';
    if (isNews && this.#directory.hasChanged) this.#hurry(now);
  }

  /** Somebody is at another node; a state of ours that this one replaces is gone. */
  #came(presence: Presence): void {
    this.#directory.add(presence);
    if (presence.over === null) return;
    for (const [id, member] of this.#members) {
      if (member.presence?.ref !== presence.over) continue;
      this.#expire(id, member);
    }
  }

  #tick(now: MonotonicMs): void {
    this.#others.tick(now);
    if (now >= this.#scanAt) this.#scan(now);
    if (this.#beatAt > now) return;
    this.#beatAt = now + beatMs;
    if (this.#number > 0) {
      this.#publish({ type: 'beat', node: this.#node, n: this.#number });
    }
  }

  /** Does what is due of the members, and sees when the next is. */
  #scan(now: MonotonicMs): void {
    this.#scanAt = Infinity;
    this.#scannedAt = now;
    for (const [id, member] of this.#members) {
      const { until, waiting, next } = member;
      if (until !== null && until <= now) this.#expire(id, member);
      else if (waiting !== null && next <= now) {
        this.#show(member, waiting, now);
        this.#hurry(now);
      } else this.#scanBy(Math.min(until ?? Infinity, waiting === null ? Infinity : next));
    }
  }

  /** Whoever came back but tracks nothing stays, to look. */
  #expire(id: number, member: Member): void {
    this.#untrack(member);
    if (member.isLost) this.#members.delete(id);
  }

  #hurry(now: MonotonicMs): void {
    this.#dueIn(now, Math.max(0, this.#toldAt + presenceLimits.collect_ms - now));
  }

  #dueIn(now: MonotonicMs, ms: number): void {
    this.#dueAt = Math.min(this.#dueAt ?? Infinity, now + ms);
  }

  #tell(now: MonotonicMs): void {
    this.#dueAt = null;
    this.#toldAt = now;
    this.#publishChange();
    if (this.#isAsked) this.#publishSet();
    const diff = this.#directory.takeDiff();
    if (diff !== null) this.#effects.push({ type: 'diff', diff });
    this.#welcome();
  }

  #welcome(): void {
    const members: number[] = [];
    for (const [id, member] of this.#members) {
      if (member.isWelcome || member.isLost) continue;
      member.isWelcome = true;
      members.push(id);
    }
    if (members.length > 0) this.#effects.push({ type: 'welcome', members });
  }

  #publishChange(): void {
    const own = new Map<string, Presence>();
    for (const { presence } of this.#members.values()) {
      if (presence !== null) own.set(presence.ref, presence);
    }
    const joins = [...own.values()].filter(({ ref }) => !this.#published.has(ref));
    const leaves = [...this.#published.keys()].filter((ref) => !own.has(ref));
    this.#published = own;
    if (joins.length === 0 && leaves.length === 0) return;
    this.#number++;
    this.#publish({ type: 'diff', node: this.#node, n: this.#number, joins, leaves });
  }

  #publishSet(): void {
    this.#isAsked = false;
    if (this.#number === 0) return;
    const all = [...this.#published.values()];
    const parts = Math.max(1, Math.ceil(all.length / presencesPerPart));
    const base = { type: 'set', node: this.#node, n: this.#number, parts } as const;
    for (let part = 0; part < parts; part++) {
      const presences = all.slice(part * presencesPerPart, (part + 1) * presencesPerPart);
      this.#publish({ ...base, part, presences });
    }
  }

  #publish(message: NodeMessage): void {
    this.#effects.push({ type: 'publish', message });
  }

  #part(now: MonotonicMs): void {
    this.#tell(now);
    if (this.#number > 0) this.#publish({ type: 'bye', node: this.#node });
  }

  #scanBy(at: MonotonicMs): void {
    this.#scanAt = Math.min(this.#scanAt, Math.max(at, this.#scannedAt + scanMs));
  }

  #setAlarm(hasRung: boolean): void {
    const at = Math.min(this.#dueAt ?? Infinity, this.#scanAt, this.#beatAt, this.#others.dueAt);
    if (at === this.#wakeAt && !hasRung) return;
    this.#wakeAt = at;
    this.#effects.push({ type: 'wake', at });
  }
}
