import { getEventListeners } from 'node:events';
import { type Json, passthrough, record } from '@holdfast/protocol';
import type { SseOptions } from '@holdfast/server';
import { expect, onTestFinished, test, vi } from 'vitest';
import { world } from '../conversation/world.ts';
import { gateway } from './site.ts';
import { eventsOf, post } from './sse-reader.ts';

type User = { readonly name?: string; readonly big?: bigint; readonly mood?: string };

const User = record({
  name: 'user',
  store: 'demo/main',
  path: 'users/:id',
  version: '1.0',
  schema: passthrough<User>(),
  visibility: {
    '*': () => true,
    mood: ({ principal, params, value }) =>
      principal.subject === params['id'] || value.name === 'open',
  },
});

const key = (id: string): string => `rec/demo/main/users/${id}`;
const ctx = (subject: string) => ({ principal: { subject }, now: 0 });

async function site(options: SseOptions = { authorize: 'public' }) {
  const { server } = await world();
  const users = server.record(User);
  await users.write({ id: 'ada' }, { set: { name: 'Ada', mood: 'merry' } });
  const handler = server.syncHandler(options);
  const open = async (path: string, init: RequestInit = {}, subject = 'eve') => {
    const abort = new AbortController();
    const request = new Request(`http://x/api/records${path}`, { ...init, signal: abort.signal });
    const handle = init.method === 'POST' ? handler.POST : handler.GET;
    const response = await handle(request, ctx(subject));
    onTestFinished(() => abort.abort());
    return { response, events: eventsOf(response), abort };
  };
  return { server, users, open };
}

type Snapshot = {
  readonly type: string;
  readonly view: string;
  readonly reset?: true;
  readonly envelope: { readonly value: Json; readonly sequence: number };
};

/** What somebody is answered of a user, in whose place they know nothing or `has`. */
async function snapshotOf(
  open: Awaited<ReturnType<typeof site>>['open'],
  id: string,
  subject: string,
  has: object = {},
): Promise<Snapshot> {
  const asked = post([{ key: key(id), ...has }]);
  const { response } = await open('/handshake', asked, subject);
  const { answers } = (await response.json()) as { answers: readonly [Snapshot] };
  return answers[0];
}

test('R239 R246 a stream answers for each key, says that it is ready, and tells each commit, big integers too', async () => {
  const { open, users } = await site({ authorize: async () => true });
  const { response, events } = await open(`?key=${key('ada')}&key=${key('new')}`);
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  expect(await events()).toMatchObject({
    event: 'answer',
    data: { key: key('ada'), type: 'snapshot', envelope: { value: { name: 'Ada' }, sequence: 2 } },
  });
  expect(await events()).toMatchObject({
    event: 'answer',
    data: { key: key('new'), type: 'gone' },
  });
  expect(await events()).toMatchObject({ event: 'ready', data: {} });
  await users.write({ id: 'new' }, { set: { big: 2n ** 80n } });
  const { event, data, id } = await events();
  expect([event, id]).toEqual(['sync', expect.any(String)]);
  expect(data).toMatchObject({
    key: key('new'),
    envelope: { value: { big: 2n ** 80n }, sequence: 3 },
  });
});

test('R238 a key that may not be read is 403 before anything streams; keys are asked in order', async () => {
  const asked: string[] = [];
  const { open } = await site({
    authorize: async (_, each) => {
      asked.push(each);
      return each !== key('b');
    },
  });
  const { response } = await open('/stream', post(['a', 'b', 'c'].map((id) => ({ key: key(id) }))));
  expect([response.status, await response.json()]).toEqual([
    403,
    { error: 'unauthorized key', key: key('b') },
  ]);
  expect(asked).toEqual([key('a'), key('b')]);
});

test('what is refused, answered or read to its end is kept by nobody', async () => {
  const heard = vi.spyOn(AbortSignal.prototype, 'addEventListener');
  onTestFinished(() => heard.mockRestore());
  const { open } = await site({ authorize: async (_, each) => each !== key('b') });
  const signals = heard.mock.contexts.filter((each) => each instanceof AbortSignal);
  const kept = (): number => {
    const listeners = [...new Set(signals)].map((each) => getEventListeners(each, 'abort'));
    return listeners.flat().length;
  };
  const before = kept();
  expect(before).toBeGreaterThan(0);
  const statusOf = async (path: string, init?: RequestInit): Promise<number> =>
    (await open(path, init)).response.status;
  expect(await statusOf(`?key=${key('b')}`)).toBe(403);
  expect(await statusOf('?key=x')).toBe(400);
  expect(await statusOf('/handshake', post([{ key: key('ada') }]))).toBe(200);
  const { events, abort } = await open(`?key=${key('ada')}`);
  await events();
  expect(kept()).toBe(before + 1);
  abort.abort();
  expect(kept()).toBe(before);
});

test('R240 without a word on who may read there is no handler', async () => {
  const { server } = await world();
  expect(() => server.syncHandler({} as SseOptions)).toThrow(/authorize/);
});

test('R241 a projection changes or keeps back what somebody gets, in order, at its own pace', async () => {
  const slow = gateway();
  const { open, users } = await site({
    authorize: 'public',
    project: async (_, __, envelope) => {
      const { name } = (envelope.value ?? {}) as User;
      if (name === 'first') await slow.promise;
      return name === 'none' ? null : { ...envelope, value: { name: `${name} of ours` } };
    },
  });
  const { events } = await open(`?key=${key('ada')}`);
  expect(await events()).toMatchObject({ data: { envelope: { value: { name: 'Ada of ours' } } } });
  await events();
  for (const name of ['first', 'none', 'second']) {
    await users.write({ id: 'ada' }, { patch: { name } });
  }
  // What is quicker to tell has had its time.
  await new Promise((resolve) => setImmediate(resolve));
  slow.resolve();
  for (const [name, sequence] of [
    ['first', 3],
    ['second', 5],
  ]) {
    const told = { value: { name: `${name} of ours` }, sequence };
    expect(await events()).toMatchObject({ event: 'sync', data: { envelope: told } });
  }
});

test('R241 of whom a projection keeps all back, there is nothing to be had', async () => {
  const { open } = await site({ authorize: 'public', project: () => null });
  const { events } = await open(`?key=${key('ada')}`);
  expect(await events()).toEqual({
    event: 'answer',
    data: { key: key('ada'), type: 'denied', reason: 'denied' },
  });
});

test('R219 R226 what is hidden is left out, and comes by a reset when the values say so', async () => {
  const { open, users } = await site();
  const { events } = await open(`?key=${key('ada')}`);
  expect(await events()).toMatchObject({ data: { envelope: { value: { name: 'Ada' } } } });
  await events();
  await users.write({ id: 'ada' }, { patch: { mood: 'sad' } });
  await users.write({ id: 'ada' }, { patch: { name: 'open' } });
  expect(await events()).toMatchObject({
    event: 'answer',
    data: { type: 'snapshot', reset: true, envelope: { value: { name: 'open', mood: 'sad' } } },
  });
});

test('R249 who comes back with the last id gets only what is missing', async () => {
  const { open, users } = await site();
  await users.write({ id: 'bob' }, { set: { name: 'Bob' } });
  const first = await open(`?key=${key('bob')}`, {}, 'bob');
  await first.events();
  const { id = '' } = await first.events();
  first.abort.abort();
  const headers = { 'last-event-id': id };
  const again = await open(`?key=${key('bob')}`, { headers }, 'bob');
  // Something may be hidden from him by then, so that is looked at anew.
  expect(await again.events()).toMatchObject({ data: { type: 'snapshot' } });
  const { view } = await snapshotOf(open, 'bob', 'bob');
  const incarnation = (await users.get({ id: 'bob' })).incarnation;
  const asked = { key: key('bob'), incarnation, sequence: 3, view };
  const third = await open('/stream', post([asked]), 'bob');
  expect(await third.events()).toMatchObject({ event: 'answer', data: { type: 'current' } });
  const unreadable = { headers: { 'last-event-id': '%' } };
  expect((await open(`?key=${key('bob')}`, unreadable)).response.status).toBe(200);
});

test('R79 a handshake answers by what the client has, and ends there', async () => {
  const { open, users } = await site();
  const { incarnation } = await users.get({ id: 'ada' });
  const { view } = await snapshotOf(open, 'ada', 'eve');
  const asked = [
    { key: key('ada'), incarnation, sequence: 2, view },
    { key: key('ada'), incarnation, sequence: 1, view },
    { key: key('ada'), incarnation, sequence: 2, view: 'other' },
    { key: key('ada'), incarnation, sequence: 99, view },
    { key: key('ada'), incarnation: 'other', sequence: 2 },
    { key: key('ada'), client_version: '7.0' },
    { key: key('none') },
  ];
  const { response } = await open('/handshake', post(asked));
  const { answers } = (await response.json()) as { answers: { type: string; reset?: true }[] };
  expect(answers.map(({ type, reset }) => [type, reset])).toEqual([
    ['current', undefined],
    ['snapshot', undefined],
    ['snapshot', true],
    ['snapshot', undefined],
    ['snapshot', undefined],
    ['skew', undefined],
    ['gone', undefined],
  ]);
});

test('bad keys, bad bodies and too many keys are refused', async () => {
  const { open } = await site({ authorize: 'public', maxKeys: 2 });
  const statusOf = async (path: string, init?: RequestInit) =>
    (await open(path, init)).response.status;
  expect(await statusOf('?key=rec/demo/main/pages/1')).toBe(400);
  expect(await statusOf('?key=x')).toBe(400);
  expect(await statusOf('/stream', { method: 'POST', body: 'no' })).toBe(400);
  expect(await statusOf('/stream', post([{ key: 7 }]))).toBe(400);
  const illTyped = [{ client_version: 5 }, { record: 5 }, { params: 'id' }, { params: { id: 5 } }];
  for (const each of illTyped) {
    const asked = post([{ key: key('ada'), ...each }]);
    expect(await statusOf('/handshake', asked), JSON.stringify(each)).toBe(400);
  }
  expect(await statusOf(`?${['a', 'b', 'c'].map((id) => `key=${key(id)}`).join('&')}`)).toBe(400);
});

test('R247 R250 a reader that leaves while it is being authorised, or later, leaves nothing behind', async () => {
  const { server } = await world();
  const users = server.record(User);
  const abort = new AbortController();
  const leaving = server.syncHandler({
    authorize: async () => {
      abort.abort();
      return true;
    },
  });
  const request = new Request(`http://x/api/records?key=${key('ada')}`, { signal: abort.signal });
  expect((await leaving.GET(request, ctx('eve'))).status).toBe(499);
  const later = new AbortController();
  const staying = server.syncHandler({ authorize: 'public' });
  const other = new Request(`http://x/api/records?key=${key('ada')}`, { signal: later.signal });
  const events = eventsOf(await staying.GET(other, ctx('eve')));
  await events();
  await events();
  later.abort();
  await users.write({ id: 'ada' }, { set: { name: 'nobody hears' } });
  await expect(events()).rejects.toThrow(/ended/);
});

test('a stream whose first answers are more than it keeps for a slow reader is ready all the same, and tells what came meanwhile', async () => {
  const { open, users } = await site();
  const ids = Array.from({ length: 200 }, (_, n) => `u${n}`);
  const mood = 'm'.repeat(6000);
  await Promise.all(ids.map((id) => users.write({ id }, { set: { name: 'open', mood } })));
  const { response, events } = await open('/stream', post(ids.map((id) => ({ key: key(id) }))));
  expect(response.status).toBe(200);
  await users.write({ id: 'u7' }, { patch: { name: 'open', mood: 'new' } });
  for (const id of ids) {
    expect(await events()).toMatchObject({ event: 'answer', data: { key: key(id) } });
  }
  expect(await events()).toMatchObject({ event: 'ready' });
  expect(await events()).toMatchObject({
    event: 'sync',
    data: { key: key('u7'), envelope: { value: { mood: 'new' } } },
  });
  await users.write({ id: 'u8' }, { patch: { mood: 'newer' } });
  expect(await events()).toMatchObject({
    event: 'sync',
    data: { key: key('u8'), envelope: { value: { mood: 'newer' } } },
  });
});
