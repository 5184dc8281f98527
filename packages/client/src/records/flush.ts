import { HoldfastError, type OpId } from '@holdfast/protocol';
import { deferred } from '@holdfast/engine/registry';
import type { Room } from '../room.ts';
import { Slot } from '../slot.ts';
import { isPromising } from '../connection.ts';
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
    const end = (): void => void this.#storing.delete(stored);
    // Its maker hears of it where it cannot be.
    const stored = durable.then(end, end);
    this.#storing.add(stored);
  }

  list(store?: string): ReturnType<ClientOutbox['list']> {
    const slots = this.#slots().filter(({ name }) => store === undefined || name === store);
    return slots.flatMap((slot) =>
      slot.outbox().map((write) => Object.assign({ store: slot.name }, write)),
    );
  }

  discard(opId: OpId): boolean {
    return this.#slots().some(({ opened }) => opened?.cancel(opId) === true);
  }

  /** Resolves when all of them are durable and, where there is a connection, decided. */
  async flush(timeoutMs: number | undefined): Promise<void> {
    const { env } = this.#room.settings;
    const done = this.#flushed();
    if (timeoutMs === undefined) return done;
    const late = deferred<never>();
    const error = new HoldfastError('timeout', { timeout_ms: timeoutMs });
    const timer = env.setTimeout(() => late.reject(error), timeoutMs);
    try {
      await Promise.race([done, late.promise]);
    } finally {
      env.clearTimeout(timer);
    }
  }

  async #flushed(): Promise<void> {
    await Promise.all(this.#storing);
    await Promise.all(this.#slots().flatMap(({ opened }) => opened?.until(isDecided) ?? []));
  }

  #slots(): readonly Slot[] {
    return [...this.#room.slots.values()].filter((slot) => slot instanceof Slot);
  }
}

/** Nothing waits for an answer, or no answer is to be expected. */
function isDecided({ isSettled, line }: Situation): boolean {
  return isSettled || !isPromising(line);
}
