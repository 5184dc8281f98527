import { isObject, refuse, type Refusal } from '@holdfast/protocol';
import { isKeptLeave, peerViewTopic, rootOfTopic } from '@holdfast/protocol/views';
import { rooms } from '../doors.ts';
import type { Room } from '../room.ts';
import type { Guest, GuestAnswer, GuestSeat } from '../tabs/guest.ts';
import type { News, Speaker, Uplink } from '../uplink.ts';
import { encodeChunks } from './chunks.ts';

/** The connection has as many roots as it may. */
const overCapacity = 'over_capacity';

/** Refusals that are of the connection, not of what is asked for. */
const full: ReadonlySet<string> = new Set([
  // Nor does every server know of peers.
  'unmatched topic',
  overCapacity,
  'too many channels joined',
]);

/** The roots, and files, of other tabs on one connection, by their topics there. */
const shares: WeakMap<Uplink, Map<string, GuestRoot>> = new WeakMap();

/**
 * Mounts a root for another tab on this one's connection, or takes a file to one, as what it is to the server: a
 * conversation of that tab's own, on a topic that names it. So it has state, events and uploads for itself, and whoever
 * leads next goes on with it by its own token (views.md §4.5).
 */
export function joinAsGuest(
  client: object,
  topic: string,
  { guest, payload }: { readonly guest: Guest; readonly payload: unknown },
): GuestSeat | Refusal {
  const room = rooms.get(client);
  if (room === undefined) throw new TypeError('There is no such client.');
  const { uplink } = room;
  const share = shares.get(uplink) ?? new Map<string, GuestRoot>();
  shares.set(uplink, share);
  room.makeRoom = ({ code }) => code === overCapacity && makeRoom(share);
  const rootId = rootOfTopic(topic);
  const isRoot = rootId !== null;
  const own = isRoot ? peerViewTopic(guest.peer, rootId) : topic;
  // Over a line that is lost, but not yet known to be.
  share.get(own)?.end('lost');
  if (!isObject(payload)) return refuse('invalid_payload', { field: 'payload' });
  const said = isRoot ? { ...payload, peer: guest.peer } : payload;
  const root = new GuestRoot(room, { topic: own, payload: said, guest }, () => share.delete(own));
  share.set(own, root);
  uplink.join(own, root);
  return root;
}

/** Roots of the tab that leads come first: the tab that joined last has a connection of its own from now on. */
function makeRoom(share: ReadonlyMap<string, GuestRoot>): boolean {
  const last = [...share.values()].at(-1);
  // A step of the dialer goes on.
  queueMicrotask(() => last?.decline());
  return last !== undefined;
}

type Seated = { readonly topic: string; readonly payload: object; readonly guest: Guest };

/** One join of another tab: what goes wrong with it the other tab hears, and joins again as it sees fit. */
class GuestRoot implements Speaker, GuestSeat {
  readonly #uplink: Uplink;
  readonly #seated: Seated;
  readonly #ended: () => void;
  readonly #asked = new Map<string, GuestAnswer>();
  #pushes = 0;
  #isOver = false;

  constructor({ uplink }: Room, seated: Seated, ended: () => void) {
    this.#uplink = uplink;
    this.#seated = seated;
    this.#ended = ended;
  }

  joinPayload(): object {
    return this.#seated.payload;
  }

  isFinal(): boolean {
    return true;
  }

  hear(news: News): void {
    if (this.#isOver) return;
    const { guest } = this.#seated;
    switch (news.type) {
      case 'joined':
        guest.accept(isObject(news.response) ? news.response : {});
        break;
      case 'refused':
        this.#leave();
        if (full.has(news.refusal.code)) guest.decline();
        else guest.refuse(news.refusal.toResponse());
        break;
      case 'lost':
        this.#leave();
        guest.shut();
        break;
      case 'message':
        guest.push(news);
        break;
      case 'reply':
        this.#answered(news);
        break;
      case 'connection':
        break;
    }
  }

  /** The connection is full. */
  decline(): void {
    this.#seated.guest.decline();
  }

  push(event: string, payload: unknown, answer: GuestAnswer): void {
    this.#pushes += 1;
    const id = String(this.#pushes);
    this.#asked.set(id, answer);
    if (payload instanceof Uint8Array) encodeChunks(this.#uplink);
    const said = isObject(payload) || payload instanceof Uint8Array ? payload : {};
    this.#uplink.push(this.#seated.topic, { id, event, payload: said, patient: true });
  }

  end(how: 'leave' | 'lost' | 'gone', leave?: unknown): void {
    // Who may come back finds it where it was, for a while.
    if (!this.#isOver) this.#leave(how === 'lost' || isKeptLeave(leave));
  }

  #leave(isKept = false): void {
    this.#isOver = true;
    this.#ended();
    this.#uplink.leave(this.#seated.topic, isKept ? { keep: true } : undefined);
  }

  #answered({ id, status, response, version }: Extract<News, { readonly type: 'reply' }>): void {
    const answer = this.#asked.get(id);
    this.#asked.delete(id);
    const of = typeof version === 'number' ? version : undefined;
    answer?.(status, isObject(response) ? response : {}, of);
  }
}
