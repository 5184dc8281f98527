import type { Room } from './room.ts';

type Way = 'up' | 'down';

/** What one end of a wire is told. */
export type End = { received(data: string | Uint8Array): void; closed(): void };

/**
 * A connection between a device and a host, as TCP is one: each way keeps its order, whatever the delays; what is on its
 * way when it breaks is lost; an end may hear late that it broke, or never.
 */
export class Wire {
  readonly #room: Room;
  readonly #ends: { up: End | null; down: End | null } = { up: null, down: null };
  readonly #busyUntil = { up: 0, down: 0 };
  readonly #onTheWay = { up: 0, down: 0 };
  #state: 'open' | 'mute' | 'over' = 'open';
  /** Milliseconds that each message takes at least on its way down. */
  slowness = 0;

  constructor(room: Room) {
    this.#room = room;
  }

  /** Names who listens where: `up` is the host, `down` the device. */
  attach(way: Way, end: End): void {
    this.#ends[way] = end;
  }

  /** Messages sent and not yet arrived. */
  unsent(way: Way): number {
    return this.#onTheWay[way];
  }

  send(way: Way, data: string | Uint8Array): void {
    if (this.#state !== 'open') return;
    const { agenda } = this.#room;
    const pace = way === 'down' ? this.slowness : 0;
    const arrival = Math.max(this.#busyUntil[way] + pace, agenda.now + this.#room.delay(40));
    this.#busyUntil[way] = arrival;
    this.#onTheWay[way] += 1;
    agenda.at(arrival, () => {
      this.#onTheWay[way] -= 1;
      if (this.#state === 'open') this.#ends[way]?.received(data);
    });
  }

  /** Nothing passes any more, and nobody is told. */
  mute(): void {
    if (this.#state === 'open') this.#state = 'mute';
  }

  /** It breaks, and both ends hear of it some time. */
  cut(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    for (const end of [this.#ends.up, this.#ends.down]) {
      this.#room.agenda.later(this.#room.delay(200), () => end?.closed());
    }
  }
}
