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
import type { ClientEnv } from '../env.ts';
import { closedError } from '../options.ts';
import { type ConflictDesk, meet, type Resolution } from './conflict.ts';
import type { Opened, RecordEntry } from './delivery.ts';
import { HeardReceipt, send, StoreRecordReceipt } from './receipt.ts';
import type { RecordReceipt, RecordWriteOptions } from './types.ts';

/** Own writes of one record that may wait (records.md §11.5). */
const pendingMax = 1000;

/** What writes need of their client. */
export type WriterDesk = ConflictDesk & {
  readonly env: ClientEnv;
  hold(entry: RecordEntry): Release;
};

/** Makes the writes of one record (records.md §11): composes the request, shows it, and sees to how it ends. */
export class RecordWriter {
  readonly #desk: WriterDesk;
  readonly #entry: RecordEntry;

  constructor(entry: RecordEntry, desk: WriterDesk) {
    this.#entry = entry;
    this.#desk = desk;
  }

  write(write: RecordWrite, options: RecordWriteOptions = {}): RecordReceipt<unknown> {
    const entry = this.#entry;
    const { conflict } = entry.ref.record;
    const { precondition = conflict === 'detect' ? 'unchanged' : 'none', signal } = options;
    const isGuarded = precondition === 'unchanged';
    if (entry.state.get().pendingIntents >= pendingMax) {
      throw new RejectedError('outbox_full', { limit: pendingMax });
    }
    const release = this.#desk.hold(entry);
    try {
      return this.#make(write, { isGuarded, signal, release, base: entry.current() });
    } catch (error) {
      release();
      throw error;
    }
  }

  #make(write: RecordWrite, making: Making): RecordReceipt<unknown> {
    const entry = this.#entry;
    const { record: def, path } = entry.ref;
    const env = { opId: '', now: this.#desk.env.wall() };
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
    const guards = making.isGuarded ? this.#guards(composed) : [];
    const request = requestOf(composed, guards, entry.isApart);
    return this.#send(request, { ...making, write, composed });
  }

  /** A write that is over before it is sent. */
  #settled(outcome: Outcome, release: Release): RecordReceipt<unknown> {
    const { slot } = this.#opened.hold;
    const receipt = new HeardReceipt({ opId: slot.nextOpId(), request: null }, slot.store, release);
    slot.store.settle(receipt, outcome);
    return this.#receiptOf(receipt);
  }

  #send(request: Request, sending: Sending): RecordReceipt<unknown> {
    const opened = this.#opened;
    const { slot } = opened.hold;
    const opId = slot.nextOpId();
    const { signal } = sending;
    const receipt: HeardReceipt = new HeardReceipt({ opId, request }, slot.store, (outcome) => {
      sending.release();
      signal?.removeEventListener('abort', abort);
      this.#entry.ended?.({ opId, request }, outcome);
      return this.#clash(opId, outcome, sending);
    });
    const abort = (): void => {
      receipt.cancel();
    };
    send(receipt, [this.#entry], opened);
    signal?.addEventListener('abort', abort);
    return this.#receiptOf(receipt);
  }

  #receiptOf(receipt: HeardReceipt): RecordReceipt<unknown> {
    return new StoreRecordReceipt(receipt, (opId) => this.#envelope(opId));
  }

  #envelope(opId: OpId): Envelope {
    const entry = this.#entry;
    entry.look();
    const { value, sequence, version } = entry.server;
    const { incarnation } = entry.state.get();
    return {
      value: value ?? null,
      schema_version: version,
      sequence,
      op_id: opId,
      ...(incarnation !== null && { incarnation }),
      ...(value === undefined && { deleted: true }),
    };
  }

  /** That each field is as it was when the write was made. */
  #guards({ fields }: Composed): readonly Precondition[] {
    const { path } = this.#entry.ref;
    return this.#entry.guards(fields?.map((field) => childPath(path, field)) ?? [path]);
  }

  /** The conflict that a refused write has met; undefined: none, nobody else's write. */
  #clash(opId: OpId, outcome: Outcome, sending: Sending): unknown {
    if (outcome.status !== 'refused') return undefined;
    const { refusal } = outcome;
    const entry = this.#entry;
    const { base, composed, write } = sending;
    entry.look();
    const theirs = entry.server.value;
    const kind = kindOf(refusal.code, {
      isGuarded: sending.isGuarded,
      // What it was to change was there, and is not any more.
      isGone: base.current !== undefined && !('set' in write) && theirs === undefined,
    });
    if (kind === null) return undefined;
    const { fields, after } = composed;
    const clash = { kind, opId, ref: entry.ref, fields, base: nativeOf(base.current) };
    return meet(
      entry,
      { refusal, clash: { ...clash, mine: nativeOf(after), theirs }, desk: this.#desk },
      (how) => this.#resolve(how, write),
    );
  }

  #resolve(how: Resolution, write: RecordWrite): RecordReceipt<unknown> | undefined {
    if (how === 'theirs') return undefined;
    if (how === 'mine') return this.write(write, { precondition: 'none' });
    if (!isObject(how.value)) throw new TypeError('A conflict is resolved by an object.');
    const value: RecordValue = how.value;
    return this.write({ set: value }, { precondition: 'none' });
  }

  get #opened(): Opened {
    const { opened } = this.#entry;
    if (opened === null) throw closedError('client');
    return opened;
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
  readonly isGuarded: boolean;
  readonly signal: AbortSignal | undefined;
  readonly release: Release;
  readonly base: { readonly current: Json | undefined; readonly isUnknown: boolean };
};

type Sending = Making & {
  readonly write: RecordWrite;
  readonly composed: Composed;
};

/** The request of a write: an op, or a transaction of several, or of guarded ones. */
function requestOf(
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
