import {
  childPath,
  isObject,
  type Json,
  type OpId,
  type Precondition,
  type RecordValue,
  RejectedError,
  type Request,
} from '@holdfast/protocol';
import { decodeStored, type Envelope } from '@holdfast/protocol/record';
import { type Composed, compose, type RecordWrite, refusalOf } from '@holdfast/engine/record';
import type { Outcome } from '@holdfast/engine/replica';
import type { Release } from '@holdfast/engine/registry';
import type { Hold } from '../hold.ts';
import { closedError } from '../options.ts';
import { RecordConflictError, type Resolution } from './conflict.ts';
import type { RecordEntry, Writable } from './delivery.ts';
import { HeardReceipt, StoreRecordReceipt } from './receipt.ts';
import type { RecordReceipt, RecordWriteOptions } from './types.ts';
import type { SlotWatch } from './watch.ts';

/** Own writes of one record that may wait (records.md §11.5). */
const pendingMax = 1000;

/** What writes need of their client. */
export type WriterDesk = {
  hold(entry: RecordEntry): Release;
  watch(hold: Hold): SlotWatch;
  wall(): number;
  conflicted(conflict: RecordConflictError): void;
};

/** Makes the writes of one record (records.md §11): composes the request, shows it, and sees to how it ends. */
export class RecordWriter {
  readonly #desk: WriterDesk;
  readonly #entry: Writable;

  constructor(entry: Writable, desk: WriterDesk) {
    this.#entry = entry;
    this.#desk = desk;
  }

  write(write: RecordWrite, options: RecordWriteOptions = {}): RecordReceipt<unknown> {
    const entry = this.#entry;
    if (entry.state.get().pendingIntents >= pendingMax) {
      throw new RejectedError('outbox_full', { limit: pendingMax });
    }
    const release = this.#desk.hold(entry);
    try {
      return this.#make(write, { options, release, base: entry.current() });
    } catch (error) {
      release();
      throw error;
    }
  }

  #make(write: RecordWrite, making: Making): RecordReceipt<unknown> {
    const entry = this.#entry;
    const { record: def, path } = entry.ref;
    const env = { opId: '', now: this.#desk.wall() };
    let composed: Composed;
    try {
      composed = compose({ def, path, ...making.base }, write, env);
    } catch (error) {
      // What is gone is known to be gone by now only: the write is refused, and not the caller wrong.
      if (!(error instanceof RejectedError) || error.code !== 'not_found') throw error;
      return this.#settled({ status: 'refused', refusal: refusalOf(error) }, making.release);
    }
    if (composed.ops.length === 0) {
      const reply = { store_seq: entry.server.sequence };
      return this.#settled({ status: 'committed', reply, rebasedOver: [] }, making.release);
    }
    const { precondition = def.conflict === 'detect' ? 'unchanged' : 'none' } = making.options;
    const guards = precondition === 'unchanged' ? this.#guards(composed) : null;
    const request = requestOf(composed, guards ?? [], entry.isApart);
    return this.#send(request, { ...making, write, composed, guards });
  }

  /** A write that is over before it is sent. */
  #settled(outcome: Outcome, release: Release): RecordReceipt<unknown> {
    const { slot } = this.#holdOf();
    const open = slot.store;
    const receipt = new HeardReceipt({ opId: slot.nextOpId(), request: null }, open, release);
    open.settle(receipt, outcome);
    return this.#receiptOf(receipt);
  }

  #send(request: Request, sending: Sending): RecordReceipt<unknown> {
    const hold = this.#holdOf();
    const { slot } = hold;
    const opId = slot.nextOpId();
    const { release, options } = sending;
    let conflict: RecordConflictError | null = null;
    const receipt: HeardReceipt = new HeardReceipt({ opId, request }, slot.store, (outcome) => {
      release();
      options.signal?.removeEventListener('abort', abort);
      this.#entry.ended?.({ opId, request }, outcome);
      conflict = this.#clash(opId, outcome, sending);
    });
    const abort = (): void => {
      receipt.cancel();
    };
    slot.store.request(receipt, false);
    this.#desk.watch(hold).flush([this.#entry]);
    const { outcome } = receipt;
    if (outcome?.status === 'refused') {
      // The caller hears of it here, and not once more by `onRejected`.
      void receipt.committed;
      throw conflict ?? outcome.error;
    }
    options.signal?.addEventListener('abort', abort);
    return this.#receiptOf(receipt, (error) => conflict ?? error);
  }

  #receiptOf(
    receipt: HeardReceipt,
    errorOf: (error: unknown) => unknown = (error) => error,
  ): RecordReceipt<unknown> {
    return new StoreRecordReceipt(receipt, { envelope: (opId) => this.#envelope(opId), errorOf });
  }

  #envelope(opId: OpId): Envelope {
    const entry = this.#entry;
    entry.look();
    const { value, sequence, version } = entry.server;
    const { incarnation } = entry.state.get();
    const envelope = { value: value ?? null, schema_version: version, sequence, op_id: opId };
    return {
      ...envelope,
      ...(incarnation !== null && { incarnation }),
      ...(value === undefined && { deleted: true }),
    };
  }

  /** That each field is as it was when the write was made. */
  #guards({ fields }: Composed): readonly Precondition[] {
    const { path } = this.#entry.ref;
    const paths = fields === null ? [path] : fields.map((field) => childPath(path, field));
    return this.#entry.guards(paths);
  }

  #clash(opId: OpId, outcome: Outcome, sending: Sending): RecordConflictError | null {
    if (outcome.status !== 'refused') return null;
    const { refusal } = outcome;
    const entry = this.#entry;
    const { base, composed, write } = sending;
    entry.look();
    const kind = kindOf(refusal.code, {
      isGuarded: sending.guards !== null,
      // What it was to change was there, and is not any more.
      isGone: base.current !== undefined && !('set' in write) && entry.server.value === undefined,
    });
    if (kind === null) return null;
    const clash = {
      kind,
      opId,
      ref: entry.ref,
      fields: composed.fields,
      base: nativeOf(base.current),
      mine: nativeOf(composed.after),
      theirs: entry.server.value,
    } as const;
    const conflict: RecordConflictError = new RecordConflictError(
      RejectedError.from(refusal),
      clash,
      (how) => (entry.removeConflict(conflict) ? this.#resolve(how, write) : undefined),
    );
    entry.addConflict(conflict);
    this.#desk.conflicted(conflict);
    return conflict;
  }

  #resolve(how: Resolution, write: RecordWrite): RecordReceipt<unknown> | undefined {
    if (how === 'theirs') return undefined;
    if (how === 'mine') return this.write(write, { precondition: 'none' });
    if (!isObject(how.value)) throw new TypeError('A conflict is resolved by an object.');
    const value: RecordValue = how.value;
    return this.write({ set: value }, { precondition: 'none' });
  }

  #holdOf(): Hold {
    const { hold } = this.#entry;
    if (hold === null) throw closedError('client');
    return hold;
  }
}

/** What a refused write has met; null: nobody else's write. */
function kindOf(
  code: string,
  { isGuarded, isGone }: { readonly isGuarded: boolean; readonly isGone: boolean },
): 'precondition' | 'deleted' | null {
  const isOther = code === 'conflict' || code === 'exists';
  if (isGone && (isOther || code === 'not_found' || code === 'invalid_value')) return 'deleted';
  return isOther && isGuarded ? 'precondition' : null;
}

type Making = {
  readonly options: RecordWriteOptions;
  readonly release: Release;
  readonly base: { readonly current: Json | undefined; readonly isUnknown: boolean };
};

type Sending = Making & {
  readonly write: RecordWrite;
  readonly composed: Composed;
  readonly guards: readonly Precondition[] | null;
};

/** The request of a write: an op, or a transaction of several, or of guarded ones. */
export function requestOf(
  { ops }: Pick<Composed, 'ops'>,
  guards: readonly Precondition[],
  isApart = false,
): Request {
  const [first] = ops;
  return ops.length === 1 && first !== undefined && guards.length === 0 && !isApart
    ? first
    : { op: 'transact', ops, preconditions: guards };
}

function nativeOf(json: Json | undefined): unknown {
  return json === undefined ? undefined : decodeStored(json);
}
