import { isObject } from '@holdfast/protocol';
import { demand, show } from './violation.ts';

/** A payload as it came; checks look into it freely. */
export type Payload = { readonly [field: string]: unknown };

/** A frame as the wire carries it. */
export type Frame = readonly [
  joinRef: string | null,
  ref: string | null,
  topic: string,
  event: string,
  payload: Payload,
];

/** The payload of a `phx_reply`. */
export type Reply = { readonly status: string; readonly response: Payload };

/** One op as it was heard, whatever the dialect. */
export type HeardOp = {
  readonly seq: number;
  readonly op: string;
  readonly path: string;
  readonly value: unknown;
  readonly device: string;
  readonly id: string;
  /** The last seq of its commit where that has several ops; capver 3 does not tell. */
  readonly tx: number | null;
};

/** Reads what was decoded as a frame; anything else is a violation (stores.md §7.2.1). */
export function asFrame(decoded: unknown): Frame {
  demand(Array.isArray(decoded) && decoded.length === 5, `not a frame of five: ${show(decoded)}`);
  const [joinRef, ref, topic, event, payload]: readonly unknown[] = decoded;
  const what = `in the frame ${show(decoded)}`;
  demand(isRef(joinRef) && isRef(ref), `refs must be strings or null ${what}`);
  demand(typeof topic === 'string', `the topic must be a string ${what}`);
  demand(typeof event === 'string', `the event must be a string ${what}`);
  demand(isObject(payload), `the payload must be an object ${what}`);
  return [joinRef, ref, topic, event, payload];
}

/** Reads the payload of a `phx_reply`. */
export function asReply([, , , event, payload]: Frame): Reply {
  const { status, response } = payload;
  demand(event === 'phx_reply', `expected a phx_reply, got ${event} ${show(payload)}`);
  demand(status === 'ok' || status === 'error', `a reply of status ${show(status)}`);
  demand(isObject(response), `a reply whose response is ${show(response)}`);
  return { status, response };
}

/** The ops in frames, in order: of `event` and of `events`. */
export function opsIn(frames: readonly Frame[]): readonly HeardOp[] {
  return frames.flatMap(([, , , event, payload]) => {
    if (event === 'event') return [legacyOp(payload)];
    return event === 'events' ? listOf(payload, 'ops').map(tupleOp) : [];
  });
}

/** A field that must be an array. */
export function listOf(payload: Payload, field: string): readonly unknown[] {
  const list = payload[field];
  demand(Array.isArray(list), `${field} must be an array in ${show(payload)}`);
  return list;
}

/** A field that must be an integer. */
export function integerOf(payload: Payload, field: string): number {
  const value = payload[field];
  demand(Number.isSafeInteger(value), `${field} must be an integer in ${show(payload)}`);
  return Number(value);
}

/** A field that must be a string. */
export function textOf(payload: Payload, field: string): string {
  const value = payload[field];
  demand(typeof value === 'string', `${field} must be a string in ${show(payload)}`);
  return value;
}

/** A value that must be an object. */
export function objectOf(value: unknown, what: string): Payload {
  demand(isObject(value), `${what} must be an object, not ${show(value)}`);
  return value;
}

function isRef(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}

function tupleOp(tuple: unknown): HeardOp {
  demand(Array.isArray(tuple) && tuple.length >= 6, `not an op: ${show(tuple)}`);
  const [seq, op, path, value, device, id, tx]: readonly unknown[] = tuple;
  const named = { seq, op, path, value, device, id };
  return { ...opOf(named), tx: typeof tx === 'number' ? tx : null };
}

function legacyOp(payload: Payload): HeardOp {
  const { store_seq: seq, op, path, value, device_id: device, client_op_id: id } = payload;
  return { ...opOf({ seq, op, path, value, device, id }), tx: null };
}

function opOf(named: Payload): Omit<HeardOp, 'tx'> {
  return {
    seq: integerOf(named, 'seq'),
    op: textOf(named, 'op'),
    path: textOf(named, 'path'),
    value: named['value'],
    device: textOf(named, 'device'),
    id: textOf(named, 'id'),
  };
}
