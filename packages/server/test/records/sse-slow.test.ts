import { passthrough, record } from '@holdfast/protocol';
import type { SseOptions } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import { world } from '../conversation/world.ts';
import { eventsOf, post } from './sse-reader.ts';

const Page = record({
  name: 'page',
  store: 'demo/main',
  path: 'pages/:id',
  version: '1.0',
  schema: passthrough<{ readonly text: string }>(),
});
const keyOf = (id: string): string => `rec/demo/main/pages/${id}`;

/** Pages that together are more than is kept for who reads nothing. */
const ids = Array.from({ length: 24 }, (_, n) => String(n + 1));
const last = '24';
const long = 'x'.repeat(60_000);

async function site(options: SseOptions) {
  const clock = new VirtualClock();
  const { server } = await world({ clock, storage: memory({ now: clock.wall }) });
  const pages = server.record(Page);
  for (const id of ids) await pages.write({ id }, { set: { text: `${id}${long}` } });
  const handler = server.syncHandler(options);
  const ask = (method: 'GET' | 'POST', path: string, init: RequestInit): Promise<Response> => {
    const abort = new AbortController();
    onTestFinished(() => abort.abort());
    const request = new Request(`http://x/${path}`, { ...init, signal: abort.signal });
    return handler[method](request, { principal: { subject: 'eve' }, now: 0 });
  };
  const open = (): Promise<Response> =>
    ask('POST', 'stream', post(ids.map((id) => ({ key: keyOf(id) }))));
  return { clock, pages, ask, open };
}

test('R219 R238 given a slow reader of the first answers, when it may read an object no more, then of that it is told no value', async () => {
  const denied = new Set<string>();
  const { clock, pages, open } = await site({
    authorize: (_ctx, key) => !denied.has(key),
  });
  const events = eventsOf(await open());
  denied.add(keyOf(last));
  await clock.pass(5000);
  await pages.write({ id: last }, { set: { text: 'not heard' } });
  await pages.write({ id: '1' }, { set: { text: 'heard' } });
  for (const id of ids.slice(0, -1)) {
    expect(await events()).toMatchObject({ data: { key: keyOf(id), type: 'snapshot' } });
  }
  const answer = { key: keyOf(last), type: 'denied', reason: 'denied' };
  expect(await events()).toMatchObject({ event: 'answer', data: answer });
  expect(await events()).toMatchObject({ event: 'ready' });
  expect(await events()).toMatchObject({ event: 'answer', data: answer });
  expect(await events()).toMatchObject({
    event: 'sync',
    data: { key: keyOf('1'), envelope: { value: { text: 'heard' } } },
  });
});

test('R250 given a slow reader of the first answers, when more than a MiB is committed meanwhile, then its stream ends', async () => {
  const { pages, open } = await site({ authorize: 'public' });
  const events = eventsOf(await open());
  for (const id of ids) await pages.write({ id }, { set: { text: `again ${long}` } });
  const read = async (): Promise<void> => {
    for (;;) await events();
  };
  await expect(read()).rejects.toThrow('the stream has ended');
});

test('R250 given a slow reader of the first answers, when less is committed meanwhile, then it hears all of that', async () => {
  const { pages, open } = await site({ authorize: 'public' });
  const events = eventsOf(await open());
  for (const id of ids.slice(0, 3)) await pages.write({ id }, { set: { text: `again ${long}` } });
  for (let answers = 0; answers < ids.length + 1; answers += 1) await events();
  for (const id of ids.slice(0, 3)) {
    expect(await events()).toMatchObject({ event: 'sync', data: { key: keyOf(id) } });
  }
});

test('R249 given who has read the first answers and nothing else, when it comes back with their id, then nothing comes again', async () => {
  const { ask } = await site({ authorize: 'public' });
  const stream = async (headers: HeadersInit = {}) =>
    eventsOf(await ask('GET', `?key=${keyOf('1')}`, { headers }));
  const events = await stream();
  expect(await events()).toMatchObject({ event: 'answer', data: { type: 'snapshot' } });
  const { id = '' } = await events();
  const again = await stream({ 'last-event-id': id });
  expect(await again()).toMatchObject({ event: 'answer', data: { type: 'current' } });
});

test('R250 given a reader that turns away, then it is let go without a complaint', async () => {
  const { open } = await site({ authorize: 'public' });
  const { body } = await open();
  await expect(body?.cancel()).resolves.toBeUndefined();
});

test('R250 given a projection that does not end, when more than a MiB is committed meanwhile, then the stream ends', async () => {
  let isHung = false;
  const never = new Promise<null>(() => undefined);
  const { pages, open } = await site({
    authorize: 'public',
    project: (_ctx, _key, envelope) => (isHung ? never : envelope),
  });
  const events = eventsOf(await open());
  for (let answers = 0; answers < ids.length + 1; answers += 1) await events();
  isHung = true;
  for (const id of ids) await pages.write({ id }, { set: { text: `again ${long}` } });
  await expect(events()).rejects.toThrow('the stream has ended');
});
