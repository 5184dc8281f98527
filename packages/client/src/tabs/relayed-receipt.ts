import type { OpId, Request } from '@holdfast/protocol';
import type { Outcome } from '@holdfast/engine/replica';
import { type ReceiptDesk, WriteReceipt } from '../receipt.ts';

/** A receipt of a request of another tab, which is told the outcome, refusals too. */
export class RelayedReceipt extends WriteReceipt {
  override readonly isOthers = true;
  readonly #told: (outcome: Outcome) => void;
  #replaced: WriteReceipt | undefined;

  constructor(
    of: { readonly opId: OpId; readonly request: Request },
    to: { readonly store: ReceiptDesk; readonly told: (outcome: Outcome) => void },
  ) {
    super(of, to.store);
    this.#told = to.told;
  }

  /** Where the same request is ours as well, its receipt is told through this one. */
  replace(receipt: WriteReceipt | undefined): void {
    this.#replaced = receipt;
  }

  override get isAwaited(): boolean {
    return this.#replaced?.isAwaited ?? !this.isListed;
  }

  override stored(isStored: boolean): void {
    super.stored(isStored);
    this.#replaced?.stored(isStored);
  }

  override settle(outcome: Outcome): void {
    super.settle(outcome);
    this.#replaced?.settle(outcome);
    this.#told(outcome);
  }
}
