import type { OpId, Seq } from '@holdfast/protocol';
import { decodeStored, type Envelope } from '@holdfast/protocol/record';
import type { Outcome } from '@holdfast/engine/replica';
import { handled } from '../handled.ts';
import { type ReceiptDesk, WriteReceipt } from '../receipt.ts';
import type { Opened, RecordEntry } from './delivery.ts';
import type { Arm } from './writes.ts';
import type { RecordReceipt } from './types.ts';

/** A write whose owner hears how it ended, and may know an error for it. */
export class HeardReceipt extends WriteReceipt {
  readonly #heard: (outcome: Outcome) => unknown;
  /** What its owner says of the refusal, or a promise of that. */
  error: unknown = undefined;

  constructor(
    of: ConstructorParameters<typeof WriteReceipt>[0],
    desk: ReceiptDesk,
    heard: (outcome: Outcome) => unknown = () => undefined,
  ) {
    super(of, desk);
    this.#heard = heard;
  }

  /** Resolves to its seq when it is committed; rejects with what its owner says. */
  async told(): Promise<Seq> {
    try {
      return (await this.committed).seq;
    } catch (error) {
      throw (await this.error) ?? error;
    }
  }

  override settle(outcome: Outcome): void {
    const isFirst = this.outcome === null;
    super.settle(outcome);
    if (isFirst) this.error = this.#heard(outcome);
  }
}

/** Makes a request of records, which shows on all of them at once. Throws what it is refused with here and now. */
export function send(
  receipt: HeardReceipt,
  entries: readonly RecordEntry[],
  { hold, watch }: Opened,
): void {
  hold.slot.store.request(receipt, {});
  watch.flush(entries);
  const { outcome, error } = receipt;
  if (outcome?.status !== 'refused') return;
  // The caller hears of it here, and not once more by `onRejected`.
  void receipt.committed;
  throw error instanceof Error ? error : outcome.error;
}

/** The receipt of a write of a record, over that of the store. */
export class StoreRecordReceipt<R> implements RecordReceipt<R> {
  readonly #write: HeardReceipt;
  readonly #entry: RecordEntry;
  readonly #arm: Arm | undefined;
  #committed: Promise<never> | null = null;

  constructor(write: HeardReceipt, entry: RecordEntry, arm: Arm | undefined) {
    this.#write = write;
    this.#entry = entry;
    this.#arm = arm;
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
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the value has passed the record's schema
    this.#committed ??= handled(() => this.#told() as Promise<never>);
    return this.#committed;
  }

  cancel(): boolean {
    return this.#write.cancel();
  }

  /** What was written to a part that is on its way is told of when that is here. */
  async #told(): Promise<Envelope> {
    const seq = await this.#write.told();
    await this.#entry.arrived?.().catch(() => undefined);
    return this.#envelope(seq);
  }

  /** What the server has by now; of what there is no place for here, what was written (records.md §19). */
  #envelope(seq: Seq): Envelope {
    const entry = this.#entry;
    entry.look();
    const { server } = entry;
    const { sequence, version } = server;
    const arm = entry.current().isUnknown ? this.#arm : undefined;
    const isBlind = arm?.isBlind === true;
    const own = isBlind ? undefined : arm?.after;
    const value = arm === undefined ? server.value : own && decodeStored(own);
    const { incarnation } = entry.state.get();
    return {
      value: value ?? null,
      schema_version: version,
      // What is gone has none of its own in a replica: it went with this write, or before.
      sequence: value === undefined ? Math.max(sequence, seq) : sequence,
      op_id: this.opId,
      incarnation,
      ...(value === undefined && !isBlind && { deleted: true }),
    };
  }
}
