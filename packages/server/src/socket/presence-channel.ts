import { randomUUID } from 'node:crypto';
import {
  type Codec,
  type DeviceId,
  isRefusal,
  type JsonObject,
  type Refusal,
  refuse,
  toPath,
} from '@holdfast/protocol';
import {
  type PresenceDiff,
  type PresenceJoinReply,
  presenceLimits,
  readPresenceJoin,
  readPresencePeer,
  readPresenceTrack,
  splitPresenceTopic,
} from '@holdfast/protocol/presence';
import type { Principal } from '../access/index.ts';
import type { Attendance, Seat } from '../host/presence-topics.ts';
import { admit } from './join.ts';
import type { SocketRoom } from './room.ts';
import type { ChannelPort } from './terms.ts';
import { nextTurn } from './turn.ts';
import { formatOf, message } from './wire.ts';

/** Who nobody knows goes by this key, all of them by one. */
const anonymous = 'anonymous';

/** Who wants to join a presence topic, and from where. */
export type PresenceTerms = {
  readonly channel: number;
  readonly topic: string;
  readonly codec: Codec;
  readonly deviceId: DeviceId;
  readonly principal: Principal;
  readonly payload: unknown;
};

/** What a join was admitted to: the topic of a store, and how the peer is known there. */
export type PresenceEntry = {
  readonly storeId: string;
  /** The topic, whichever of its names the store was called by. */
  readonly name: string;
  readonly peer: string;
  readonly state: JsonObject | null;
};

/** Whether a principal may join, in the order of checks of stores.md §7.4.3, §10.8.1. */
export async function admitPresence(
  room: SocketRoom,
  { topic, principal, payload }: PresenceTerms,
): Promise<PresenceEntry | Refusal> {
  const parts = splitPresenceTopic(topic);
  if (parts === null) return refuse('unauthorized');
  const row = await admit(room.storage, principal, `store:${parts.store}`);
  if (isRefusal(row)) return row;
  const limited = room.rates.join(principal);
  if (limited !== null) return limited;
  // Who is kept from paths would learn of others by their states.
  if (!(principal.presence ?? (principal.pathRules ?? null) === null)) {
    const says = 'This token may not take part in presence.';
    return refuse('presence_not_allowed', { message: says });
  }
  const path = toPath(parts.room, room.limits);
  if (isRefusal(path)) return path;
  const join = readPresenceJoin(payload);
  if (isRefusal(join)) return join;
  const { peer, state } = join;
  return { storeId: row.id, name: `${row.id}.${path}`, peer: peer ?? randomUUID(), state };
}

/** Frames by what they carry: one payload is encoded once for all who speak alike. */
const frames = new WeakMap<object, Map<string, Buffer>>();

/** One joined presence topic of one socket. */
export class PresenceChannel implements Seat {
  readonly storeId: string;
  readonly #room: Pick<SocketRoom, 'crowd' | 'presence'>;
  readonly #port: ChannelPort;
  readonly #terms: PresenceTerms;
  #attendance: Attendance | null = null;
  /** Takes further seats on the topic, for tabs of the same user that speak through this channel. */
  #seat: (peer: string) => Attendance | Refusal = () => refuse('unauthorized');
  /** By their names. */
  readonly #guests = new Map<string, Attendance>();
  #own: string | null = null;
  #state: 'new' | 'live' | 'behind' | 'closed' = 'new';
  /** It has been told that it hears diffs, but the join reply has not left yet. */
  #isWelcome = false;

  constructor(
    room: Pick<SocketRoom, 'crowd' | 'presence'>,
    port: ChannelPort,
    terms: PresenceTerms & { readonly storeId: string },
  ) {
    this.#room = room;
    this.storeId = terms.storeId;
    this.#port = port;
    this.#terms = terms;
  }

  /** Takes the seat; the response of the join, or why it cannot. */
  enter({ name, peer, state }: PresenceEntry): PresenceJoinReply | Refusal {
    const topics = this.#room.presence;
    const { principal, deviceId } = this.#terms;
    const key = principal.subject ?? anonymous;
    const attendance = topics.join(name, { who: { key, peer, deviceId }, state, seat: this });
    if (isRefusal(attendance)) return attendance;
    this.#attendance = attendance;
    this.#own = peer;
    this.#seat = (guest) =>
      topics.join(name, { who: { key, peer: guest, deviceId }, state: null, seat: this.#muted });
    return { key, peer };
  }

  /** Called right after the join reply. */
  begin(): void {
    this.#state = 'live';
    if (this.#isWelcome) this.#fallBehind();
  }

  push(slot: number, event: string, payload: unknown): void {
    const peer = readPresencePeer(payload);
    if (isRefusal(peer)) this.refused(slot, peer);
    else if (event === 'presence_track') this.#track(slot, peer, payload);
    else if (event === 'presence_untrack') {
      this.#untrack(peer);
      this.#answer(slot, {});
    } else this.refused(slot, refuse('unknown_event'));
  }

  #track(slot: number, peer: string | null, payload: unknown): void {
    const state = readPresenceTrack(payload);
    if (isRefusal(state)) {
      this.refused(slot, state);
      return;
    }
    const attendance = this.#attendanceOf(peer);
    if (isRefusal(attendance)) this.refused(slot, attendance);
    // A tab that shows nothing keeps no place from others.
    else if (attendance?.track(slot, state) === 'refused') this.#untrack(peer);
  }

  #attendanceOf(peer: string | null): Attendance | Refusal | null {
    if (peer === null || peer === this.#own) return this.#attendance;
    const known = this.#guests.get(peer);
    if (known !== undefined) return known;
    const limit = presenceLimits.guests;
    if (this.#guests.size === limit) return refuse('limit_exceeded', { dimension: 'peers', limit });
    const seated = this.#seat(peer);
    if (!isRefusal(seated)) this.#guests.set(peer, seated);
    return seated;
  }

  #untrack(peer: string | null): void {
    if (peer === null || peer === this.#own) {
      this.#attendance?.untrack();
      return;
    }
    this.#guests.get(peer)?.end('leave');
    this.#guests.delete(peer);
  }

  /** The seat of another tab: what it would hear the channel hears already. */
  get #muted(): Seat {
    return {
      welcome: () => undefined,
      diff: () => undefined,
      tracked: (slot, ref) => this.tracked(slot, ref),
      refused: (slot, refusal) => this.refused(slot, refusal),
    };
  }

  welcome(): void {
    this.#isWelcome = true;
    if (this.#state === 'live') this.#fallBehind();
  }

  /** Who reads too slowly gets the list again instead (stores.md §10.8.5). */
  diff(diff: PresenceDiff): void {
    if (this.#state !== 'live') return;
    if (this.#port.outbox.takesMore()) {
      this.#send('presence_diff', diff);
      return;
    }
    this.#fallBehind();
  }

  tracked(slot: number, ref: string): void {
    this.#answer(slot, { phx_ref: ref });
  }

  refused(slot: number, refusal: Refusal): void {
    const { channel } = this.#terms;
    this.#port.answer({ channel, slot }, 'error', refusal.toResponse());
  }

  /** `lost`: with its socket, so that it may come back. */
  close(how: 'leave' | 'lost'): void {
    this.#state = 'closed';
    this.#attendance?.end(how);
    this.#attendance = null;
    for (const guest of this.#guests.values()) guest.end(how);
    this.#guests.clear();
  }

  /** It is sent who is there when its turn has come, as that is by then: what all others are told meanwhile is in it. */
  #fallBehind(): void {
    this.#state = 'behind';
    nextTurn(this.#room, this.#port.outbox)
      .then(() => this.#catchUp())
      .catch((error: unknown) => this.#port.fail('presence failed', error));
  }

  #catchUp(): void {
    if (this.#state !== 'behind' || this.#attendance === null) return;
    this.#state = 'live';
    this.#send('presence_state', this.#attendance.list());
  }

  #send(event: string, payload: object): void {
    const { topic, codec } = this.#terms;
    const audience = `${formatOf(codec)} ${event} ${topic}`;
    const known = frames.get(payload) ?? new Map<string, Buffer>();
    frames.set(payload, known);
    const frame = known.get(audience) ?? message(codec, [null, null, topic, event, payload]);
    known.set(audience, frame);
    this.#port.outbox.send(frame);
  }

  #answer(slot: number, response: object): void {
    const { channel } = this.#terms;
    this.#port.answer({ channel, slot }, 'ok', response);
  }
}
