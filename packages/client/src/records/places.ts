import { type Glob, HoldfastError } from '@holdfast/protocol';
import { type Release, releaseOnce } from '@holdfast/engine/registry';
import type { ClientEnv } from '../env.ts';
import type { Slot } from '../slot.ts';

/** A record that wants a place. */
export interface Placeless {
  /** There is one now. */
  retry(): void;
  /** There is none, and will be none until another record is let go of. */
  full(error: HoldfastError): void;
}

type Room = { taken: number; readonly waiting: Set<Placeless> };

/** By then those that nobody holds any more have been closed. */
const settledMs = 10;

/** The places of records that are open for their own sake, so many in each store (records.md §19). */
export class Places {
  readonly #env: ClientEnv;
  readonly #max: number;
  readonly #rooms = new Map<Slot, Room>();

  constructor(env: ClientEnv, max: number) {
    this.#env = env;
    this.#max = max;
  }

  /** Has patterns of a store wanted; null: whoever asks for it hears when there is a place. */
  take(slot: Slot, globs: readonly Glob[], who: Placeless): Release | null {
    const room = this.#rooms.get(slot) ?? { taken: 0, waiting: new Set() };
    this.#rooms.set(slot, room);
    // Of a store that is here as a whole, one more takes nothing.
    const isWhole = slot.wanted.some((glob) => glob === '**');
    if (isWhole || room.taken < this.#max) return this.#taken(room, slot.want(globs), isWhole);
    if (room.waiting.has(who)) return null;
    room.waiting.add(who);
    this.#env.setTimeout(() => {
      if (!room.waiting.has(who)) return;
      who.full(new HoldfastError('limit_exceeded', { dimension: 'records', limit: this.#max }));
    }, settledMs);
    return null;
  }

  leave(slot: Slot, who: Placeless): void {
    this.#rooms.get(slot)?.waiting.delete(who);
  }

  #taken(room: Room, release: Release, isFree: boolean): Release {
    if (isFree) return release;
    room.taken += 1;
    return releaseOnce(() => {
      release();
      room.taken -= 1;
      queueMicrotask(() => this.#offer(room));
    });
  }

  /** To one after the other: not everybody who has waited needs a place any more. */
  #offer(room: Room): void {
    for (const next of room.waiting) {
      if (room.taken >= this.#max) return;
      room.waiting.delete(next);
      next.retry();
    }
  }
}
