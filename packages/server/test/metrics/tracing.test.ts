import { AsyncLocalStorage } from 'node:async_hooks';
import { type Context, context, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { put } from '../conversation/talk.ts';
import { set, topic, world } from '../conversation/world.ts';

const exporter = new InMemorySpanExporter();
trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
);
propagation.setGlobalPropagator({
  inject: () => undefined,
  fields: () => ['traceparent'],
  extract: (ctx, carrier, getter) => {
    const [, traceId, spanId] = String(getter.get(carrier, 'traceparent')).split('-');
    if (traceId === undefined || spanId === undefined) return ctx;
    return trace.setSpanContext(ctx, { traceId, spanId, traceFlags: 1, isRemote: true });
  },
});
const storage = new AsyncLocalStorage<Context>();
context.setGlobalContextManager({
  active: () => storage.getStore() ?? ROOT_CONTEXT,
  with: (ctx, fn, thisArg, ...args) => storage.run(ctx, () => fn.apply(thisArg as never, args)),
  bind: (_ctx, target) => target,
  enable() {
    return this;
  },
  disable() {
    return this;
  },
});

beforeEach(() => exporter.reset());
afterAll(() => {
  trace.disable();
  context.disable();
  propagation.disable();
});

function spans(name: string): ReadableSpan[] {
  return exporter.getFinishedSpans().filter((span) => span.name === name);
}

test('a trace goes from an HTTP request by its commit to the fan-out', async () => {
  const { url, joined } = await world();
  const reader = await joined();
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  await fetch(`${url}/api/stores/demo/main/entries/a`, {
    method: 'PUT',
    headers: {
      Authorization: 'Bearer dev',
      'Content-Type': 'application/json',
      traceparent: `00-${traceId}-b7ad6b7169203331-01`,
    },
    body: '1',
  });
  await reader.until(([, , , event]) => event === 'events');
  const [http] = spans('PUT /api/stores/:org/:store/entries/*');
  const [commit] = spans('holdfast.commit');
  const [fanout] = spans('holdfast.fanout');
  for (const span of [http, commit, fanout]) expect(span?.spanContext().traceId).toBe(traceId);
  expect(commit?.parentSpanContext?.spanId).toBe(http?.spanContext().spanId);
  expect(fanout?.parentSpanContext?.spanId).toBe(commit?.spanContext().spanId);
  expect(commit?.attributes).toMatchObject({ 'holdfast.store': 'demo/main', 'holdfast.seq': 1 });
});

test('upgrades, joins and writes of sockets have spans; a refusal is told as one, and no path or value is in them', async () => {
  const { joined, connect } = await world();
  const peer = await joined({ device: 'd1' });
  await put(peer, 'secret', 'value');
  await peer.ask(topic, 'write', set('secret', 'value', 'refused', { if_match: 9 }));
  await expect(connect({ token: 'wrong' })).rejects.toThrow('403');
  expect(spans('holdfast.upgrade').map(({ status }) => status.message)).toEqual([
    undefined,
    'unauthorized',
  ]);
  expect(spans('holdfast.join')).toMatchObject([{ attributes: { 'holdfast.joined': true } }]);
  expect(spans('holdfast.commit')).toMatchObject([
    { attributes: { 'holdfast.device_id': 'd1', 'holdfast.seq': 1 } },
    { attributes: { 'holdfast.client_op_id': 'refused' }, status: { message: 'conflict' } },
  ]);
  const told = JSON.stringify(exporter.getFinishedSpans().map(({ attributes }) => attributes));
  expect(told).not.toMatch(/secret|value|dev"/);
});

test('commits that share a fan-out are all linked to it', async () => {
  const { joined } = await world();
  const peer = await joined();
  const refs = ['a', 'b', 'c'].map((id) => peer.push(topic, 'write', set(id, 1, `joint-${id}`)));
  for (const ref of refs) expect((await peer.reply(ref)).status).toBe('ok');
  const joint = spans('holdfast.fanout');
  const parents = joint.map(({ parentSpanContext }) => parentSpanContext?.spanId ?? '');
  const linked = joint.flatMap(({ links }) => links.map((link) => link.context.spanId));
  const commits = spans('holdfast.commit').map((span) => span.spanContext().spanId);
  expect(commits.length).toBe(3);
  expect(new Set([...parents, ...linked])).toEqual(new Set(commits));
});
