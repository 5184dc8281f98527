import { isObject, isRefusal, type JsonObject, type Refusal } from '@holdfast/protocol';
import {
  type PresenceJoinReply,
  presenceLimits,
  type PresenceList,
  type PresenceMeta,
  readPresenceJoin,
  readPresenceJoinReply,
  readPresenceTrack,
} from '@holdfast/protocol/presence';
import { rooms } from '../doors.ts';
import type { Guest, GuestAnswer, GuestSeat } from '../tabs/guest.ts';
import type { News } from '../uplink.ts';
import { aboutStates, channelOf, type PresenceChannel } from './topic.ts';

/** Seats another tab on a presence topic of this one's connection. */
export function joinAsGuest(
  client: object,
  topic: string,
  joining: { readonly guest: Guest; readonly payload: unknown },
): GuestSeat | Refusal {
  const join = readPresenceJoin(joining.payload);
  if (isRefusal(join)) return join;
  const room = rooms.get(client);
  if (room === undefined) throw new TypeError('There is no such client.');
  const channel = channelOf(room, topic);
  const share = shares.get(channel) ?? new TopicShare(channel, topic);
  shares.set(channel, share);
  return share.seat(joining.guest, {
    peer: join.peer ?? room.settings.env.randomId(),
    state: join.state,
  });
}

const shares: WeakMap<PresenceChannel, TopicShare> = new WeakMap();

/** Of a guest: its name on the topic, and what it shows. */
type Shown = { readonly peer: string; state: JsonObject | null; isWelcome: boolean };

/**
 * One presence topic of the tab that leads, on which others are shown through its channel: each hears what it hears, and
 * is a peer of its own (stores.md §10.8).
 */
class TopicShare {
  readonly #channel: PresenceChannel;
  readonly #topic: string;
  readonly #guests = new Map<Guest, Shown>();
  readonly #asked = new Map<string, GuestAnswer>();
  /** Those that may come back, and how to wait no longer. */
  readonly #lingering = new Map<string, () => void>();
  #release: (() => void) | null = null;
  #pushes = 0;

  constructor(channel: PresenceChannel, topic: string) {
    this.#channel = channel;
    this.#topic = topic;
  }

  seat(guest: Guest, { peer, state }: Pick<Shown, 'peer' | 'state'>): GuestSeat {
    const shown = { peer, state, isWelcome: false };
    this.#guests.set(guest, shown);
    const stopLingering = this.#lingering.get(peer);
    stopLingering?.();
    // It has cleared what it showed while it was away.
    if (stopLingering && state === null) this.#say(peer, null, () => undefined);
    if (this.#release === null) this.#begin();
    const { status, key } = this.#channel;
    if (status.get().state === 'joined') this.#welcome(guest, shown, key ?? '');
    return {
      push: (event, payload, answer) => this.#push(shown, { event, payload }, answer),
      end: (how) => this.#end(guest, how),
    };
  }

  #begin(): void {
    this.#release = this.#channel.hold();
    this.#channel.share = (news) => this.#hear(news);
  }

  /** Says whether it was for another tab alone. */
  #hear(news: News): boolean {
    switch (news.type) {
      case 'joined':
        this.#joined(readPresenceJoinReply(news.response));
        break;
      case 'refused':
        // The channel joins again without what it shows itself.
        if (!aboutStates.has(news.refusal.code)) this.#refused(news.refusal);
        break;
      case 'lost':
        // The server waits for them now; and the next line may be another tab's, where this tab speaks for itself alone.
        this.#dismiss((guest) => guest.shut());
        break;
      case 'message':
        for (const [guest, { isWelcome }] of this.#guests) if (isWelcome) guest.push(news);
        break;
      case 'reply':
        return this.#answered(news);
      case 'connection':
        if (this.#channel.room.connection.get().connection === 'closed') this.#close();
    }
    return false;
  }

  #answered({ id, status, response }: Extract<News, { type: 'reply' }>): boolean {
    const answer = this.#asked.get(id);
    answer?.(status, isObject(response) ? response : {});
    return this.#asked.delete(id);
  }

  #joined(reply: PresenceJoinReply | Refusal): void {
    const key = isRefusal(reply) ? '' : reply.key;
    for (const [guest, shown] of this.#guests) this.#welcome(guest, shown, key);
  }

  #refused(refusal: Refusal): void {
    // Whose own connection has a place for it need not know.
    if (refusal.code === 'too many channels joined') this.#dismiss((guest) => guest.decline());
    else this.#dismiss((guest) => guest.refuse(refusal.toResponse()));
  }

  /** All of them go, and are told in some way; whoever comes next asks anew. */
  #dismiss(tell: (guest: Guest) => void): void {
    this.#waitNoLonger();
    const guests = [...this.#guests.keys()];
    this.#guests.clear();
    this.#asked.clear();
    for (const guest of guests) tell(guest);
    this.#rest();
  }

  /** Who brings a state is there once the server has taken it, as by a join of its own. */
  #welcome(guest: Guest, shown: Shown, key: string): void {
    const { peer, state } = shown;
    const accept = (): void => {
      shown.isWelcome = true;
      guest.accept({ key, peer });
      guest.push({ event: 'presence_state', payload: listOf(this.#channel) });
    };
    if (state === null) accept();
    else {
      this.#say(peer, state, (status, response) => {
        if (this.#guests.get(guest) !== shown) return;
        if (status === 'ok') accept();
        else this.#decline(guest, response);
      });
    }
  }

  #decline(guest: Guest, response: object): void {
    this.#guests.delete(guest);
    guest.refuse(response);
    this.#rest();
  }

  #push(
    shown: Shown,
    { event, payload }: { readonly event: string; readonly payload: unknown },
    answer: GuestAnswer,
  ): void {
    const state = event === 'presence_track' ? readPresenceTrack(payload) : null;
    if (isRefusal(state)) {
      answer('error', state.toResponse());
      return;
    }
    shown.state = state;
    this.#say(shown.peer, state, answer);
  }

  /** Tells the server what another tab shows; null: nothing any more. */
  #say(peer: string, state: JsonObject | null, answer: GuestAnswer): void {
    this.#pushes += 1;
    const id = `guest ${this.#pushes}`;
    this.#asked.set(id, answer);
    const push =
      state === null
        ? { id, event: 'presence_untrack', payload: { peer } }
        : { id, event: 'presence_track', payload: { peer, state } };
    this.#channel.room.uplink.push(this.#topic, push);
  }

  #end(guest: Guest, how: 'leave' | 'lost' | 'gone'): void {
    const shown = this.#guests.get(guest);
    if (shown === undefined) return;
    const { peer, state } = shown;
    this.#guests.delete(guest);
    if (how !== 'leave' && state !== null) this.#linger(peer);
    else this.#gone(peer, state !== null);
  }

  /** As after a lost socket: for a while it may come back, as which nobody has noticed that it was gone. */
  #linger(peer: string): void {
    const { env } = this.#channel.room.settings;
    const stop = (): void => {
      env.clearTimeout(timer);
      this.#lingering.delete(peer);
    };
    const timer = env.setTimeout(() => {
      stop();
      this.#gone(peer, true);
    }, presenceLimits.grace_ms);
    this.#lingering.get(peer)?.();
    this.#lingering.set(peer, stop);
  }

  #gone(peer: string, hasShown: boolean): void {
    const isBack = [...this.#guests.values()].some((each) => each.peer === peer);
    if (hasShown && !isBack) this.#say(peer, null, () => undefined);
    this.#rest();
  }

  #rest(): void {
    if (this.#guests.size > 0 || this.#lingering.size > 0) return;
    this.#channel.share = undefined;
    this.#release?.();
    this.#release = null;
  }

  #waitNoLonger(): void {
    for (const stop of this.#lingering.values()) stop();
  }

  #close(): void {
    this.#waitNoLonger();
    this.#guests.clear();
    this.#rest();
  }
}

/** Who is there, as the server would list it. */
function listOf({ metas }: PresenceChannel): PresenceList {
  const list = new Map<string, { readonly metas: PresenceMeta[] }>();
  for (const { key, ...meta } of metas) {
    const known = list.get(key) ?? { metas: [] };
    known.metas.push(meta);
    list.set(key, known);
  }
  return Object.fromEntries(list);
}
