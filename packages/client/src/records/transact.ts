import { isPromised } from '@holdfast/protocol';
import { Cell } from '../cell.ts';
import { handled } from '../handled.ts';
import { sendWrites } from './sending.ts';
import type { Tx, TxReceipt } from './types.ts';
import { waits, type WriterDesk, Writes } from './writes.ts';

/** Collects writes of several records and makes them as one (records.md §13). */
export function transact<T>(
  desk: WriterDesk,
  collect: (tx: Tx) => T,
  { group }: { readonly group?: string } = {},
): TxReceipt<T> {
  if (group === '') throw new TypeError('transact: "group" must be a text.');
  const tx = new Writes(desk, true, group);
  try {
    const result = collect(tx);
    if (isPromised(result)) throw waits();
    const status = new Cell<'pending' | 'committed' | 'rejected'>('pending', desk.report);
    const receipt = sendWrites(tx, ({ status: how }) =>
      status.set(how === 'refused' ? 'rejected' : how),
    );
    let committed: Promise<T> | null = null;
    return {
      group: receipt.opId,
      status,
      get committed() {
        committed ??= handled(() => receipt.told().then(() => result));
        return committed;
      },
      cancel: () => receipt.cancel(),
    };
  } finally {
    tx.end();
  }
}
