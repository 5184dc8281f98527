import { unreadable } from '../codec/codec.ts';
import { isObject } from '../json.ts';
import { type Refusal, refuse, refuseAs } from '../refusals.ts';

/** One frame of the wire, `[join_ref, ref, topic, event, payload]` (stores.md §7.2.1). */
export type Frame = {
  readonly joinRef: string | null;
  readonly ref: string | null;
  readonly topic: string;
  readonly event: string;
  readonly payload: unknown;
};

/** What a reply needs to find its request. */
export type Address = Pick<Frame, 'joinRef' | 'ref' | 'topic'>;

/** What came instead of a frame: nothing that can be answered, or a request to be answered with the refusal (§7.2.2). */
export type BadFrame =
  | { readonly kind: 'unreadable' }
  | (Address & { readonly kind: 'bad'; readonly refusal: Refusal });

/** Whether reading a frame failed. */
export function isBadFrame(frame: Frame | BadFrame): frame is BadFrame {
  return 'kind' in frame;
}

/** Reads a decoded frame; never throws, whatever it is given (stores.md §7.2.2). */
export function readFrame(decoded: unknown): Frame | BadFrame {
  if (!Array.isArray(decoded)) return { kind: 'unreadable' };
  const [joinRef, ref, topic, event, payload]: readonly unknown[] = decoded;
  if (typeof topic !== 'string' || !isRef(ref)) return { kind: 'unreadable' };
  const bad = (field: string): BadFrame => ({
    kind: 'bad',
    joinRef: isRef(joinRef) ? joinRef : null,
    ref,
    topic,
    refusal: refuse('invalid_payload', { field }),
  });
  if (!isRef(joinRef)) return bad('join_ref');
  if (typeof event !== 'string') return bad('event');
  if (!isObject(payload) || decoded.length !== 5) return bad('payload');
  const spoiled = unreadableField(payload);
  return spoiled === null ? { joinRef, ref, topic, event, payload } : bad(spoiled);
}

function isRef(ref: unknown): ref is string | null {
  return ref === null || typeof ref === 'string';
}

// `value` has a reason of its own, and `checkValue` gives it (stores.md §7.2.2).
function unreadableField(payload: { readonly [key: string]: unknown }): string | null {
  for (const key in payload) {
    if (payload[key] === unreadable && key !== 'value') return key;
  }
  return null;
}

/** The array that a codec encodes. */
export function frameTuple(
  frame: Frame,
): readonly [string | null, string | null, string, string, unknown] {
  return [frame.joinRef, frame.ref, frame.topic, frame.event, frame.payload];
}

/** The client's sign of life (stores.md §7.3). */
export function heartbeatFrame(ref: string): Frame {
  return { joinRef: null, ref, topic: 'phoenix', event: 'heartbeat', payload: {} };
}

/** The payload of a `phx_reply`. */
export type Reply =
  | { readonly status: 'ok'; readonly response: { readonly [field: string]: unknown } }
  | { readonly status: 'error'; readonly refusal: Refusal };

/** Reads the payload of a `phx_reply`; an error's response becomes its refusal. */
export function readReply(payload: unknown): Reply | Refusal {
  const { status, response } = isObject(payload) ? payload : { status: null, response: null };
  if (!isObject(response)) return refuse('invalid_payload', { field: 'response' });
  if (status === 'ok') return { status, response };
  return status === 'error'
    ? { status, refusal: readRefusal(response) }
    : refuse('invalid_payload', { field: 'status' });
}

/** Reads the `response` of an error reply. A reason that is not in the table keeps its name, and is final (stores.md §8). */
export function readRefusal(response: unknown): Refusal {
  const { reason, ...details } = isObject(response) ? response : {};
  return typeof reason === 'string'
    ? refuseAs(reason, details)
    : refuse('unknown_reason', { ...details, reason });
}
