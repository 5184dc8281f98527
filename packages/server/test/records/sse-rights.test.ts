import { type Json, passthrough, record } from '@holdfast/protocol';
import { memory } from '@holdfast/server/storage/memory';
import type { SseOptions } from '@holdfast/server';
import { expect, onTestFinished, test } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import { everything, world } from '../conversation/world.ts';
import { eventsOf } from './sse-reader.ts';

const spec = { store: 'demo/main', version: '1.0', schema: passthrough<object>() };
/** What rules say, which changes without a commit. */
const rules = { hideMoods: false };
const visibility = {
  '*': () => true,
  mood: ({ principal }: { readonly principal: { readonly subject: string | null } }) =>
    !rules.hideMoods || principal.subject === 'ada',
  ssn: ({ principal }: { readonly principal: { readonly subject: string | null } }) =>
    principal.subject === 'ada',
};
const User = record({ ...spec, name: 'user', path: 'users/:id', visibility });
const Settings = record({ ...spec, name: 'settings', path: 'users/:id/settings', visibility });

const key = 'rec/demo/main/users/ada';

type Answer = {
  readonly type: string;
  readonly view?: string;
  readonly reset?: true;
  readonly envelope: { readonly value: Json; readonly sequence: number; readonly prev?: number };
};

async function site(options: SseOptions = { authorize: 'public' }) {
  const clock = new VirtualClock();
  const { server } = await world({ clock, storage: memory({ now: clock.wall }) });
  const users = server.record(User);
  const settings = server.record(Settings);
  const handler = server.syncHandler(options);
  const ask = async (path: string, init: RequestInit = {}, subject = 'eve') => {
    const abort = new AbortController();
    onTestFinished(() => abort.abort());
    const request = new Request(`http://x/api/records${path}`, { ...init, signal: abort.signal });
    const ctx = { principal: { subject }, now: 0 };
    return init.method === 'POST' ? handler.POST(request, ctx) : handler.GET(request, ctx);
  };
  /** What somebody is answered who has this much. */
  const answer = async (has: object = {}, subject?: string): Promise<Answer> => {
    const body = JSON.stringify({ requests: [{ key, ...has }] });
    const response = await ask('/handshake', { method: 'POST', body }, subject);
    const { answers } = (await response.json()) as { answers: readonly [Answer] };
    return answers[0];
  };
  /** The events of a stream, after its answer and `ready`. */
  const stream = async () => {
    const response = await ask(`?key=${key}`);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const next = async (): Promise<string> => {
      while (!text.includes('\n\n')) {
        const part = await reader?.read();
        if (part === undefined || part.done) throw new Error('the stream has ended');
        text += part.value;
      }
      const end = text.indexOf('\n\n');
      const first = text.slice(0, end);
      text = text.slice(end + 2);
      return first;
    };
    await next();
    await next();
    return next;
  };
  return { clock, users, settings, ask, answer, stream };
}

test('R219 what another record hides below an object is left out of the object, too', async () => {
  const { users, settings, answer, stream } = await site();
  await users.write({ id: 'ada' }, { set: { name: 'Ada' } });
  await settings.write({ id: 'ada' }, { set: { theme: 'dark', ssn: 'hidden' } });
  expect((await answer()).envelope.value).toEqual({ name: 'Ada', settings: { theme: 'dark' } });
  const next = await stream();
  await settings.write({ id: 'ada' }, { patch: { ssn: 'still hidden' } });
  await settings.write({ id: 'ada' }, { patch: { theme: 'light' } });
  const told = await next();
  expect(told).toContain('"value":{"name":"Ada","settings":{"theme":"light"}}');
  expect(told).not.toContain('hidden');
});

test('R219 R228 nothing of an answer tells of what is hidden: its name, nor that it changed', async () => {
  const { users, answer } = await site();
  await users.write({ id: 'ada' }, { set: { name: 'Ada' } });
  const before = await answer();
  await users.write({ id: 'ada' }, { patch: { ssn: 'hidden' } });
  expect(await answer()).toEqual(before);
  await users.write({ id: 'ada' }, { patch: { ssn: 'changed' } });
  expect(await answer()).toEqual(before);
  expect(before.envelope.sequence).toBe(2);
});

test('R219 R228 a hidden field that comes or goes is no event', async () => {
  const { users, stream } = await site();
  await users.write({ id: 'ada' }, { set: { name: 'Ada' } });
  const next = await stream();
  await users.write({ id: 'ada' }, { patch: { ssn: 'hidden' } });
  await users.write({ id: 'ada' }, { patch: { name: 'Ada L' } });
  expect(await next()).toContain('"value":{"name":"Ada L"}');
});

test('R79 who missed that a field it saw was removed gets the rest, and takes it', async () => {
  const { users, answer } = await site();
  await users.write({ id: 'ada' }, { set: { name: 'Ada', mood: 'merry', ssn: 'hidden' } });
  const { view } = await answer();
  const { incarnation } = await users.get({ id: 'ada' });
  const has = { incarnation, sequence: 2, view };
  expect(await answer(has)).toMatchObject({ type: 'current' });
  await users.write({ id: 'ada' }, { patch: { mood: undefined } });
  expect(await answer(has)).toMatchObject({
    type: 'snapshot',
    reset: true,
    envelope: { value: { name: 'Ada' } },
  });
});

test('R226 what rules show and hide without a commit comes and goes on a stream that stays within 5 s', async () => {
  const { clock, users, stream } = await site();
  await users.write({ id: 'ada' }, { set: { name: 'Ada', mood: 'merry' } });
  const next = await stream();
  rules.hideMoods = true;
  await clock.pass(5000);
  const hidden = await next();
  expect(hidden).toContain('"reset":true');
  expect(hidden).toContain('"value":{"name":"Ada"}');
  rules.hideMoods = false;
  await clock.pass(5000);
  expect(await next()).toContain('"mood":"merry"');
  // Nothing is told twice.
  await clock.pass(5000);
  await users.write({ id: 'ada' }, { patch: { name: 'Ada L' } });
  expect(await next()).toContain('"value":{"mood":"merry","name":"Ada L"}');
});

test('a reader that may not read any more is told so within 5 s, and hears nothing after it', async () => {
  let mayRead = true;
  const { clock, users, stream } = await site({ authorize: async () => mayRead });
  await users.write({ id: 'ada' }, { set: { name: 'Ada' } });
  const next = await stream();
  await clock.pass(5000);
  await users.write({ id: 'ada' }, { patch: { name: 'heard' } });
  expect(await next()).toContain('heard');
  mayRead = false;
  await clock.pass(5000);
  expect(await next()).toContain('"type":"denied"');
  await users.write({ id: 'ada' }, { patch: { name: 'not heard' } });
  await clock.pass(15_000);
  expect(await next()).toBe(': heartbeat');
});

test('a stream ends when nobody can say who may read', async () => {
  let isBroken = false;
  const { clock, users, stream } = await site({
    authorize: async () => {
      if (isBroken) throw new Error('no answer');
      return true;
    },
  });
  await users.write({ id: 'ada' }, { set: { name: 'Ada' } });
  const next = await stream();
  isBroken = true;
  await clock.pass(5000);
  await expect(next()).rejects.toThrow('the stream has ended');
});

test('a stream whose question who may read is never answered ends within 5 s; whoever comes back is asked to wait, and not denied', async () => {
  let isStuck = false;
  let asked = 0;
  const { ask, clock, users, stream } = await site({
    authorize: () => {
      asked += 1;
      return isStuck ? new Promise(() => undefined) : true;
    },
  });
  await users.write({ id: 'ada' }, { set: { name: 'Ada' } });
  const next = await stream();
  isStuck = true;
  await clock.pass(5000);
  await expect(next()).rejects.toThrow('the stream has ended');
  asked = 0;
  const asking = ask(`?key=${key}`);
  await expect.poll(() => asked).toBe(1);
  await clock.pass(5000);
  const response = await asking;
  expect([response.status, await response.json()]).toMatchObject([
    400,
    { error: 'unavailable', key },
  ]);
});

test('R239 who may read may take a while to be known', async () => {
  const answers: (() => void)[] = [];
  const { clock, ask } = await site({
    authorize: () => new Promise((resolve) => answers.push(() => resolve(true))),
  });
  const asking = ask(`?key=${key}`);
  await expect.poll(() => answers.length).toBe(1);
  await clock.pass(4000);
  answers[0]?.();
  expect((await asking).status).toBe(200);
});

test('R228 an object that is hidden as a whole is like one that is not there', async () => {
  const { users, answer } = await site();
  const none = await answer();
  await users.write({ id: 'ada' }, { set: { ssn: 'hidden' } });
  const hidden = await answer();
  expect(hidden).toMatchObject({ type: 'gone' });
  expect(Object.keys(hidden)).toEqual(Object.keys(none));
});

test('R228 what is hidden as a whole from now on is told as what is removed is', async () => {
  const { users, stream } = await site();
  const told = async (change: () => Promise<unknown>): Promise<string> => {
    await users.write({ id: 'ada' }, { set: { name: 'Ada', ssn: 'hidden' } });
    const next = await stream();
    await change();
    return (await next()).replaceAll(/"(?:sequence|prev)":\d+/g, '').replaceAll(/^id: .*$/gm, '');
  };
  const hidden = await told(() => users.write({ id: 'ada' }, { patch: { name: undefined } }));
  expect(hidden).toContain('"deleted":true');
  const removed = await told(() => users.write({ id: 'ada' }, { remove: true }));
  expect(hidden.replaceAll(/"op_id":"[^"]*"/g, '')).toBe(
    removed.replaceAll(/"op_id":"[^"]*"/g, ''),
  );
});

test('a token has so many streams of records at once as sockets, and another one when one has ended', async () => {
  const { server, url } = await world({ limits: { max_sockets_per_token: 2 } });
  server.record(User);
  type Ask = (path?: string, init?: { method: string; body: string }) => Promise<Response>;
  const open = async (token: string): Promise<Ask> => {
    const { rawToken } = await server.tokens.issue({
      name: token,
      org: 'demo',
      scopes: ['entries:read'],
      storeAccess: { mode: 'all' },
      expiresAt: null,
      createdBy: null,
    });
    const headers = { Authorization: `Bearer ${rawToken}`, 'Content-Type': 'application/json' };
    return (path = `?key=${key}`, init) => fetch(`${url}/api/records${path}`, { ...init, headers });
  };
  const [one, other] = [await open('one'), await open('other')];
  const [first] = [await one(), await one()];
  const refused = await one();
  expect([refused.status, await refused.json()]).toMatchObject([
    429,
    { error: 'too_many_connections', limit: 2 },
  ]);
  expect((await other()).status).toBe(200);
  // It ends with its answer, and is no stream.
  const body = JSON.stringify({ requests: [{ key, record: '', params: {}, client_version: '' }] });
  expect((await one('/handshake', { method: 'POST', body })).status).toBe(200);
  await first.body?.cancel();
  await expect.poll(async () => (await one()).status).toBe(200);
});

test('a stream of a hundred keys asks who its reader is as seldom as a stream of one', async () => {
  let looks = 0;
  const authenticate = async () => {
    looks += 1;
    return everything;
  };
  const { server, url } = await world({ clock: new VirtualClock(), authenticate });
  server.record(User);
  const looksOf = async (count: number): Promise<number> => {
    looks = 0;
    const keys = Array.from({ length: count }, (_, at) => `key=${key}${at}`);
    const abort = new AbortController();
    const init = { headers: { authorization: 'Bearer eve' }, signal: abort.signal };
    const { status } = await fetch(new URL(`/api/records?${keys.join('&')}`, url), init);
    expect(status).toBe(200);
    abort.abort();
    return looks;
  };
  expect(await looksOf(100)).toBe(await looksOf(1));
});

/** The stream of a key; whom it is read by is asked, and cannot be found out while that is down. */
async function askedSite() {
  const clock = new VirtualClock();
  const rights = { isDown: (): boolean => false };
  const authenticate = async () => {
    if (rights.isDown()) throw new Error('down');
    return everything;
  };
  const { server, url } = await world({
    clock,
    storage: memory({ now: clock.wall }),
    authenticate,
  });
  await server.record(User).write({ id: 'ada' }, { set: { name: 'Ada' } });
  const open = (): Promise<Response> => fetch(new URL(`/api/records?key=${key}`, url));
  return Object.assign(rights, { clock, open });
}

test('a stream of records ends where nobody can say any more who reads it, and no record is denied', async () => {
  const made = await askedSite();
  const next = eventsOf(await made.open());
  expect((await next()).event).toBe('answer');
  expect((await next()).event).toBe('ready');
  made.isDown = () => true;
  await made.clock.pass(5000);
  await expect(next()).rejects.toThrow('the stream has ended');
});

test('a stream of records is refused for now where it cannot be said amid its opening who reads it', async () => {
  const made = await askedSite();
  let looks = 0;
  made.isDown = () => looks++ > 0;
  const refused = await made.open();
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({ error: 'unavailable' });
});
