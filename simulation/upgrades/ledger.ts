import type { Receipt } from '@holdfast/client';
import type { OpId } from '@holdfast/protocol';

/** A write that somebody made, over all lives of the application. */
export type Made = {
  readonly opId: OpId;
  /** The state of the store that it was made on; null: none was known. */
  readonly incarnation: string | null;
  /** It rests on a revision. */
  readonly isGuarded: boolean;
  /** Of the life that made it, or has asked again. */
  receipt: Receipt | null;
  /** It has been in the cache, and so has to be there until it is decided. */
  isDurable: boolean;
  /** The application was told that it is refused, or has given it up. */
  isOver: boolean;
  /** Its process ended, or lost its cache, before anybody else knew of it. */
  isLost: boolean;
  /** Somebody has asked for it again as it was. */
  isRetried: boolean;
  /** What a server was asked for by it. */
  said: string | null;
};

/** All writes of one installation. */
export class Ledger {
  readonly #made = new Map<OpId, Made>();

  all(): Iterable<Made> {
    return this.#made.values();
  }

  of(opId: OpId): Made | undefined {
    return this.#made.get(opId);
  }

  made(
    receipt: Receipt,
    of: Pick<Made, 'incarnation' | 'isGuarded'> & { readonly isAwaited: boolean },
  ): void {
    const { opId } = receipt;
    const { isAwaited, ...rest } = of;
    const fresh = { isDurable: false, isOver: false, isLost: false, isRetried: false, said: null };
    const made: Made = { opId, receipt, ...rest, ...fresh };
    this.#made.set(opId, made);
    const stored = (): void => {
      made.isDurable = true;
    };
    const refused = (): void => {
      made.isOver = true;
    };
    receipt.durable.then(stored, () => undefined);
    if (isAwaited) receipt.committed.catch(refused);
  }

  /** A dead letter is a write again. */
  retried(receipt: Receipt): void {
    const made = this.#made.get(receipt.opId);
    if (made === undefined) return;
    Object.assign(made, { receipt, isOver: false, isRetried: true, said: null });
  }

  /** The process ends: what has not come to the cache may be lost. */
  crashed(): void {
    for (const made of this.#made.values()) {
      const isCommitted = made.receipt?.outcome?.status === 'committed';
      if (made.receipt !== null && !made.isDurable && !isCommitted) made.isLost = true;
      made.receipt = null;
    }
  }

  /** Nothing is left of what was not decided. */
  forget(): void {
    for (const made of this.#made.values()) made.isLost = true;
  }
}
