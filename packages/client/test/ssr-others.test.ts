import { createClient } from '@holdfast/client';
import { records } from '@holdfast/client/records';
import { byTransport, InProcessTransport } from '@holdfast/client/records/transport';
import { dehydrate, hydrate } from '@holdfast/client/ssr';
import { views } from '@holdfast/client/views';
import { record } from '@holdfast/protocol';
import { app, createServer, stream, view } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { person } from './ssr-world.ts';

const Rate = record({
  name: 'rate',
  store: 'acme/rates',
  path: 'rates/:of',
  version: '1.0',
  schema: z.object({ value: z.number(), at: z.date().optional() }),
});

const nobody = { url: 'ws://nobody', token: 'nobody' };
const dead = { open: () => ({ send: () => undefined, close: () => undefined }) };

test('R252 envelopes of other transports are in a seed, dates included, and shown at once', async () => {
  const transport = new InProcessTransport();
  const plug = records([Rate], { delivery: byTransport({ transport }) });
  await using server = createClient({ ...nobody, link: dead, records: plug });
  const rate = server.record(Rate, { of: 'eur' });
  rate.retain();
  const value = { value: 1.5, at: new Date(7) };
  transport.publish(rate.key, { value, schema_version: '1.0', sequence: 4, incarnation: 'i' });
  const state = dehydrate(server);
  const other = records([Rate], { delivery: byTransport({ transport: new InProcessTransport() }) });
  await using browser = createClient({ ...nobody, link: dead, records: other });
  hydrate(browser, state);
  const shown = browser.record(Rate, { of: 'eur' });
  shown.retain();
  expect(shown.state.get()).toMatchObject({ value, sequence: 4, source: 'seed' });
});

test('V88 a view that a page was rendered from is shown at once, with the params that it was rendered with', async () => {
  const counter = view({
    name: 'Counter',
    params: z.object({ from: z.number() }),
    render: (_state, _h, { params }) => ({ count: params.from }),
  });
  const server = createServer({ storage: memory(), app: app({ views: [counter] }) });
  const principal = person('ada');
  const errors: unknown[] = [];
  const made = (): ReturnType<typeof createClient> =>
    createClient({
      ...server.inProcess(principal),
      views: views(),
      onError: (error) => errors.push(error),
    });
  await using drawing = made();
  const params = { from: 3 };
  const initialData = await server.renderOnce(counter, { params, principal });
  drawing.view('Counter', { params, initialData });
  const state = dehydrate(drawing);
  await using browser = made();
  hydrate(browser, state);
  expect(browser.view('Counter', { params }).proxy.$snapshot()).toEqual({ count: 3 });
  await using elsewhere = made();
  hydrate(elsewhere, state);
  const other = elsewhere.view('Counter', { params: { from: 4 } });
  expect(other.proxy.$snapshot()).toBeUndefined();
  expect((await other.ready).$snapshot()).toEqual({ count: 4 });
  const bad = { ...(JSON.parse(state) as object), views: [{ root: 'Counter:default' }, 7] };
  await using hostile = made();
  hydrate(hostile, bad);
  expect(errors).toMatchObject([{ code: 'invalid_seed' }, { code: 'invalid_seed' }]);
  expect((await hostile.view('Counter', { params }).ready).$snapshot()).toEqual({ count: 3 });
  await Promise.all([drawing, browser, elsewhere, hostile].map((each) => each.close()));
  await server.close({ retryAfterMs: 0 });
});

test('V88 a view that is mounted as a page is rendered is in its seed, streams and all, and no change that is not confirmed', async () => {
  const chat = view({
    name: 'Chat',
    streams: { log: stream<{ id: string; text: string }>({ limit: 5 }) },
    mount: (ctx) => {
      ctx.stream('log').reset([
        { id: '1', text: 'One' },
        { id: '2', text: '</script>' },
      ]);
    },
    render: (_state, h) => ({ topic: 'Ships', log: h.stream('log') }),
    commands: { rename: { run: () => undefined } },
  });
  const server = createServer({ storage: memory(), app: app({ views: [chat] }) });
  onTestFinished(() => server.close({ retryAfterMs: 0 }));
  const at = (): ReturnType<typeof createClient> =>
    createClient({ ...server.inProcess(person('ada')), views: views() });
  await using drawing = at();
  const shown = {
    topic: 'Ships',
    log: [
      { id: '1', text: 'One' },
      { id: '2', text: '</script>' },
    ],
  };
  const proxy = await drawing.view('Chat').ready;
  expect(proxy.$snapshot()).toEqual(shown);
  void proxy.$dispatch(
    'rename',
    {},
    { optimistic: (draft) => void Object.assign(Object(draft), { topic: 'Mine' }) },
  );
  expect(proxy.$snapshot()).toMatchObject({ topic: 'Mine' });
  const state = dehydrate(drawing);
  expect(state).not.toContain('Mine');
  expect(state).not.toContain('<');
  await using browser = createClient({ ...nobody, principal: 'ada', link: dead, views: views() });
  hydrate(browser, state);
  expect(browser.view('Chat').proxy.$snapshot()).toEqual(shown);
  await using joining = at();
  hydrate(joining, state);
  const handle = joining.view('Chat');
  const first = handle.proxy.$snapshot();
  await handle.ready;
  await expect.poll(() => handle.health.get().state).toBe('live');
  // What comes is the same: nothing on the screen is another object.
  expect(handle.proxy.$snapshot()).toBe(first);
});
