import type { OpId } from '@holdfast/protocol';
import type { Release } from '@holdfast/engine/registry';
import type { OpenStore } from './open-store.ts';
import type { Slot } from './slot.ts';
import type { OutboxEntry } from './status.ts';

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

  /** Calls back after the list has changed. */
  subscribe(listener: () => void): Release {
    this.#open();
    return this.#slot.outboxChanges.subscribe(listener);
  }

  /** Sends a waiting write now instead of later. */
  retry(opId: OpId): void {
    this.#open().retry(opId);
  }

  /** Takes a write back that is certain not to be committed: never sent, or last refused. Says whether it did. */
  discard(opId: OpId): boolean {
    const open = this.#open();
    const isThere = open.stateOf(opId) !== null;
    open.cancel(opId);
    return isThere && open.stateOf(opId) === null;
  }

  /** The list as plain JSON, for a report or to be kept by hand. */
  export(): string {
    return JSON.stringify(this.list());
  }
}
