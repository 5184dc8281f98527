import type { DeviceId, OpId, Path, Seq } from '../brand.ts';
import { isObject, type Json } from '../json.ts';
import { isOpName, type Op, type OpName } from '../op.ts';
import { isWirePath, segmentsOf } from '../path.ts';
import { isRefusal, type Refusal } from '../refusals.ts';
import { invalidField, isCount, isJson, isString, orNull } from '../shape.ts';

/** An op as it travels: what a replica needs of it (stores.md §10.2). */
export type WireOp = Pick<Op, 'seq' | 'op' | 'path' | 'value' | 'deviceId' | 'clientOpId' | 'tx'>;

/** An op within `events`; `tx` is absent for a commit of one op (stores.md §10.2). */
export type OpTuple =
  | readonly [Seq, OpName, Path, Json, DeviceId, OpId]
  | readonly [Seq, OpName, Path, Json, DeviceId, OpId, Seq];

/** The payload of `events`, read: it moves the cursor from `fromSeq` (exclusive) to `toSeq` (stores.md §10.2). */
export type Events = {
  readonly fromSeq: Seq;
  readonly toSeq: Seq;
  readonly ops: readonly WireOp[];
};

/** The payload of a capver-3 `event` (stores.md §7.6.1). */
export type EventPayload = {
  readonly store_seq: Seq;
  readonly op: OpName;
  readonly path: Path;
  readonly path_segments: readonly string[];
  readonly value: Json;
  readonly device_id: DeviceId;
  readonly client_op_id: OpId;
};

/** An op as `events` carries it. */
export function opTuple(op: WireOp): OpTuple {
  const { seq, op: name, path, value, deviceId, clientOpId, tx } = op;
  return tx === null
    ? [seq, name, path, value, deviceId, clientOpId]
    : [seq, name, path, value, deviceId, clientOpId, tx];
}

/** An op as the `event` of a capver-3 channel. */
export function eventPayload(op: WireOp): EventPayload {
  return {
    store_seq: op.seq,
    op: op.op,
    path: op.path,
    path_segments: segmentsOf(op.path),
    value: op.value,
    device_id: op.deviceId,
    client_op_id: op.clientOpId,
  };
}

/** Reads `events`; ops that do not ascend within the frame's range are refused (stores.md §10.2.1, §18 C9). */
export function readEvents(payload: unknown): Events | Refusal {
  if (!isObject(payload)) return invalidField('payload');
  const { from_seq: fromSeq, to_seq: toSeq, ops: tuples } = payload;
  if (!isCount(fromSeq)) return invalidField('from_seq');
  if (!isCount(toSeq) || toSeq < fromSeq) return invalidField('to_seq');
  if (!Array.isArray(tuples)) return invalidField('ops');
  const ops: WireOp[] = [];
  let last = fromSeq;
  for (const tuple of tuples) {
    const op = readOp(tuple);
    if (isRefusal(op)) return op;
    if (op.seq <= last || op.seq > toSeq) return invalidField('ops');
    last = op.seq;
    ops.push(op);
  }
  return { fromSeq, toSeq, ops };
}

function readOp(tuple: unknown): WireOp | Refusal {
  if (!Array.isArray(tuple)) return invalidField('ops');
  const [seq, op, path, value, deviceId, clientOpId, tx = null]: readonly unknown[] = tuple;
  if (!isCount(seq) || !isOpName(op) || !isWirePath(path)) return invalidField('ops');
  if (!isJson(value) || (op === 'merge' && !isObject(value))) return invalidField('ops');
  if (!isString(deviceId) || !isString(clientOpId) || !isSeqOrNull(tx)) return invalidField('ops');
  return { seq, op, path, value, deviceId, clientOpId, tx };
}

const isSeqOrNull = orNull(isCount);
