import type { OpId } from '@holdfast/protocol';
import type { Release } from '@holdfast/engine/registry';
import type { OutboxEntry, Slot } from './slot.ts';

/** The own writes of a store that are not decided yet, in the order in which they are sent (stores.md §18 C2–C7). */
export class Outbox {
  readonly #slot: Slot;
  readonly #assertOpen: () => void;

  constructor(slot: Slot, assertOpen: () => void) {
    this.#slot = slot;
    this.#assertOpen = assertOpen;
  }

  /** The same list until something changes. */
  list(): readonly OutboxEntry[] {
    return this.#slot.outbox();
  }

  /** Calls back after the list has changed. */
  subscribe(listener: () => void): Release {
    this.#assertOpen();
    return this.#slot.outboxChanges.subscribe(listener);
  }

  /** Sends a waiting write now instead of later. */
  retry(opId: OpId): void {
    this.#assertOpen();
    this.#slot.open?.retry(opId);
  }

  /** Takes a write back that is certain not to be committed: never sent, or last refused. Says whether it did. */
  discard(opId: OpId): boolean {
    this.#assertOpen();
    const isThere = (): boolean => this.list().some((entry) => entry.opId === opId);
    if (!isThere()) return false;
    this.#slot.open?.cancel(opId);
    return !isThere();
  }

  /** The list as plain JSON, for a report or to be kept by hand. */
  export(): string {
    return JSON.stringify(this.list());
  }
}
