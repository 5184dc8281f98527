import type { LoggedOp } from '@holdfast/engine/authority';
import { type Codec, eventPayload, opTuple, type Seq } from '@holdfast/protocol';
import type { Audience } from './terms.ts';
import { frame, message } from './wire.ts';

const FRAME_OPS_MAX = 1000;
const FRAME_BYTES_MAX = 256 * 1024;

/** Parts of these ops, whole commits each, as much as one frame holds (stores.md §10.2.2). */
export function* partsOf(ops: readonly LoggedOp[]): Generator<readonly LoggedOp[]> {
  for (let start = 0; start < ops.length;) {
    const end = frameEnd(ops, start);
    yield start === 0 && end === ops.length ? ops : ops.slice(start, end);
    start = end;
  }
}

/** The bytes that move a channel from `cursor` over one part (stores.md §7.6, §10.2). */
export function encodePart(audience: Audience, cursor: Seq, part: readonly LoggedOp[]): Buffer {
  const { codec, topic, dialect } = audience;
  if (dialect === 4) {
    const to = part.at(-1)?.seq ?? cursor;
    const payload = { from_seq: cursor, to_seq: to, ops: part.map(opTuple) };
    return message(codec, [null, null, topic, 'events', payload]);
  }
  const frames = part.map((op) => message(codec, [null, null, topic, 'event', eventPayload(op)]));
  const [only] = frames;
  return frames.length === 1 && only !== undefined ? only : Buffer.concat(frames);
}

/** The end of a frame that starts at `start`: as many commits as fit, at least one, none of them split. */
function frameEnd(ops: readonly LoggedOp[], start: number): number {
  let bytes = 0;
  let end = start;
  while (end < ops.length) {
    const next = commitEnd(ops, end);
    for (let at = end; at < next; at += 1) bytes += roughBytes(ops[at]);
    if (end > start && (next - start > FRAME_OPS_MAX || bytes > FRAME_BYTES_MAX)) break;
    end = next;
  }
  return end;
}

/** The index after the commit that the op at `start` belongs to. */
function commitEnd(ops: readonly LoggedOp[], start: number): number {
  const first = ops[start];
  if (first === undefined || first.tx === null) return start + 1;
  return Math.min(ops.length, start + (first.tx - first.seq) + 1);
}

function roughBytes(op: LoggedOp | undefined): number {
  if (op === undefined) return 0;
  const { value } = op;
  const valueBytes =
    typeof value === 'string'
      ? value.length
      : typeof value === 'object' && value !== null
        ? JSON.stringify(value).length
        : 8;
  return 80 + op.path.length + valueBytes;
}

/** A frame around a payload that is JSON text already. */
export function frameJsonPayload(topic: string, event: string, payload: string): Buffer {
  return frame(`[null,null,${JSON.stringify(topic)},"${event}",${payload}]`);
}

/** Whether payloads of this codec can be shared as text. */
export function isJson(codec: Codec): boolean {
  return !codec.binary;
}
