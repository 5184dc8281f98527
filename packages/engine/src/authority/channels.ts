import type { Submission } from './types.ts';
import type { Channel } from './work.ts';

/** The channels that have requests open, or a block to remember. */
export class Channels {
  readonly #known = new Map<number, Channel>();

  get blocked(): number {
    let count = 0;
    for (const { block, barred } of this.#known.values()) if (block ?? barred) count++;
    return count;
  }

  of({ channel: id }: Submission): Channel {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const channel: Channel = {
      id,
      block: null,
      barred: null,
      crowded: null,
      client: null,
      open: 0,
      parked: [],
    };
    this.#known.set(id, channel);
    return channel;
  }

  /** Forgets a channel that has nothing open and cannot be blocked. */
  rest(channel: Channel, { blocks }: Submission): void {
    if (channel.open === 0 && !blocks) this.#known.delete(channel.id);
  }

  /** Forgets a channel; its open requests keep what they know of it, its block too. */
  left(id: number): void {
    this.#known.delete(id);
  }
}
