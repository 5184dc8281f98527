import {
  type EpochMs,
  isPlainObject,
  type Json,
  type JsonObject,
  type OpId,
  type Path,
  type Seq,
  segmentsOf,
} from '@holdfast/protocol';
import type { Batch, LoggedOp, Retention } from './port.ts';

/** The floors of stores.md §6.2 and §9.4. */
export const retentionFloor: Retention = {
  answersMs: 24 * 3_600_000,
  answers: 100_000,
  resyncMs: 90 * 24 * 3_600_000,
};

/** The retention asked for; a RangeError where it falls below a floor. */
export function retentionOf(asked: Partial<Retention> = {}): Retention {
  const retention = { ...retentionFloor, ...asked };
  for (const name of ['answersMs', 'answers', 'resyncMs'] as const) {
    if (retention[name] >= retentionFloor[name]) continue;
    throw new RangeError(
      `retention.${name} is ${retention[name]}; it must be at least ${retentionFloor[name]}.`,
    );
  }
  return retention;
}

/** How many dedupe records one append may forget: more than it adds, so that a backlog shrinks. */
export function pruneLimit(added: number): number {
  return 16 + 2 * added;
}

/** Whether a dedupe record of that time has had its day. */
export function isPastDay(at: EpochMs, now: EpochMs, retention: Retention): boolean {
  return at < now - retention.answersMs;
}

/** Refuses a batch that no authority may make: an empty one, or one whose seqs do not follow the expected head. */
export function checkBatch(expected: Seq, batch: Batch): Seq {
  if (batch.ops.length === 0) throw new RangeError('A batch holds at least one op.');
  let seq = expected;
  for (const op of batch.ops) {
    seq += 1;
    if (op.seq !== seq) throw new RangeError(`An op has seq ${op.seq}; ${seq} was expected.`);
  }
  return seq;
}

/**
 * Splits an op id `device:session:counter` (records.md §11.2) at its last colon; null for ids of another shape. It takes
 * every run of digits for a counter: too many highs cost a lookup, one too few would let a repeat pass as new.
 */
export function splitOpId(
  opId: OpId,
): { readonly client: string; readonly counter: number } | null {
  const colon = opId.lastIndexOf(':');
  const digits = opId.length - colon - 1;
  if (colon < 1 || digits < 1 || digits > 16) return null;
  let counter = 0;
  for (let i = colon + 1; i < opId.length; i++) {
    const digit = opId.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return null;
    counter = counter * 10 + digit;
  }
  return Number.isSafeInteger(counter) ? { client: opId.slice(0, colon), counter } : null;
}

/** Whether the op removed leaves that it did not write again, and so leaves a clear marker (stores.md §9.4.2). */
export function clears(op: LoggedOp): boolean {
  return op.removed.some(({ path }) => !writes(op, path));
}

function writes(op: LoggedOp, path: Path): boolean {
  if (op.op === 'delete' || op.op === 'release') return false;
  if (op.op !== 'set' && op.op !== 'merge') return path === op.path;
  const depth = segmentsOf(op.path).length;
  let value: Json | undefined = op.value;
  for (const segment of segmentsOf(path).slice(depth)) {
    value = value !== undefined && isPlainObject(value) ? ownOf(value, segment) : undefined;
  }
  return value !== undefined && !isMap(value);
}

function ownOf(value: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

/** A non-empty plain object is not a leaf (stores.md §3.1.2). */
function isMap(value: Json): boolean {
  return isPlainObject(value) && Object.keys(value).length > 0;
}
