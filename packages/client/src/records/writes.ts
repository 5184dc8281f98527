import {
  childPath,
  fenceOf,
  type Fencing,
  isRefusal,
  type Json,
  type Mutate,
  type OpId,
  type Precondition,
  type RecordDef,
  type RecordRef,
  RejectedError,
  type Write,
} from '@holdfast/protocol';
import { compose, type Composed, type RecordWrite } from '@holdfast/engine/record';
import type { Release } from '@holdfast/engine/registry';
import type { ClientEnv } from '../env.ts';
import type { ConflictDesk } from './conflict.ts';
import type { RecordEntry, Unchanged } from './delivery.ts';
import { Making } from './making.ts';
import { leavesOpen, writesOf } from './pending.ts';
import { noStats, readStored } from './reading.ts';
import type { RecordHandle, RecordWriteOptions, Tx, TxRecord } from './types.ts';

/** Own writes of one record that may wait (records.md §11.5). */
const pendingMax = 1000;

/** What writes need of their client. */
export type WriterDesk = ConflictDesk & {
  readonly env: ClientEnv;
  readonly report: (error: unknown) => void;
  readonly outbox: { made(durable: Promise<void>): void };
  /** The entry of a record. */
  entry(ref: RecordRef): RecordEntry;
};

/** The fields that something is about; null: the whole object. */
type Fields = readonly string[] | null;

/** What one request does to one record: each write is composed on the result of those before (records.md §13). */
export class Arm extends Making<void> {
  readonly entry: RecordEntry;
  /** What was shown of it before, as it is stored. */
  readonly base: Json | undefined;
  /** It makes an object, whether there is one or not. */
  makes = false;
  fields: Fields = [];
  /** It changes an object of which it is not known yet whether there is one. */
  rests = false;
  /** What it comes to depends on what is not known. */
  isBlind = false;
  /** How the server had what is guarded, as far as was known then. */
  seen: readonly Unchanged[] = [];
  readonly #writes: Writes;
  #guarded: Fields = [];
  #now: ReturnType<RecordEntry['current']>;
  #isFirst = true;

  constructor(entry: RecordEntry, writes: Writes) {
    super();
    this.entry = entry;
    this.#writes = writes;
    this.#now = entry.current();
    this.base = this.#now.current;
  }

  /** What it comes to. */
  get after(): Json | undefined {
    return this.#now.current;
  }

  get(): unknown {
    const json = this.after;
    if (json === undefined) return undefined;
    const { ref, value } = this.entry;
    const { record } = ref;
    const before = { before: value.get(), stats: noStats() };
    const reading = readStored(record, { json, version: record.version }, before);
    return 'value' in reading ? reading.value : undefined;
  }

  override emit(write: RecordWrite, options: RecordWriteOptions = {}): void {
    const { entry } = this;
    const { ref } = entry;
    const { record: def, path } = ref;
    const { isOver, desk, opId = '', ops: all, steps } = this.#writes;
    if (isOver) throw waits();
    if (this.#isFirst) this.#expect(write);
    this.#isFirst = false;
    const onPutBack = (fields: readonly string[]): void => {
      entry.stats.putBack += fields.length;
      // oxlint-disable-next-line no-console -- for developers
      if (desk.env.dev) console.warn(`holdfast: ${ref.key}: not written: ${fields.join(', ')}`);
    };
    const env = { opId, now: desk.env.wall(), onPutBack };
    const { ops, after, fields } = compose({ def, path, ...this.#now }, write, env);
    steps.push({ ref, write, options });
    if (ops.length === 0) return;
    this.fields = both(this.fields, fields);
    if (this.#know(write) && isGuarded(def, options)) {
      this.#guarded = both(this.#guarded, fields);
      this.seen = entry.guards(this.#guarded?.map((field) => childPath(path, field)) ?? [path]);
    }
    all.push(...ops);
    this.#follow({ ops, after, isGone: 'remove' in write });
  }

  /** What the next write is composed on. */
  #follow({
    ops,
    after,
    isGone,
  }: Pick<Composed, 'ops' | 'after'> & { readonly isGone: boolean }): void {
    const made = ops.map((request) => ({ request }));
    const isPart = this.#now.isPart || leavesOpen(this.entry.ref, made);
    const isOpen = after === undefined && !isGone;
    this.#now = { ...(isOpen ? this.#now : { current: after }), isUnknown: isOpen, isPart };
  }

  /** What waits may make an object before the first write comes. A `set` makes all of it by itself: then nothing is looked through. */
  #expect(write: RecordWrite): void {
    if ('set' in write || this.after !== undefined || !isToBeMade(this.entry)) return;
    this.#now = { ...this.#now, isUnknown: true };
  }

  /** Whether it can meet another's write: what was never seen has not changed since, and what is made is not to be there. */
  #know(write: RecordWrite): boolean {
    const { current, isUnknown } = this.#now;
    const isUnseen = isUnknown && current === undefined;
    this.makes ||= 'set' in write;
    // A mutation says by itself that there is nothing, also one before it in the same request, which may make it.
    const isAsked = this.#writes.ops.some((each) => isMutationOf(this.entry.ref, each));
    this.rests ||= isUnseen && !isAsked && ('patch' in write || 'by' in write);
    const stands = 'set' in write || 'remove' in write;
    this.isBlind ||= isUnseen && !stands;
    return !isUnseen || 'set' in write;
  }
}

/** Whether what waits to be sent may make an object of which nothing is shown: what a mutation does, only the server knows. */
function isToBeMade({ ref, opened }: RecordEntry): boolean {
  const near = opened?.hold.slot.outboxNear(ref.path) ?? [];
  const waiting = near.flatMap(({ request }) => writesOf(request));
  const last = waiting.findLast(({ path }) => path === ref.path);
  return last !== undefined && isMutationOf(ref, last);
}

function isMutationOf(ref: RecordRef, { op, path }: ReturnType<typeof writesOf>[number]): boolean {
  return op === 'mutate' && path === ref.path;
}

function isGuarded({ conflict }: RecordDef, { precondition }: RecordWriteOptions): boolean {
  return (precondition ?? (conflict === 'detect' ? 'unchanged' : 'none')) === 'unchanged';
}

function both(some: Fields, more: Fields): Fields {
  return some && more && [...new Set([...some, ...more])];
}

/** The error of a callback that is not over when it returns. */
export function waits(): TypeError {
  return new TypeError('transact: the callback must not wait.');
}

/** One write of a record. */
export type Step = {
  readonly ref: RecordRef;
  readonly write: RecordWrite;
  readonly options: RecordWriteOptions;
};

/** Writes of records of one store, as they are collected for one request. */
export class Writes implements Tx {
  readonly arms: Map<string, Arm> = new Map();
  readonly ops: (Write | Mutate)[] = [];
  /** What has been asked for. */
  readonly steps: Step[] = [];
  /** The leases that must be held. */
  readonly fences: Precondition[] = [];
  readonly desk: WriterDesk;
  /** They are a transaction, though they may be of one op and without guards. */
  readonly isWhole: boolean;
  readonly opId: OpId | undefined;
  readonly #holds: Release[] = [];
  #store: string | undefined;
  isOver = false;

  constructor(desk: WriterDesk, isWhole: boolean, opId?: OpId) {
    this.desk = desk;
    this.isWhole = isWhole;
    this.opId = opId;
  }

  record<R extends RecordDef>(of: RecordHandle<R> | RecordRef<R>): TxRecord<R> {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is of that definition
    return this.arm('ref' in of ? of.ref : of) as unknown as TxRecord<R>;
  }

  fence(lease: Fencing): void {
    if (this.isOver) throw waits();
    const fence = fenceOf(lease);
    if (isRefusal(fence)) throw RejectedError.from(fence);
    this.fences.push({ kind: 'fence', fence });
  }

  arm(ref: RecordRef): Arm {
    if (this.isOver) throw waits();
    const known = this.arms.get(ref.key);
    if (known !== undefined) return known;
    this.#store ??= ref.store;
    if (this.#store !== ref.store) {
      throw new RejectedError('store_mismatch', { stores: [this.#store, ref.store] });
    }
    const entry = this.desk.entry(ref);
    this.#holds.push(this.desk.hold(entry));
    if (entry.state.get().pendingIntents >= pendingMax) {
      throw new RejectedError('outbox_full', { limit: pendingMax });
    }
    const arm = new Arm(entry, this);
    this.arms.set(ref.key, arm);
    return arm;
  }

  /** Nothing more is collected. */
  end(): void {
    this.isOver = true;
    for (const release of this.#holds) release();
  }
}
