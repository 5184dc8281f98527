import type { OpId, Path, Rollback } from '@holdfast/protocol';
import type { Outbox } from './outbox.ts';

/** A write without an answer: where the answer goes, and the path if the peer clears its write at an event. */
export type Pushed = {
  readonly slot: number;
  readonly opId: OpId;
  readonly path: Path | null;
  /** An administrative act, to be noted once it is committed. */
  readonly rollback?: Rollback;
};

/** The writes of one channel without an answer, by their tickets; its socket knows how many answers it is owed. */
export class Unanswered {
  readonly #outbox: Outbox;
  readonly #byTicket = new Map<number, Pushed>();
  #closed = false;

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  /** The ticket of the first of them; Infinity: there is none. */
  get first(): number {
    const [first = Infinity] = this.#byTicket.keys();
    return first;
  }

  add(ticket: number, pushed: Pushed): void {
    this.#byTicket.set(ticket, pushed);
    this.#outbox.owe(1);
  }

  /** Its answer has come. */
  take(ticket: number): Pushed | undefined {
    const pushed = this.#byTicket.get(ticket);
    if (this.#byTicket.delete(ticket) && !this.#closed) this.#outbox.owe(-1);
    return pushed;
  }

  /** The answers go nowhere any more; what they are to is still known. */
  close(): void {
    this.#closed = true;
    this.#outbox.owe(-this.#byTicket.size);
  }
}
