import {
  type Mutate,
  type OpId,
  type Precondition,
  refuse,
  RejectedError,
  type Request,
  type Write,
} from '@holdfast/protocol';
import { refusalOf } from '@holdfast/engine/record';
import type { Outcome } from '@holdfast/engine/replica';
import { closedError } from '../mistakes.ts';
import type { Slot } from '../slot.ts';
import type { Met } from './clash.ts';
import type { Opened, RecordEntry } from './delivery.ts';
import { isNear } from './pending.ts';
import { HeardReceipt, send, StoreRecordReceipt } from './receipt.ts';
import type { RecordReceipt } from './types.ts';
import type { Arm, Step, Writes } from './writes.ts';

/** Makes writes as one request, of which one record is told. */
export function writeAll(
  writes: Writes,
  entry: RecordEntry,
  steps: readonly Step[],
): RecordReceipt<unknown> {
  let receipt: HeardReceipt;
  try {
    for (const { ref, write, options } of steps) writes.arm(ref).emit(write, options);
    const isTakenBack = steps.some(({ options: { signal } }) => signal?.aborted === true);
    receipt = isTakenBack ? settled(entry, cancelled) : sendWrites(writes);
  } catch (error) {
    // What is gone is known to be gone by now only: the write is refused, and not the caller wrong.
    if (!(error instanceof RejectedError) || error.code !== 'not_found') throw error;
    receipt = settled(entry, { status: 'refused', refusal: refusalOf(error) });
  } finally {
    writes.end();
  }
  return new StoreRecordReceipt(receipt, entry, writes.arms.get(entry.key));
}

const cancelled: Outcome = { status: 'refused', refusal: refuse('cancelled') };

/** A write that is over before it is sent. */
function settled(entry: RecordEntry, outcome: Outcome, opId?: OpId): HeardReceipt {
  const { slot } = openedOf(entry).hold;
  const of = { opId: opId ?? slot.nextOpId(), request: null };
  const receipt = new HeardReceipt(of, slot.store);
  slot.store.settle(receipt, outcome);
  return receipt;
}

function openedOf({ opened }: RecordEntry): Opened {
  if (opened === null) throw closedError('client');
  return opened;
}

/**
 * Makes one request of what was collected, shows it on all records at once, and sees to how it ends; what changes nothing is
 * over. Throws what it is refused with here and now.
 */
export function sendWrites(writes: Writes, ended?: (outcome: Outcome) => void): HeardReceipt {
  const { desk, ops, steps } = writes;
  const arms = [...writes.arms.values()];
  const [first] = arms;
  const [op] = ops;
  if (first === undefined || steps.length === 0) {
    throw new TypeError('transact: there must be a write.');
  }
  if (op === undefined) {
    const reply = { store_seq: first.entry.server.sequence };
    const outcome: Outcome = { status: 'committed', reply, rebasedOver: [], rebasedAt: [] };
    ended?.(outcome);
    return settled(first.entry, outcome, writes.opId);
  }
  const entries = arms.map(({ entry }) => entry);
  const opened = openedOf(first.entry);
  const { slot } = opened.hold;
  const preconditions = [...writes.fences, ...arms.flatMap((arm) => guardsOf(arm, slot))];
  const isLone = ops.length + preconditions.length === 1 && isBare(writes, first, op);
  const request: Request = isLone ? op : { op: 'transact', ops, preconditions };
  const opId = writes.opId ?? slot.nextOpId();
  const signal = steps[0]?.options.signal;
  const releases = entries.map((entry) => desk.hold(entry));
  const receipt: HeardReceipt = new HeardReceipt({ opId, request }, slot.store, (outcome) => {
    signal?.removeEventListener('abort', abort);
    ended?.(outcome);
    for (const release of releases) release();
    if (outcome.status !== 'refused') return undefined;
    for (const entry of entries) entry.look();
    return metBy(arms, receipt, { writes, opId, refusal: outcome.refusal, again: writeAll });
  });
  const abort = (): void => {
    receipt.cancel();
  };
  try {
    send(receipt, entries, opened);
  } catch (error) {
    // Refused; or stopped by the application's `onWrite`, and then nothing tells of its end.
    for (const release of releases) release();
    throw error;
  }
  signal?.addEventListener('abort', abort);
  desk.outbox.made(receipt.durable);
  return receipt;
}

/** Whether an op may go by itself: a `set` that travels otherwise is a transaction (records.md §11.2). */
function isBare({ isWhole }: Writes, { entry, makes }: Arm, { op }: Write | Mutate): boolean {
  return !isWhole && entry.isApart !== true && (!makes || op === 'set');
}

/** That there is what it changes; that each field is as it was seen, or as own writes that wait have left it. */
function guardsOf({ entry, base, rests, seen }: Arm, slot: Slot): readonly Precondition[] {
  const there: readonly Precondition[] = rests ? [{ kind: 'exists', path: entry.ref.path }] : [];
  const guards = seen.map((guard): Precondition => {
    const { path } = guard;
    if (slot.outboxNear(path).length === 0) return guard;
    const isWhole = path === entry.ref.path;
    const value = isWhole ? base : slot.opened?.replica?.entry(path)?.value;
    return value === undefined ? { kind: 'if_absent', path } : { kind: 'equals', path, value };
  });
  return [...there, ...guards];
}

/** Refusals of what has met somebody else's, or may have. */
const losses: ReadonlySet<string> = /* @__PURE__ */ new Set([
  'conflict',
  'exists',
  'not_found',
  'invalid_value',
]);

/** What becomes of a write that may have met somebody else's, if it is about one of the records. */
function metBy(arms: readonly Arm[], { outcome }: HeardReceipt, met: Omit<Met, 'arm'>): unknown {
  const at = outcome?.status === 'refused' ? outcome.path : null;
  if (at === null || !losses.has(met.refusal.code)) return undefined;
  const arm = arms.find(({ entry, seen }) =>
    (seen.length > 0 ? seen : [entry.ref]).some(({ path }) => isNear(path, at)),
  );
  // Few pages meet anybody.
  return (
    arm &&
    import('./clash.ts')
      .then((by) => by.onceHere({ ...met, arm }))
      // Then it is refused, and nothing more is said of it.
      .catch(met.writes.desk.report)
  );
}
