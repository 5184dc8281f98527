import type { ListenerEffect, ListenerInput } from '@holdfast/engine/session';
import { type Frame, isRefusal, type Refusal } from '@holdfast/protocol';
import type { Wish } from '../wish.ts';
import type { Guest, GuestSeat } from './guest.ts';
import type { Message } from './snapshot.ts';

type JoinAsGuest = (
  client: object,
  topic: string,
  joining: { readonly guest: Guest; readonly payload: unknown },
) => GuestSeat | Refusal;

type Step = Extract<ListenerInput, { readonly type: 'accept' | 'refuse' | 'shut' | 'answer' }>;
type Join = Extract<ListenerEffect, { readonly type: 'join' }>;
type Push = Extract<ListenerEffect, { readonly type: 'push' }>;

/** How the line of another tab is spoken to. */
type Line = {
  /** Names the tab. */
  readonly peer: string;
  step(input: Wish<Step, 'now'>): void;
  send(frame: Frame): void;
  /** Sends what many may get. */
  push(topic: string, message: Message): void;
  cannotServe(): void;
  report(error: unknown): void;
};

/** Whether a topic is one that others are spoken for on. */
export function isOfGuest(topic: string): boolean {
  return topic.startsWith('presence:') || isOfView(topic);
}

/** The topics that another tab has joined over one line, and that are not of stores. */
export class Guests {
  readonly #client: object;
  readonly #line: Line;
  /** Null while the part of the program is loaded that seats them. */
  readonly #seats = new Map<number, GuestSeat | null>();

  constructor({ client }: { readonly client: object }, line: Line) {
    this.#client = client;
    this.#line = line;
  }

  join(join: Join): void {
    this.#seats.set(join.channel, null);
    this.#seat(join).catch((error: unknown) => {
      this.#line.report(error);
      this.#line.cannotServe();
    });
  }

  /** Says whether it is on one of these topics. */
  push({ channel, slot, event, payload }: Omit<Push, 'type'>): boolean {
    const seat = this.#seats.get(channel);
    seat?.push(event, payload, (status, response, version) => {
      const of = { channel, slot, status, response, ...(version !== undefined && { version }) };
      this.#line.step({ type: 'answer', ...of });
    });
    return seat !== undefined;
  }

  left(id: number, leave: unknown): void {
    this.#seats.get(id)?.end('leave', leave);
    this.#seats.delete(id);
  }

  /** The line has ended. */
  close(how: 'lost' | 'gone'): void {
    const seats = [...this.#seats.values()];
    this.#seats.clear();
    for (const seat of seats) seat?.end(how);
  }

  async #seat(join: Join): Promise<void> {
    const { channel, topic, payload } = join;
    const joinAsGuest: JoinAsGuest = isOfView(topic)
      ? (await import('../views/share.ts')).joinAsGuest
      : (await import('../presence/share.ts')).joinAsGuest;
    const peer = await peerOf(this.#line.peer);
    // It may have left meanwhile.
    if (!this.#seats.has(channel)) return;
    const guest = this.#guest(join, peer);
    const seat = joinAsGuest(this.#client, topic, { guest, payload });
    if (isRefusal(seat)) guest.refuse(seat.toResponse());
    else if (this.#seats.has(channel)) this.#seats.set(channel, seat);
  }

  #guest({ channel, topic, joinRef }: Join, peer: string): Guest {
    const line = this.#line;
    return {
      peer,
      accept: (response) => line.step({ type: 'accept', channel, response }),
      refuse: (response) => {
        this.#seats.delete(channel);
        line.step({ type: 'refuse', channel, response });
      },
      push: ({ event, payload }) => {
        // A root's frames are of one life of its channel (views.md §2).
        if (isOfView(topic)) line.send({ joinRef, ref: null, topic, event, payload });
        else line.push(topic, { event, payload });
      },
      shut: () => {
        this.#seats.delete(channel);
        line.step({ type: 'shut', channel, ...(isOfView(topic) && { failed: true }) });
      },
      decline: () => line.cannotServe(),
    };
  }
}

/** Of a root of a view, or of a file on its way to one. */
function isOfView(topic: string): boolean {
  return topic.startsWith('musubi');
}

/** A name of a tab that fits into a topic, the same whoever leads: an application may draw any. */
async function peerOf(session: string): Promise<string> {
  if (/^[\w-]{1,64}$/.test(session)) return session;
  const { digestOfJson } = await import('../ssr/digest.ts');
  return digestOfJson(session);
}
