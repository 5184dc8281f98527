import {
  type Codec,
  isObject,
  jsonCodec,
  type OpId,
  readRefusal,
  type Refusal,
  refuse,
} from '@holdfast/protocol';
import {
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import type { Line } from './records/plug.ts';
import { webSocketLink } from './link/websocket.ts';
import type { Link, LinkEvents } from './link/port.ts';
import type { ClientOptions, MadeWrite } from './options.ts';

/** Of the OpenTelemetry API: without an SDK, which is the application's, it does nothing. */
const tracer = trace.getTracer('@holdfast/client');
/** Spans of writes that wait for their answers; the oldest ends early where there are more. */
const openMax = 10_000;
/** Spans that one frame begins. */
const framesMax = 32;
const syntax = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/**
 * Options of a client whose writes and events are spans: `holdfast.write`, below what is active where the write is made and
 * until it is decided; and, below that of whoever wrote, `holdfast.receive`, which is active while subscribers are called.
 */
export function traced(options: ClientOptions): ClientOptions {
  const { codec = jsonCodec, webSocket: _, ...rest } = options;
  const spans = new Spans(codec);
  return {
    ...rest,
    ...throughOf(options, spans),
    codec: spans.codec,
    onWrite: (write) => {
      spans.made(write);
      options.onWrite?.(write);
    },
  };
}

/** The frames of the link that the client would have; records may bring one of their own (records.md §8.1.6). */
function throughOf(
  { link, records, webSocket }: ClientOptions,
  spans: Spans,
): Pick<ClientOptions, 'link' | 'records' | 'webSocket'> {
  if (link !== undefined || records?.link === undefined) {
    return { link: spans.through(link ?? webSocketLink({ webSocket })) };
  }
  const own = records.link;
  const through = { ...records, link: (line: Line) => spans.through(own(line)) };
  return { records: through, ...(webSocket !== undefined && { webSocket }) };
}

/** What a client is doing, seen from its frames. */
class Spans {
  readonly codec: Codec;
  readonly #inner: Codec;
  readonly #writes = new Map<OpId, Span>();
  /** The writes of the pushes of this connection that are not answered, by ref. */
  readonly #pushes = new Map<string, OpId>();

  constructor(inner: Codec) {
    this.#inner = inner;
    this.codec = {
      vsn: inner.vsn,
      binary: inner.binary,
      encode: (frame) => inner.encode(this.#sent(frame)),
      decode: (data) => this.#heard(inner.decode(data)),
    };
  }

  made({ store, opId, request }: MadeWrite): void {
    const attributes = {
      'holdfast.store': store,
      'holdfast.client_op_id': opId,
      'holdfast.op': request.op,
    };
    const span = tracer.startSpan('holdfast.write', { kind: SpanKind.PRODUCER, attributes });
    if (!span.isRecording()) return;
    this.#writes.set(opId, span);
    for (const [oldest, first] of this.#writes) {
      if (this.#writes.size <= openMax) break;
      this.#writes.delete(oldest);
      first.end();
    }
  }

  through(link: Link): Link {
    return {
      open: (url, events) => {
        this.#pushes.clear();
        return link.open(url, {
          opened: () => events.opened(),
          received: (data) => this.#received(data, events),
          closed: (code) => events.closed(code),
        });
      },
    };
  }

  /** A push that carries a write names the span of that. */
  #sent(frame: unknown): unknown {
    if (!Array.isArray(frame) || this.#writes.size === 0) return frame;
    const [joinRef, ref, topic, event, payload]: readonly unknown[] = frame;
    const opId = isObject(payload) ? payload['client_op_id'] : null;
    const span = typeof opId === 'string' ? this.#writes.get(opId) : undefined;
    if (span === undefined || typeof opId !== 'string' || !isObject(payload)) return frame;
    if (typeof ref === 'string') this.#pushes.set(ref, opId);
    return [joinRef, ref, topic, event, { ...payload, traceparent: traceparentOf(span) }];
  }

  #heard(frame: unknown): unknown {
    if (this.#pushes.size === 0 || !Array.isArray(frame) || frame[3] !== 'phx_reply') return frame;
    const [, ref, , , payload]: readonly unknown[] = frame;
    const opId = this.#pushes.get(String(ref));
    if (opId !== undefined && isObject(payload)) {
      this.#pushes.delete(String(ref));
      const isOk = payload['status'] === 'ok';
      this.#answered(opId, isOk ? null : refusalIn(payload['response']));
    }
    return frame;
  }

  #answered(opId: OpId, refusal: Refusal | null): void {
    const span = this.#writes.get(opId);
    if (refusal?.retry === 'later') {
      span?.addEvent('holdfast.refused', { 'holdfast.reason': refusal.code });
      return;
    }
    this.#writes.delete(opId);
    if (refusal !== null) span?.setStatus({ code: SpanStatusCode.ERROR, message: refusal.code });
    span?.end();
  }

  /** What a frame brings about happens below the trace that it tells of. */
  #received(data: string | Uint8Array, events: LinkEvents): void {
    const spans = mentionsTraces(data) ? this.#begin(data) : [];
    const [first] = spans;
    if (first === undefined) return events.received(data);
    context.with(trace.setSpan(context.active(), first), () => events.received(data));
    // Subscribers are called right behind this.
    queueMicrotask(() => spans.forEach((span) => span.end()));
  }

  #begin(data: string | Uint8Array): readonly Span[] {
    const [, , topic, , payload] = tupleIn(this.#inner, data);
    const traces = isObject(payload) ? payload['traces'] : null;
    if (!isObject(traces)) return [];
    return Object.entries(traces)
      .slice(0, framesMax)
      .flatMap(([seq, said]) => {
        const parent = contextOf(said);
        if (parent === null) return [];
        const attributes = {
          'holdfast.store': String(topic).slice('store:'.length),
          'holdfast.seq': Number(seq),
        };
        const how = { kind: SpanKind.CONSUMER, attributes };
        return [tracer.startSpan('holdfast.receive', how, parent)];
      });
  }
}

function traceparentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

function contextOf(said: unknown): Context | null {
  const [, traceId, spanId, flags] = syntax.exec(String(said)) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  const remote = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return trace.setSpanContext(ROOT_CONTEXT, remote);
}

const word = new TextEncoder().encode('traces');
const [first = 0] = word;

/** Whether a frame may tell of traces; only then it is worth a look inside. */
function mentionsTraces(data: string | Uint8Array): boolean {
  if (typeof data === 'string') return data.includes('"traces":{');
  for (let at = data.indexOf(first); at !== -1; at = data.indexOf(first, at + 1)) {
    if (word.every((byte, index) => data[at + index] === byte)) return true;
  }
  return false;
}

function tupleIn(codec: Codec, data: string | Uint8Array): readonly unknown[] {
  try {
    const frame = codec.decode(data);
    return Array.isArray(frame) ? frame : [];
  } catch {
    return [];
  }
}

function refusalIn(response: unknown): Refusal {
  return isObject(response) ? readRefusal(response) : refuse('internal_error');
}
