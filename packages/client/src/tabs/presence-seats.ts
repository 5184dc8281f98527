import type { ListenerInput } from '@holdfast/engine/session';
import { isRefusal } from '@holdfast/protocol';
import type { Guest, GuestSeat } from '../presence/share.ts';
import type { Wish } from '../wish.ts';
import type { Answer } from './serving.ts';
import type { Message } from './snapshot.ts';

type Step = Extract<ListenerInput, { readonly type: 'accept' | 'refuse' | 'shut' }>;

/** How the line of another tab is spoken to. */
type Line = {
  step(input: Wish<Step, 'now'>): void;
  send(topic: string, message: Message): void;
  fail(error: unknown): void;
};

/** The presence topics that another tab has joined over one line. */
export class PresenceSeats {
  readonly #client: () => object;
  readonly #line: Line;
  /** Null while the part of the program is loaded that seats them. */
  readonly #seats = new Map<number, GuestSeat | null>();

  constructor({ client }: { readonly client: () => object }, line: Line) {
    this.#client = client;
    this.#line = line;
  }

  join(id: number, at: { readonly topic: string; readonly payload: unknown }): void {
    this.#seats.set(id, null);
    this.#seat(id, at).catch((error: unknown) => this.#line.fail(error));
  }

  push(id: number, { event, payload }: Message, answer: Answer): void {
    this.#seats.get(id)?.push(event, payload, answer);
  }

  left(id: number): void {
    this.#seats.get(id)?.end('leave');
    this.#seats.delete(id);
  }

  /** The line has ended: they may come back over another. */
  close(): void {
    for (const seat of this.#seats.values()) seat?.end('lost');
    this.#seats.clear();
  }

  async #seat(
    channel: number,
    { topic, payload }: { readonly topic: string; readonly payload: unknown },
  ): Promise<void> {
    const { joinAsGuest } = await import('../presence/share.ts');
    // It may have left meanwhile.
    if (!this.#seats.has(channel)) return;
    const line = this.#line;
    const guest: Guest = {
      accept: (response) => line.step({ type: 'accept', channel, response }),
      refuse: (refusal) => {
        this.#seats.delete(channel);
        line.step({ type: 'refuse', channel, response: refusal.toResponse() });
      },
      push: (message) => line.send(topic, { event: message.event, payload: message.payload }),
      shut: () => {
        this.#seats.delete(channel);
        line.step({ type: 'shut', channel });
      },
    };
    const seat = joinAsGuest(this.#client(), topic, { guest, payload });
    if (isRefusal(seat)) guest.refuse(seat);
    else if (this.#seats.has(channel)) this.#seats.set(channel, seat);
  }
}
