import { type OpId, type RecordValue, type Refusal, RejectedError } from '@holdfast/protocol';
import { decodeStored } from '@holdfast/protocol/record';
import { isSameMajor } from '@holdfast/engine/record';
import { type Clash, meet } from './conflict.ts';
import type { RecordEntry } from './delivery.ts';
import type { RecordReceipt } from './types.ts';
import { type Arm, type Step, Writes } from './writes.ts';

/** A refused write, and the record that the refusal is about. */
export type Met = {
  readonly arm: Arm;
  readonly writes: Writes;
  readonly opId: OpId;
  readonly refusal: Refusal;
  /** Makes them once more. */
  readonly again: (
    writes: Writes,
    entry: RecordEntry,
    steps: readonly Step[],
  ) => RecordReceipt<unknown>;
};

/** What a write has met, once that is here: a row of another's may come after the refusal. */
export function onceHere(met: Met): unknown {
  const { arm, refusal } = met;
  const { entry } = arm;
  const isLate = (): boolean =>
    entry.opened !== null &&
    // What is loading: what was made here, or was a row of a query, is on its way by itself.
    (entry.state.get().status.endsWith('ing') ||
      (clashes.has(refusal.code) && isBehind(arm, refusal)));
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

function meetArm({ arm, writes, opId, refusal, again }: Met): unknown {
  const { desk, isWhole } = writes;
  const { entry, fields, after } = arm;
  const { ref } = entry;
  const isNothing = (): boolean => entry.server.value === undefined;
  if (arm.rests && isNothing() && clashes.has(refusal.code)) {
    return new RejectedError('not_found', { path: ref.path });
  }
  const kind = kindOf(refusal.code, arm);
  if (kind === null) return undefined;
  const clash = {
    kind,
    opId,
    ref,
    fields,
    base: arm.base && decodeStored(arm.base),
    mine: after && decodeStored(after),
    theirs: entry.server.value,
  };
  return meet(entry, { refusal, clash, desk }, (how) => {
    if (how === 'theirs') return undefined;
    // Where there is nothing any more to make it on top of, mine is all of it.
    const isAll = how !== 'mine' || (after !== undefined && isNothing());
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what is no plain object the gate refuses
    const instead = { set: (how === 'mine' ? clash.mine : how.value) as RecordValue };
    const steps = writes.steps.map((step) => ({
      ref: step.ref,
      write: isAll && step.ref.key === ref.key ? instead : step.write,
      options,
    }));
    const anew = new Writes(desk, isWhole);
    anew.fences.push(...writes.fences);
    return again(anew, entry, steps);
  });
}

/** What is made once more is made on top of whatever there is. */
const options = { precondition: 'none' } as const;

/** Refusals of what was not on top of what it was made for. */
const clashes: ReadonlySet<string> = new Set(['conflict', 'exists']);

/** What a refused write has met; null: nothing of anybody else. */
function kindOf(code: string, { entry, base, makes, seen }: Arm): Clash['kind'] | null {
  const { ref, server } = entry;
  // The server has left our version behind.
  if (code === 'invalid_value' && !isSameMajor(ref.record, server.version)) return 'schema';
  // What it was to change was there, and is not any more.
  const isGone = base !== undefined && !makes && server.value === undefined;
  if (isGone) return 'deleted';
  return seen.length > 0 && clashes.has(code) ? 'precondition' : null;
}
