import { type Glob, HoldfastError } from '@holdfast/protocol';
import { type Release, releaseOnce } from '@holdfast/engine/registry';
import type { Slot } from '../slot.ts';

/** A record that wants a place. */
export interface Placeless {
  /** There is one now. */
  retry(): void;
  /** There is none, and will be none until another record is let go of. */
  full(error: HoldfastError): void;
}

/** By then those that nobody holds any more have been closed. */
const settledMs = 10;

/** The places of the records of a store that are open for their own sake, so many (records.md §19). */
export class Places {
  readonly #slot: Slot;
  readonly #max: number;
  readonly #waiting = new Set<Placeless>();
  #taken = 0;

  constructor(slot: Slot, max: number) {
    this.#slot = slot;
    this.#max = max;
  }

  /** Has patterns wanted; null: whoever asks for it hears when there is a place. */
  take(globs: readonly Glob[], who: Placeless): Release | null {
    const slot = this.#slot;
    // Of a store that is here as a whole, one more takes nothing.
    if (slot.wanted.some((glob) => glob === '**')) return slot.want(globs);
    if (this.#taken < this.#max) return this.#take(slot.want(globs));
    if (this.#waiting.has(who)) return null;
    this.#waiting.add(who);
    slot.room.settings.env.setTimeout(() => {
      if (!this.#waiting.has(who)) return;
      who.full(new HoldfastError('limit_exceeded', { dimension: 'records', limit: this.#max }));
    }, settledMs);
    return null;
  }

  leave(who: Placeless): void {
    this.#waiting.delete(who);
  }

  #take(release: Release): Release {
    this.#taken += 1;
    return releaseOnce(() => {
      release();
      this.#taken -= 1;
      queueMicrotask(() => this.#offer());
    });
  }

  /** To one after the other: not everybody who has waited needs a place any more. */
  #offer(): void {
    for (const next of this.#waiting) {
      if (this.#taken >= this.#max) return;
      this.#waiting.delete(next);
      next.retry();
    }
  }
}
