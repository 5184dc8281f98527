import type { OpId, Request } from '@holdfast/protocol';
import { type Release, releaseOnce } from '@holdfast/engine/registry';
import type { DeadLetter, DeadLetters } from './cache/port.ts';
import { call } from './cell.ts';
import type { OpenStore } from './open-store.ts';
import { type Receipt, WriteReceipt } from './receipt.ts';
import type { Slot } from './slot.ts';
import type { OutboxEntry } from './status.ts';

const none: readonly DeadLetter[] = Object.freeze([]);

/** The own writes of a store that are not decided yet, in the order in which they are sent (stores.md §18 C2–C7). */
export class Outbox {
  readonly #slot: Slot;
  readonly #open: () => OpenStore;

  /** `open` throws where the handle is closed. */
  constructor(slot: Slot, open: () => OpenStore) {
    this.#slot = slot;
    this.#open = open;
  }

  /** The same list until something changes. */
  list(): readonly OutboxEntry[] {
    return this.#slot.outbox();
  }

  /**
   * Writes that were accepted here and refused for good, or whose outcome cannot be known, while nobody waited for their
   * receipt: kept in the cache until they are retried or discarded. The same list until something changes.
   */
  deadLetters(): readonly DeadLetter[] {
    return this.#letters?.list(this.#slot.name) ?? none;
  }

  /** Calls back after one of the lists has changed. */
  subscribe(listener: () => void): Release {
    this.#open();
    const writes = this.#slot.outboxChanges.subscribe(listener);
    const { report } = this.#slot.room.settings;
    // Told amid the work of the store: what a listener throws must not end that.
    const letters = this.#letters?.subscribe(this.#slot.name, () => call(listener, report));
    return releaseOnce(() => {
      writes();
      letters?.();
    });
  }

  /**
   * Sends a waiting write now instead of later; or makes a dead letter a write again, edited if another request is given,
   * under its own id, so that the server tells if it was committed after all. Its receipt; null where there is no letter.
   */
  retry(opId: OpId, edited?: Request): Receipt | null {
    const open = this.#open();
    open.retry(opId);
    const letter = this.#letter(opId);
    const request = edited ?? letter?.request ?? null;
    // A letter stays listed until the cache has stored that it is a write again.
    const isOnItsWay = open.stateOf(opId) !== null;
    if (request === null || isOnItsWay || letter === undefined) return null;
    const receipt = new WriteReceipt({ opId, request }, open);
    open.request(receipt, { wasSent: letter.refusal.code === 'outcome_unknown' });
    return receipt;
  }

  /**
   * Takes a write back that is certain not to be committed: never sent, or last refused; or forgets a dead letter. Says
   * whether it did.
   */
  discard(opId: OpId): boolean {
    const open = this.#open();
    // A letter that is a write again stays listed until the cache has stored that: it is the write that is taken back.
    const isOnItsWay = open.stateOf(opId) !== null;
    if (isOnItsWay && !open.cancel(opId)) return false;
    if (this.#letter(opId) === undefined) return isOnItsWay;
    const { name, room } = this.#slot;
    Promise.resolve(this.#letters?.drop(name, opId)).catch(room.settings.report);
    return true;
  }

  /** Both lists as plain JSON, for a report or to be kept by hand. */
  export(): string {
    return JSON.stringify({ writes: this.list(), deadLetters: this.deadLetters() });
  }

  get #letters(): DeadLetters | undefined {
    return this.#slot.room.settings.cache?.letters;
  }

  #letter(opId: OpId): DeadLetter | undefined {
    return this.deadLetters().find((letter) => letter.opId === opId);
  }
}
