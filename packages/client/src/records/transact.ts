import {
  type Json,
  type Mutate,
  type OpId,
  type RecordDef,
  type RecordRef,
  RejectedError,
  type Write,
} from '@holdfast/protocol';
import { compose, type RecordWrite } from '@holdfast/engine/record';
import { Cell } from '../cell.ts';
import type { RecordEntry } from './delivery.ts';
import { Making } from './making.ts';
import { noStats, readStored } from './reading.ts';
import { handled, HeardReceipt, send } from './receipt.ts';
import type { RecordHandle, Tx, TxReceipt, TxRecord } from './types.ts';
import { checkPending, type WriterDesk } from './writer.ts';

/** What transactions need of their client. */
export type TransactDesk = WriterDesk & {
  /** The entry of a record. */
  entry(ref: RecordRef): RecordEntry;
  readonly outbox: { made(durable: Promise<void>): void };
};

/** One record of a transaction, as the writes so far have made it. */
class Arm extends Making<void> {
  readonly entry: RecordEntry;
  readonly #tx: Collected;
  #base: { readonly current: Json | undefined; readonly isUnknown: boolean };

  constructor(entry: RecordEntry, tx: Collected) {
    super();
    this.entry = entry;
    this.#tx = tx;
    this.#base = entry.current();
  }

  get(): unknown {
    const { current: json } = this.#base;
    if (json === undefined) return undefined;
    const { ref, server, value } = this.entry;
    const before = { before: value.get(), stats: noStats() };
    const reading = readStored(ref.record, { json, version: server.version }, before);
    return 'value' in reading ? reading.value : undefined;
  }

  protected override emit(write: RecordWrite): void {
    const { record: def, path } = this.entry.ref;
    const after = this.#tx.take({ def, path, ...this.#base }, write);
    if (after === undefined && !('remove' in write)) return;
    this.#base = { current: after, isUnknown: false };
  }
}

/** The writes of a transaction as they are collected: each is composed on the result of those before (records.md §13). */
class Collected implements Tx {
  readonly arms = new Map<string, Arm>();
  readonly ops: (Write | Mutate)[] = [];
  /** Whether anything was to be written, be it what is there already. */
  isTaken = false;
  readonly #desk: TransactDesk;
  readonly #opId: OpId;
  isOver = false;

  constructor(desk: TransactDesk, opId: OpId) {
    this.#desk = desk;
    this.#opId = opId;
  }

  record<R extends RecordDef>(of: RecordHandle<R> | RecordRef<R>): TxRecord<R> {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is of that definition
    return this.#arm('ref' in of ? of.ref : of) as unknown as TxRecord<R>;
  }

  /** Takes a write of an object, and gives what it makes of it. */
  take(target: Parameters<typeof compose>[0], write: RecordWrite): Json | undefined {
    if (this.isOver) throw waiting();
    const env = { opId: this.#opId, now: this.#desk.env.wall() };
    const { ops, after } = compose(target, write, env);
    this.isTaken = true;
    this.ops.push(...ops);
    return after;
  }

  #arm(ref: RecordRef): Arm {
    const known = this.arms.get(ref.key);
    if (known !== undefined) return known;
    const [first] = this.arms.values();
    const { store = ref.store } = first?.entry.ref ?? {};
    if (store !== ref.store) {
      throw new RejectedError('store_mismatch', { stores: [store, ref.store] });
    }
    const entry = this.#desk.entry(ref);
    this.#desk.hold(entry)();
    checkPending(entry);
    const arm = new Arm(entry, this);
    this.arms.set(ref.key, arm);
    return arm;
  }
}

function waiting(): TypeError {
  return new TypeError('transact: the callback must not wait.');
}

const unchanged = { status: 'committed', reply: { store_seq: 0 }, rebasedOver: [] } as const;

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
    throw waiting();
  }
  const entries = Array.from(tx.arms.values(), ({ entry }) => entry);
  const opened = entries[0]?.opened;
  if (!opened || !tx.isTaken) throw new TypeError('transact: there must be a write.');
  const { slot } = opened.hold;
  const releases = entries.map((entry) => desk.hold(entry));
  const { report } = slot.room.settings;
  const status = new Cell<'pending' | 'committed' | 'rejected'>('pending', report);
  const opId = group ?? slot.nextOpId();
  const request = { op: 'transact', ops: tx.ops, preconditions: [] } as const;
  const receipt = new HeardReceipt({ opId, request }, slot.store, (outcome) => {
    status.set(outcome.status === 'committed' ? 'committed' : 'rejected');
    for (const entry of entries) entry.ended?.({ opId, request }, outcome);
    for (const release of releases) release();
  });
  if (tx.ops.length > 0) send(receipt, entries, opened);
  else slot.store.settle(receipt, unchanged);
  desk.outbox.made(receipt.durable);
  let committed: Promise<T> | null = null;
  return {
    group: opId,
    status,
    get committed() {
      committed ??= handled(receipt.committed.then(() => result));
      return committed;
    },
    cancel: () => receipt.cancel(),
  };
}
