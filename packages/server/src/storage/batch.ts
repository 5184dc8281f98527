import {
  type EpochMs,
  isObject,
  isPlainObject,
  type Json,
  type JsonObject,
  type OpId,
  type Path,
  type Seq,
  segmentsOf,
} from '@holdfast/protocol';
import type { Batch, FileContent, LoggedOp, Retention } from './port.ts';

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

/** How long uploads count as held, and free blobs are kept (stores.md §14.3, §14.4). */
export const fileGraceMs: number = 24 * 3_600_000;

/** For so long tokens are known that let nobody in by now. */
export const tokenGraceMs: number = 30 * 86_400_000;
/** How long a key is known that was given with a request (stores.md §15.3). */
export const keptKeysMs: number = 24 * 3_600_000;

/** How long attempts to deliver are listed (stores.md §17.5), … */
export const deliveryMs: number = 7 * 24 * 3_600_000;

/** … and how many of a webhook at most: more are never asked for (stores.md §15.2). */
export const deliveriesMax = 100;

/** How many devices of a store are known at most. */
export const devicesMax = 100_000;

/** How many make room together for one that is new: finding those used longest ago costs a look at all. */
export const devicesDropped = 1000;

/** Stands for the devices of a store that had to make room; no device can have this name. */
export const forgottenDevices = '';

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

const noFiles: readonly FileContent[] = [];

/** The contents that an op names, each once: in what it writes, and in what it removed (stores.md §14.3). */
export function filesOf({ value, removed }: LoggedOp): readonly FileContent[] {
  if (!isObject(value) && removed.length === 0) return noFiles;
  const found = new Map<string, FileContent>();
  collect(value, found);
  for (const entry of removed) if (entry.type === 'file') collect(entry.value, found);
  return [...found.values()];
}

/** What a file entry's value names; null if it is no file. */
export function contentOf(value: Json): FileContent | null {
  if (!isObject(value) || value['_type'] !== 'file') return null;
  const { hash, size } = value;
  return typeof hash === 'string' && typeof size === 'number' ? { hash, size } : null;
}

// Files are leaves: never inside an array (stores.md §3.1.3).
function collect(value: Json, found: Map<string, FileContent>): void {
  if (!isObject(value)) return;
  const content = contentOf(value);
  if (content !== null) found.set(content.hash, content);
  else for (const child of Object.values(value)) collect(child, found);
}
