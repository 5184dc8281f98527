import {
  childPath,
  type Json,
  type OpId,
  type Precondition,
  type RecordValue,
  type Refusal,
  RejectedError,
  type Request,
} from '@holdfast/protocol';
import { decodeStored, type Envelope } from '@holdfast/protocol/record';
import {
  type Composed,
  compose,
  isSameMajor,
  type RecordWrite,
  refusalOf,
} from '@holdfast/engine/record';
import type { Outcome } from '@holdfast/engine/replica';
import type { Release } from '@holdfast/engine/registry';
import type { ClientEnv } from '../env.ts';
import { closedError } from '../mistakes.ts';
import { type Clash, type ConflictDesk, meet, type Resolution } from './conflict.ts';
import type { Opened, RecordEntry, Unchanged } from './delivery.ts';
import { touches } from './pending.ts';
import { HeardReceipt, send, StoreRecordReceipt } from './receipt.ts';
import type { RecordReceipt, RecordWriteOptions } from './types.ts';

/** Own writes of one record that may wait (records.md §11.5). */
const pendingMax = 1000;

/** Throws `outbox_full` where too many wait. */
export function checkPending({ state }: RecordEntry): void {
  if (state.get().pendingIntents < pendingMax) return;
  throw new RejectedError('outbox_full', { limit: pendingMax });
}

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
    checkPending(entry);
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
    const seen = making.isGuarded ? this.#seen(composed) : [];
    const request = requestOf(
      composed,
      this.#guards(seen, making.base),
      entry.isApart === true || ('set' in write && composed.ops[0]?.op !== 'set'),
    );
    return this.#send(request, { ...making, write, composed, seen });
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
    let isSent = false;
    const receipt: HeardReceipt = new HeardReceipt({ opId, request }, slot.store, (outcome) => {
      sending.release();
      signal?.removeEventListener('abort', abort);
      this.#entry.ended?.({ opId, request }, outcome);
      if (outcome.status !== 'refused') return undefined;
      const { refusal } = outcome;
      this.#entry.look();
      const conflict = (): unknown => this.#meet(opId, refusal, sending);
      return isSent ? this.#clash(refusal, sending, conflict) : conflict();
    });
    const abort = (): void => {
      receipt.cancel();
    };
    send(receipt, [this.#entry], opened);
    isSent = true;
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
      incarnation,
      ...(value === undefined && { deleted: true }),
    };
  }

  /** How each field is, as the server has it. */
  #seen({ fields }: Composed): readonly Unchanged[] {
    const { path } = this.#entry.ref;
    return this.#entry.guards(fields?.map((field) => childPath(path, field)) ?? [path]);
  }

  /** That each field is still so, or as own writes that wait have left it. */
  #guards(seen: readonly Unchanged[], { current }: Making['base']): readonly Precondition[] {
    const { slot } = this.#opened.hold;
    return seen.map((guard) => {
      const { path } = guard;
      if (!slot.outbox().some(({ request }) => touches(request, path))) return guard;
      const isWhole = path === this.#entry.ref.path;
      const value = isWhole ? current : slot.opened?.replica?.entry(path)?.value;
      return value === undefined ? { kind: 'if_absent', path } : { kind: 'equals', path, value };
    });
  }

  /** What a write has met that was not refused here and now: a row of another's may come after that. */
  #clash(refusal: Refusal, sending: Sending, conflict: () => unknown): unknown {
    const entry = this.#entry;
    const isLate = (): boolean =>
      entry.opened !== null &&
      // What is loading: what was made here, or was a row of a query, is on its way by itself.
      (entry.state.get().status.endsWith('ing')
        ? mayMeet(refusal.code)
        : this.#isBehind(refusal, sending));
    if (!isLate()) return conflict();
    const release = this.#desk.hold(entry);
    return new Promise((resolve) => {
      const stop = entry.state.subscribe(() => {
        if (isLate()) return;
        stop();
        resolve(conflict());
        release();
      });
    });
  }

  /** Whether what a guard has met is still to come: here all is as when the write was made. */
  #isBehind({ details }: Refusal, { seen, composed }: Sending): boolean {
    const { precondition_index: at, current_revision: found = null } = details;
    const met = seen[Number(at)];
    const known = met?.kind === 'if_match' ? met.revision : null;
    // Else what is there is here: an own write, on top of which this one was made, has come to nothing.
    return known !== found && JSON.stringify(seen) === JSON.stringify(this.#seen(composed));
  }

  #meet(opId: OpId, refusal: Refusal, sending: Sending): unknown {
    const entry = this.#entry;
    const { base, composed, write } = sending;
    const kind = this.#kindOf(refusal.code, sending);
    if (kind === null) return undefined;
    const clash = {
      kind,
      opId,
      ref: entry.ref,
      fields: composed.fields,
      base: nativeOf(base.current),
      mine: nativeOf(composed.after),
      theirs: entry.server.value,
    };
    return meet(entry, { refusal, clash, desk: this.#desk }, (how) => this.#resolve(how, write));
  }

  /** What a refused write has met; null: nothing of anybody else. */
  #kindOf(code: string, { base, write, isGuarded }: Sending): Clash['kind'] | null {
    const { ref, server } = this.#entry;
    // The server has left our version behind.
    if (code === 'invalid_value' && !isSameMajor(ref.record, server.version)) return 'schema';
    // What it was to change was there, and is not any more.
    const isGone = base.current !== undefined && !('set' in write) && server.value === undefined;
    if (isGone && mayMeet(code)) return 'deleted';
    return isGuarded && isOther(code) ? 'precondition' : null;
  }

  #resolve(how: Resolution, write: RecordWrite): RecordReceipt<unknown> | undefined {
    if (how === 'theirs') return undefined;
    if (how === 'mine') return this.write(write, { precondition: 'none' });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is no plain object the gate refuses
    return this.write({ set: how.value as RecordValue }, { precondition: 'none' });
  }

  get #opened(): Opened {
    const { opened } = this.#entry;
    if (opened === null) throw closedError('client');
    return opened;
  }
}

/** Whether a write was refused as it was not on top of what it was made for. */
function isOther(code: string): boolean {
  return code === 'conflict' || code === 'exists';
}

/** Whether what it met is what a write was refused for, or may be. */
function mayMeet(code: string): boolean {
  return isOther(code) || code === 'not_found' || code === 'invalid_value';
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
  /** How the server had what is guarded, as far as was known when the write was made. */
  readonly seen: readonly Unchanged[];
};

/** The request of a write: an op, or a transaction of several, or of guarded ones, or what has to be one. */
function requestOf(
  { ops }: Pick<Composed, 'ops'>,
  guards: readonly Precondition[],
  isWhole: boolean,
): Request {
  const [first] = ops;
  return first !== undefined && ops.length + guards.length === 1 && !isWhole
    ? first
    : { op: 'transact', ops, preconditions: guards };
}

function nativeOf(json: Json | undefined): unknown {
  return json === undefined ? undefined : decodeStored(json);
}
