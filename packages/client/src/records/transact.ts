import {
  type Json,
  type Mutate,
  type OpId,
  type Out,
  type RecordDef,
  type RecordRef,
  RejectedError,
  type Write,
} from '@holdfast/protocol';
import { compose, type RecordWrite } from '@holdfast/engine/record';
import { type Deferred, deferred } from '@holdfast/engine/registry';
import { Cell } from '../cell.ts';
import type { Writable } from './delivery.ts';
import type { WriterDesk } from './writer.ts';
import { HeardReceipt } from './receipt.ts';
import { noStats, readStored } from './reading.ts';
import type { RecordHandle, Tx, TxReceipt, TxRecord } from './types.ts';

/** What transactions need of their client. */
export type TransactDesk = WriterDesk & {
  /** The entry of a record that can be written to. */
  writable(ref: RecordRef): Writable;
};

type Arm = { readonly entry: Writable; current: Json | undefined; isUnknown: boolean };

/** The writes of a transaction as they are collected: each is composed on the result of those before (records.md §13). */
class Collected implements Tx {
  readonly arms = new Map<string, Arm>();
  readonly ops: (Write | Mutate)[] = [];
  readonly #desk: TransactDesk;
  readonly #opId: OpId;
  isOver = false;

  constructor(desk: TransactDesk, opId: OpId) {
    this.#desk = desk;
    this.#opId = opId;
  }

  record<R extends RecordDef>(of: RecordHandle<R> | RecordRef<R>): TxRecord<R> {
    const arm = this.#arm('ref' in of ? of.ref : of);
    const write = (each: RecordWrite): void => this.#write(arm, each);
    return {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is shown has passed the schema
      get: () => shownOf(arm) as Out<R> | undefined,
      set: (value) => write({ set: { ...Object(value) } }),
      patch: (fields) => write({ patch: { ...fields } }),
      increment: (field, by = 1) =>
        write({ increment: typeof field === 'string' ? [field] : field, by }),
      remove: () => write({ remove: true }),
      mutate: (name, input) => write({ mutate: name, input }),
    };
  }

  #arm(ref: RecordRef): Arm {
    const known = this.arms.get(ref.key);
    if (known !== undefined) return known;
    const stores = [...new Set([...this.arms.values()].map(({ entry }) => entry.ref.store))];
    if (stores.length > 0 && !stores.includes(ref.store)) {
      throw new RejectedError('store_mismatch', { stores: [...stores, ref.store] });
    }
    const entry = this.#desk.writable(ref);
    this.#desk.hold(entry)();
    const arm = { entry, ...entry.current() };
    this.arms.set(ref.key, arm);
    return arm;
  }

  #write(arm: Arm, write: RecordWrite): void {
    if (this.isOver) throw new TypeError('The transaction is over: its callback must not wait.');
    const { record: def, path } = arm.entry.ref;
    const { current, isUnknown } = arm;
    const env = { opId: this.#opId, now: this.#desk.wall() };
    const { ops, after } = compose({ def, path, current, isUnknown }, write, env);
    this.ops.push(...ops);
    if (after !== undefined || 'remove' in write) {
      arm.current = after;
      arm.isUnknown = false;
    }
  }
}

function shownOf({ entry, current }: Arm): unknown {
  if (current === undefined) return undefined;
  const at = { json: current, version: entry.server.version };
  const before = { before: entry.value.get(), stats: noStats() };
  const reading = readStored(entry.ref.record, at, before);
  return 'value' in reading ? reading.value : undefined;
}

/** Collects writes of several records and makes them as one (records.md §13). */
export function transact<T>(
  desk: TransactDesk,
  collect: (tx: Tx) => T,
  { group }: { readonly group?: string } = {},
): TxReceipt<T> {
  if (group === '') throw new TypeError('transact: "group" must be a non-empty string.');
  const tx = new Collected(desk, group ?? '');
  const result = collect(tx);
  tx.isOver = true;
  if (result instanceof Promise) {
    throw new TypeError('transact needs a callback that does not wait.');
  }
  const [hold] = Array.from(tx.arms.values(), ({ entry }) => entry.hold);
  if (!hold || tx.ops.length === 0) throw new TypeError('transact needs at least one write.');
  const { slot } = hold;
  const releases = [...tx.arms.values()].map(({ entry }) => desk.hold(entry));
  const status = new Cell<'pending' | 'committed' | 'rejected'>(
    'pending',
    slot.room.settings.report,
  );
  let committed: Deferred<T> | null = null;
  const opId = group ?? slot.nextOpId();
  const request = { op: 'transact', ops: tx.ops, preconditions: [] } as const;
  const receipt = new HeardReceipt({ opId, request }, slot.store, (outcome) => {
    status.set(outcome.status === 'committed' ? 'committed' : 'rejected');
    for (const { entry } of tx.arms.values()) entry.ended?.({ opId, request }, outcome);
    for (const release of releases) release();
  });
  slot.store.request(receipt, false);
  desk.watch(hold).flush(Array.from(tx.arms.values(), ({ entry }) => entry));
  const { outcome } = receipt;
  if (outcome?.status === 'refused') {
    void receipt.committed;
    throw outcome.error;
  }
  return {
    group: opId,
    status,
    get committed() {
      if (committed === null) {
        const made = deferred<T>();
        committed = made;
        receipt.committed.then(() => made.resolve(result), made.reject);
      }
      return committed.promise;
    },
    cancel: () => receipt.cancel(),
  };
}
