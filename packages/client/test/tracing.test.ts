import { AsyncLocalStorage } from 'node:async_hooks';
import { messagePack } from '@holdfast/client/codec/messagepack';
import { traced } from '@holdfast/client/tracing';
import { type Client, type ClientOptions, createClient, type Store } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import { passthrough, record } from '@holdfast/protocol';
import { createServer } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { type Context, context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { issue } from './token.ts';

const exporter = new InMemorySpanExporter();
trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
);
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
});

async function open(): Promise<(options?: Partial<ClientOptions>) => Client> {
  const server = createServer({ storage: memory(), rates: false });
  const { url } = await server.listen();
  await server.stores.create('acme/app');
  const { rawToken: token } = await issue(server);
  const clients: Client[] = [];
  onTestFinished(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await server.close({ retryAfterMs: 0 });
  });
  return (options = {}) => {
    const client = createClient(traced({ url, token, ...options }));
    clients.push(client);
    return client;
  };
}

const named = (name: string): ReadableSpan[] =>
  exporter.getFinishedSpans().filter((span) => span.name === name);
const idOf = (span: ReadableSpan | undefined) => span?.spanContext().spanId;
const traceOf = (span: ReadableSpan | undefined) => span?.spanContext().traceId;
const parentOf = (span: ReadableSpan | undefined) => span?.parentSpanContext?.spanId;

/** Two clients of the same store. */
async function pair(options: Partial<ClientOptions>): Promise<{ writer: Store; reader: Store }> {
  const client = await open();
  const writer = client(options).store('acme/app');
  const reader = client(options).store('acme/app');
  await Promise.all([writer.ready, reader.ready]);
  return { writer, reader };
}

test.each([
  ['JSON', () => ({})],
  ['MessagePack', () => ({ codec: messagePack() })],
] as const)(
  'one trace goes from a write to the callback of another client, through the server: %s',
  async (_name, options) => {
    const { writer, reader } = await pair(options());
    const tracer = trace.getTracer('application');
    const called = new Promise<void>((resolve) => {
      reader.on('a', () => {
        tracer.startSpan('callback').end();
        resolve();
      });
    });
    const root = tracer.startSpan('click');
    const write = context.with(trace.setSpan(context.active(), root), () => writer.put('a', 1));
    await Promise.all([write.committed, called]);
    root.end();
    await expect.poll(() => named('holdfast.receive').length).toBeGreaterThanOrEqual(2);
    const { traceId, spanId } = root.spanContext();
    const [made] = named('holdfast.write');
    const [commit] = named('holdfast.commit');
    const [callback] = named('callback');
    const receives = named('holdfast.receive');
    expect(parentOf(made)).toBe(spanId);
    expect(parentOf(commit)).toBe(idOf(made));
    expect(new Set(receives.map(parentOf))).toEqual(new Set([idOf(commit)]));
    expect(receives.map(idOf)).toContain(parentOf(callback));
    const all = [made, commit, callback, ...receives];
    expect(new Set(all.map(traceOf))).toEqual(new Set([traceId]));
    expect(made?.attributes).toMatchObject({
      'holdfast.store': 'acme/app',
      'holdfast.client_op_id': write.opId,
      'holdfast.op': 'set',
    });
    expect(receives[0]?.attributes).toEqual({ 'holdfast.store': 'acme/app', 'holdfast.seq': 1 });
  },
);

test('a write that goes by HTTP names its trace there', async () => {
  const client = await open();
  const traces: (string | null)[] = [];
  const fetchOf = (url: string, init: RequestInit): Promise<Response> => {
    if (url.endsWith('/transact')) traces.push(new Headers(init.headers).get('traceparent'));
    return fetch(url, init);
  };
  const delivery = byTransport({ transport: new InProcessTransport() });
  const plug = records([], { delivery });
  const store = client({ env: { fetch: fetchOf }, records: plug }).store('acme/app', { scope: [] });
  await store.put('a', 1).committed;
  const [made] = named('holdfast.write');
  expect(traces).toEqual([`00-${traceOf(made)}-${idOf(made)}-01`]);
});

test('a write that is refused for good ends its span with why, and its event tells of no trace', async () => {
  const client = await open();
  const store = client().store('acme/app', { scope: [] });
  await expect(store.put('a', 1, { ifMatch: 9 }).committed).rejects.toThrow('conflict');
  expect(named('holdfast.write')[0]?.status).toMatchObject({ message: 'conflict' });
  expect(named('holdfast.receive')).toEqual([]);
});

test('a transaction is one trace, whatever part of it a client sees', async () => {
  const client = await open();
  const writer = client().store('acme/app');
  const part = client().store('acme/app', { scope: ['x/**'] });
  await Promise.all([writer.ready, part.ready]);
  await writer.transact((tx) => {
    tx.put('x/a', 1);
    tx.put('y/b', 2);
  }).committed;
  await expect.poll(() => part.get('x/a')).toBe(1);
  await expect.poll(() => named('holdfast.receive').length).toBe(2);
  const [made] = named('holdfast.write');
  expect(made?.attributes['holdfast.op']).toBe('transact');
  for (const span of named('holdfast.receive')) {
    expect(traceOf(span)).toBe(traceOf(made));
    expect(span.attributes['holdfast.seq']).toBe(2);
  }
});

const User = record({
  name: 'user',
  store: 'acme/app',
  path: 'users/:id',
  version: '1.0',
  schema: passthrough<{ name: string }>(),
});

test('who traces hears of writes as the application does', async () => {
  const client = await open();
  const made: string[] = [];
  const own = client({
    onWrite: ({ opId }) => made.push(opId),
    records: records([User]),
  });
  const write = own.store('acme/app').put('a', 1);
  await write.committed;
  // Those of records are writes like any others.
  const user = own.record(User, { id: '1' }).set({ name: 'ada' });
  await user.committed;
  expect(made).toEqual([write.opId, user.opId]);
});
