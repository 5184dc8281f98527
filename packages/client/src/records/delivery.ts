import type { RecordRef } from '@holdfast/protocol';
import type { RecordWrite } from '@holdfast/engine/record';
import type { Lasting, Signal } from '@holdfast/engine/registry';
import type { ClientEnv } from '../env.ts';
import type { RecordReceipt, RecordState, RecordStats, RecordWriteOptions } from './types.ts';

/** A record for as long as it is here, whichever way it comes (records.md §6, §8). */
export interface RecordEntry extends Lasting {
  readonly ref: RecordRef;
  readonly value: Signal<unknown>;
  readonly state: Signal<RecordState<unknown>>;
  readonly stats: RecordStats;
  ready(): Promise<void>;
  whenIdle(): Promise<void>;
  retry(): void;
  write(write: RecordWrite, options?: RecordWriteOptions): RecordReceipt<unknown>;
}

/** What an entry is given of its client. */
export type DeliveryDesk = {
  readonly env: ClientEnv;
  readonly report: (error: unknown) => void;
  closed(entry: RecordEntry): void;
  skewed(skew: { readonly record: string; readonly client: string; readonly server: string }): void;
};

/** Another way for records to come than by the client's stores; `byTransport` makes one. */
export type Delivery = {
  entry(ref: RecordRef, desk: DeliveryDesk): RecordEntry;
};
