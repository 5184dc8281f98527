import { HoldfastError, type OpId } from '@holdfast/protocol';
import type { Room } from '../room.ts';
import { Slot } from '../slot.ts';
import { isPromising } from '../uplink.ts';
import type { Situation } from '../waiters.ts';
import type { ClientOutbox } from './types.ts';

/** The unanswered writes of a client, of all its stores (records.md §10). */
export class AllWrites implements ClientOutbox {
  readonly #room: Room;
  /** Those that are on their way to the cache. */
  readonly #storing = new Set<Promise<void>>();

  constructor(room: Room) {
    this.#room = room;
  }

  /** A write is to be durable. */
  made(durable: Promise<void>): void {
    const stored = durable.then(
      () => void this.#storing.delete(stored),
      // Its maker hears of it.
      () => void this.#storing.delete(stored),
    );
    this.#storing.add(stored);
  }

  list(store?: string): ReturnType<ClientOutbox['list']> {
    const slots = this.#slots().filter(({ name }) => store === undefined || name === store);
    return slots.flatMap(({ name, outbox }) =>
      outbox.map((write) => Object.assign({ store: name }, write)),
    );
  }

  discard(opId: OpId): boolean {
    for (const { slot } of this.#slots()) {
      const open = slot.opened;
      if (open === null || open.stateOf(opId) === null) continue;
      open.cancel(opId);
      return open.stateOf(opId) === null;
    }
    return false;
  }

  /** Resolves when all of them are durable and, where there is a connection, decided. */
  async flush(timeoutMs: number | undefined): Promise<void> {
    const { env } = this.#room.settings;
    const done = this.#flushed();
    if (timeoutMs === undefined) return done;
    let timer: unknown = null;
    const late = new Promise<void>((_, reject) => {
      const error = new HoldfastError('timeout', { timeout_ms: timeoutMs });
      timer = env.setTimeout(() => reject(error), timeoutMs);
    });
    try {
      await Promise.race([done, late]);
    } finally {
      env.clearTimeout(timer);
    }
  }

  async #flushed(): Promise<void> {
    await Promise.all(this.#storing);
    await Promise.all(this.#slots().flatMap(({ slot }) => slot.opened?.until(isDecided) ?? []));
  }

  #slots(): readonly {
    readonly name: string;
    readonly slot: Slot;
    readonly outbox: ReturnType<Slot['outbox']>;
  }[] {
    return [...this.#room.slots.values()].flatMap((slot) =>
      slot instanceof Slot ? [{ name: slot.name, slot, outbox: slot.outbox() }] : [],
    );
  }
}

/** Nothing waits for an answer, or no answer is to be expected. */
function isDecided({ isSettled, line }: Situation): boolean {
  return isSettled || !isPromising(line);
}
