import type { OpId } from '@holdfast/protocol';
import type { Envelope } from '@holdfast/protocol/record';
import type { Outcome } from '@holdfast/engine/replica';
import { type ReceiptDesk, WriteReceipt } from '../receipt.ts';
import type { RecordReceipt } from './types.ts';

/** A write whose owner hears how it ended. */
export class HeardReceipt extends WriteReceipt {
  readonly #heard: (outcome: Outcome) => void;

  constructor(
    of: ConstructorParameters<typeof WriteReceipt>[0],
    desk: ReceiptDesk,
    heard: (outcome: Outcome) => void,
  ) {
    super(of, desk);
    this.#heard = heard;
  }

  override settle(outcome: Outcome): void {
    const isFirst = this.outcome === null;
    super.settle(outcome);
    if (isFirst) this.#heard(outcome);
  }
}

/** What a receipt asks of the record that its write is of. */
export type Written = {
  /** What the server has now. */
  readonly envelope: (opId: OpId) => Envelope;
  /** The error of a refusal, which may be a conflict. */
  readonly errorOf: (error: unknown) => unknown;
};

/** The receipt of a write of a record, over that of the store. */
export class StoreRecordReceipt<R> implements RecordReceipt<R> {
  readonly #write: WriteReceipt;
  readonly #written: Written;
  #committed: Promise<never> | null = null;

  constructor(write: WriteReceipt, written: Written) {
    this.#write = write;
    this.#written = written;
  }

  get opId(): OpId {
    return this.#write.opId;
  }

  get state(): RecordReceipt<R>['state'] {
    const { state, outcome } = this.#write;
    if (outcome?.status === 'refused') {
      return outcome.reason === 'cancelled' ? 'cancelled' : 'rejected';
    }
    if (outcome !== null) return 'committed';
    if (state !== 'queued') return 'sent';
    return this.#write.isStored ? 'durable' : 'queued';
  }

  get durable(): Promise<void> {
    return this.#write.durable;
  }

  get committed(): RecordReceipt<R>['committed'] {
    this.#committed ??= this.#settled();
    return this.#committed;
  }

  cancel(): boolean {
    return this.#write.cancel();
  }

  #settled(): Promise<never> {
    const { envelope, errorOf } = this.#written;
    const settled = this.#write.committed.then(
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the value has passed the record's schema
      () => envelope(this.opId) as never,
      (error: unknown) => {
        throw errorOf(error);
      },
    );
    // As with every receipt: whoever reads it need not handle it.
    settled.catch(() => undefined);
    return settled;
  }
}
