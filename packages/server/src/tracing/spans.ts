import {
  type Context,
  context,
  type Link,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { isObject } from '@holdfast/protocol';

const traceparent = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Of the OpenTelemetry API: without an SDK, which is the application's, it does nothing. */
const tracer = trace.getTracer('@holdfast/server');

/** What a span is called. */
export type SpanName =
  | 'holdfast.upgrade'
  | 'holdfast.join'
  | 'holdfast.commit'
  | 'holdfast.fanout'
  | 'holdfast.http';

/** Starts a span below whatever is active; null where nobody records it, so that the rest costs nothing. */
export function startSpan(
  name: SpanName,
  how: { readonly kind?: SpanKind; readonly links?: Link[] } = {},
  parent: Context = context.active(),
): Span | null {
  const span = tracer.startSpan(name, how, parent);
  return span.isRecording() ? span : null;
}

/** Starts the span of a request from outside, below the `traceparent` that it brings. */
export function startServerSpan(
  name: SpanName,
  headers: { readonly [name: string]: string | string[] | undefined },
): Span | null {
  return startSpan(name, { kind: SpanKind.SERVER }, propagation.extract(context.active(), headers));
}

/** What a push says of the trace that it is part of (W3C Trace Context), if that is one. */
export function traceparentIn(payload: unknown): string | null {
  const said = isObject(payload) ? payload['traceparent'] : null;
  return typeof said === 'string' && traceparent.test(said) ? said : null;
}

/** The same of a span. */
export function traceparentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/** Starts the span of what a client caused, below the span that it names. */
export function startRemoteSpan(name: SpanName, said: string): Span | null {
  const [, traceId = '', spanId = '', flags = ''] = said.split('-');
  const remote = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return startSpan(name, {}, trace.setSpanContext(context.active(), remote));
}

/** Starts a span for what several others caused: below the first, linked to the rest; null if there are none. */
export function startJointSpan(name: SpanName, causes: readonly Span[]): Span | null {
  const [first, ...rest] = causes;
  if (first === undefined) return null;
  const links = rest.map((cause) => ({ context: cause.spanContext() }));
  return startSpan(name, { links }, trace.setSpan(context.active(), first));
}

/** Runs work with the span as the active one. */
export function within<T>(span: Span | null, work: () => T): T {
  return span === null ? work() : context.with(trace.setSpan(context.active(), span), work);
}

/** Ends a span; a refusal or failure is its status. */
export function endSpan(span: Span, failure: string | null = null): void {
  if (failure !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: failure });
  span.end();
}
