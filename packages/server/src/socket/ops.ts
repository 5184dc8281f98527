import type { LoggedOp } from '@holdfast/engine/authority';
import {
  type Codec,
  eventPayload,
  flatten,
  isPlainObject,
  opTuple,
  type Path,
  type Seq,
} from '@holdfast/protocol';
import type { Traces } from '../host/requests.ts';
import type { Audience } from './terms.ts';
import { frame, message, roughBytesOf } from './wire.ts';

const FRAME_OPS_MAX = 1000;
/** Less than stores.md §10.2.2 allows: what is escaped in JSON is longer than it was counted. */
const FRAME_BYTES_MAX = 200 * 1024;

/** Above either, a commit reaches capver-4 channels as the state after it (stores.md §10.3.5). */
const COMMIT_OPS_MAX = 10_000;
const COMMIT_BYTES_MAX = 4 * 1024 * 1024;

/** What one frame carries, and the seq that it takes a channel to. */
export type Part = {
  readonly ops: readonly LoggedOp[];
  readonly to: Seq;
  /** A single commit too large for a frame. */
  readonly isLarge: boolean;
};

/**
 * Ops of the log up to `to`, those out of scope left out, in parts: whole commits each, as much as one frame holds
 * (stores.md §10.2.2). No parts where there are no ops.
 */
export function* partsOf(ops: readonly LoggedOp[], to: Seq): Generator<Part> {
  for (let start = 0; start < ops.length;) {
    const { end, isLarge } = frameEnd(ops, start);
    const isLast = end === ops.length;
    const last = ops[end - 1];
    yield {
      ops: start === 0 && isLast ? ops : ops.slice(start, end),
      to: isLast ? to : (last?.tx ?? last?.seq ?? to),
      isLarge,
    };
    start = end;
  }
}

/** The bytes that move a channel from `cursor` over one part (stores.md §7.6, §10.2). */
export function encodePart(
  audience: Audience,
  cursor: Seq,
  { ops, to, traces }: Pick<Part, 'ops' | 'to'> & { readonly traces?: Traces },
): Buffer {
  const { codec, topic, dialect } = audience;
  if (dialect === 4) {
    const told = tracesAmong(ops, traces);
    const payload = { from_seq: cursor, to_seq: to, ops: ops.map(opTuple), ...told };
    return message(codec, [null, null, topic, 'events', payload]);
  }
  const frames = ops.map((op) => message(codec, [null, null, topic, 'event', eventPayload(op)]));
  const [only] = frames;
  return frames.length === 1 && only !== undefined ? only : Buffer.concat(frames);
}

/** Of which traces the commits are that a frame holds a part of; nothing where nobody traces. */
function tracesAmong(ops: readonly LoggedOp[], traces?: Traces): object | null {
  if (traces === undefined || traces.size === 0) return null;
  const named = ops.flatMap(({ tx, seq }) => {
    const trace = traces.get(tx ?? seq);
    return trace === undefined ? [] : [[tx ?? seq, trace]];
  });
  return named.length === 0 ? null : { traces: Object.fromEntries(named) };
}

/** The end of a frame that starts at `start`: as many commits as fit, at least one, none of them split. */
function frameEnd(
  ops: readonly LoggedOp[],
  start: number,
): { readonly end: number; readonly isLarge: boolean } {
  let bytes = 0;
  let end = start;
  while (end < ops.length) {
    const next = commitEnd(ops, end);
    for (let at = end; at < next; at += 1) bytes += roughBytes(ops[at]);
    if (end > start && (next - start > FRAME_OPS_MAX || bytes > FRAME_BYTES_MAX)) break;
    end = next;
    const isLarge = next - start > COMMIT_OPS_MAX || bytes > COMMIT_BYTES_MAX;
    if (isLarge) return { end, isLarge };
  }
  return { end, isLarge: false };
}

/** The index after the commit that the op at `start` belongs to; ops of it may be missing. */
function commitEnd(ops: readonly LoggedOp[], start: number): number {
  const tx = ops[start]?.tx ?? null;
  let end = start + 1;
  if (tx === null) return end;
  while (ops[end]?.tx === tx) end += 1;
  return end;
}

function roughBytes(op: LoggedOp | undefined): number {
  if (op === undefined) return 0;
  const { path, value, deviceId, clientOpId } = op;
  return 60 + deviceId.length + clientOpId.length + Buffer.byteLength(path) + roughBytesOf(value);
}

/** A frame around a payload that is JSON text already. */
export function frameJsonPayload(
  { topic, codec }: Pick<Audience, 'topic' | 'codec'>,
  event: string,
  payload: string,
): Buffer {
  return frame(codec, `[null,null,${JSON.stringify(topic)},"${event}",${payload}]`);
}

/** Whether payloads of this codec can be shared as text. */
export function isJson(codec: Codec): boolean {
  return !codec.binary;
}

/** The path of an op, and of the leaves that it wrote. */
export function* writtenBy({ op, path, value }: LoggedOp): Generator<Path> {
  yield path;
  if ((op !== 'set' && op !== 'merge') || !isPlainObject(value)) return;
  for (const [leaf] of flatten(path, value)) yield leaf;
}

/** The paths that an op wrote, and those of the leaves that vanished by it. */
export function touchedBy(op: LoggedOp): readonly Path[] {
  return [...writtenBy(op), ...op.removed.map(({ path }) => path)];
}
