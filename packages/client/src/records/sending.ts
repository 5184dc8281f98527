import {
  type Mutate,
  type OpId,
  type Precondition,
  type RecordValue,
  type Refusal,
  RejectedError,
  type Request,
  type Write,
} from '@holdfast/protocol';
import { decodeStored } from '@holdfast/protocol/record';
import { isSameMajor, refusalOf } from '@holdfast/engine/record';
import type { Outcome } from '@holdfast/engine/replica';
import { closedError } from '../mistakes.ts';
import type { Slot } from '../slot.ts';
import { type Clash, meet } from './conflict.ts';
import type { Opened, RecordEntry } from './delivery.ts';
import { isNear, touches } from './pending.ts';
import { HeardReceipt, send, StoreRecordReceipt } from './receipt.ts';
import type { RecordReceipt } from './types.ts';
import { type Arm, type Step, Writes } from './writes.ts';

/** Makes writes as one request, of which one record is told. */
export function writeAll(
  writes: Writes,
  entry: RecordEntry,
  steps: readonly Step[],
): RecordReceipt<unknown> {
  let receipt: HeardReceipt;
  try {
    for (const { ref, write, options } of steps) writes.arm(ref).emit(write, options);
    receipt = sendWrites(writes);
  } catch (error) {
    // What is gone is known to be gone by now only: the write is refused, and not the caller wrong.
    if (!(error instanceof RejectedError) || error.code !== 'not_found') throw error;
    receipt = settled(entry, { status: 'refused', refusal: refusalOf(error) });
  } finally {
    writes.end();
  }
  return new StoreRecordReceipt(receipt, entry);
}

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
    const outcome: Outcome = { status: 'committed', reply, rebasedOver: [] };
    ended?.(outcome);
    return settled(first.entry, outcome, writes.opId);
  }
  const entries = arms.map(({ entry }) => entry);
  const opened = openedOf(first.entry);
  const { slot } = opened.hold;
  const preconditions = arms.flatMap((arm) => guardsOf(arm, slot));
  const isLone = ops.length + preconditions.length === 1 && isBare(writes, first, op);
  const request: Request = isLone ? op : { op: 'transact', ops, preconditions };
  const opId = writes.opId ?? slot.nextOpId();
  const signal = steps[0]?.options.signal;
  const releases = entries.map((entry) => desk.hold(entry));
  const receipt: HeardReceipt = new HeardReceipt({ opId, request }, slot.store, (outcome) => {
    signal?.removeEventListener('abort', abort);
    ended?.(outcome);
    for (const entry of entries) entry.ended?.({ opId, request }, outcome);
    for (const release of releases) release();
    if (outcome.status !== 'refused') return undefined;
    for (const entry of entries) entry.look();
    const arm = metBy(arms, receipt);
    return arm && onceHere({ arm, writes, opId, refusal: outcome.refusal });
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

/** That each field is as it was seen, or as own writes that wait have left it. */
function guardsOf({ entry, base, seen }: Arm, slot: Slot): readonly Precondition[] {
  return seen.map((guard) => {
    const { path } = guard;
    if (!slot.outbox().some(({ request }) => touches(request, path))) return guard;
    const isWhole = path === entry.ref.path;
    const value = isWhole ? base : slot.opened?.replica?.entry(path)?.value;
    return value === undefined ? { kind: 'if_absent', path } : { kind: 'equals', path, value };
  });
}

/** The record that a refusal is about; undefined: none of them. */
function metBy(arms: readonly Arm[], { outcome }: HeardReceipt): Arm | undefined {
  const met = outcome?.status === 'refused' ? outcome.path : null;
  if (met === null) return undefined;
  return arms.find(({ entry, seen }) =>
    (seen.length > 0 ? seen : [entry.ref]).some(({ path }) => isNear(path, met)),
  );
}

type Met = {
  readonly arm: Arm;
  readonly writes: Writes;
  readonly opId: OpId;
  readonly refusal: Refusal;
};

/** What a write has met, once that is here: a row of another's may come after the refusal. */
function onceHere(met: Met): unknown {
  const { arm, refusal } = met;
  const { entry } = arm;
  const isLate = (): boolean =>
    entry.opened !== null &&
    // What is loading: what was made here, or was a row of a query, is on its way by itself.
    (entry.state.get().status.endsWith('ing')
      ? losses.has(refusal.code)
      : clashes.includes(refusal.code) && isBehind(arm, refusal));
  if (!isLate()) return meetArm(met);
  const release = met.writes.desk.hold(entry);
  return new Promise((resolve) => {
    const stop = entry.state.subscribe(() => {
      if (isLate()) return;
      stop();
      resolve(meetArm(met));
      release();
    });
  });
}

/** Whether what a guard has met is still to come: here all is as when the write was made. */
function isBehind({ entry, seen }: Arm, { details }: Refusal): boolean {
  const { path: at, current_revision: found = null } = details;
  const met = seen.find(({ path }) => path === at);
  const known = met?.kind === 'if_match' ? met.revision : null;
  // Else what is there is here: an own write, on top of which this one was made, has come to nothing.
  if (known === found) return false;
  return JSON.stringify(seen) === JSON.stringify(entry.guards(seen.map(({ path }) => path)));
}

function meetArm({ arm, writes, opId, refusal }: Met): unknown {
  const { desk, isWhole } = writes;
  const { entry, fields } = arm;
  const { ref } = entry;
  const kind = kindOf(refusal.code, arm);
  if (kind === null) return undefined;
  const clash = {
    kind,
    opId,
    ref,
    fields,
    base: arm.base && decodeStored(arm.base),
    mine: arm.after && decodeStored(arm.after),
    theirs: entry.server.value,
  };
  return meet(entry, { refusal, clash, desk }, (how) => {
    if (how === 'theirs') return undefined;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is no plain object the gate refuses
    const instead = how === 'mine' ? undefined : { set: how.value as RecordValue };
    const steps = writes.steps.map((step) => ({
      ref: step.ref,
      write: instead && step.ref.key === ref.key ? instead : step.write,
      options,
    }));
    return writeAll(new Writes(desk, isWhole), entry, steps);
  });
}

/** What is made once more is made on top of whatever there is. */
const options = { precondition: 'none' } as const;

/** Refusals of what was not on top of what it was made for. */
const clashes: readonly string[] = ['conflict', 'exists'];

/** Those of what has met somebody else's, or may have. */
const losses: ReadonlySet<string> = /* @__PURE__ */ new Set([
  ...clashes,
  'not_found',
  'invalid_value',
]);

/** What a refused write has met; null: nothing of anybody else. */
function kindOf(code: string, { entry, base, makes, seen }: Arm): Clash['kind'] | null {
  const { ref, server } = entry;
  // The server has left our version behind.
  if (code === 'invalid_value' && !isSameMajor(ref.record, server.version)) return 'schema';
  // What it was to change was there, and is not any more.
  const isGone = base !== undefined && !makes && server.value === undefined;
  if (isGone && losses.has(code)) return 'deleted';
  return seen.length > 0 && clashes.includes(code) ? 'precondition' : null;
}
