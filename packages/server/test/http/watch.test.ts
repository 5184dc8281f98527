import { getEventListeners } from 'node:events';
import { expect, test, vi } from 'vitest';

import { defaultLimits } from '@holdfast/protocol';
import { VirtualClock } from '../conversation/clock.ts';
import { dueNow } from '../conversation/turns.ts';
import { world as serve } from '../conversation/world.ts';
import { type Event, Reader } from './event-reader.ts';
import { dawn, World } from './world.ts';

const S = '/api/stores/acme/blog';

async function open(clock = new VirtualClock(), grants: { readonly expiresAt?: number } = {}) {
  const closing = new AbortController();
  const world = new World({ clock, closing: closing.signal });
  await world.store('acme/blog');
  const { id, raw, ask } = await world.token(grants);
  const put = (path: string, value: unknown) => ask('PUT', `${S}/entries/${path}`, value);
  const watch = async (query = '', headers: { [name: string]: string } = {}) => {
    const all = { Authorization: `Bearer ${raw}`, Accept: 'text/event-stream', ...headers };
    return new Reader(await world.app.request(`${S}/watch${query}`, { headers: all }));
  };
  return { world, id, raw, ask, put, watch, clock, closing };
}

const openStore = (): Promise<never> => Promise.reject(new Error('the disk is away'));

const paths = (events: readonly (Event | null)[]) =>
  events.map((event) => JSON.parse(JSON.stringify(event?.data)).path);

test('S107 present, ready, then every op with its seq as the id', async () => {
  const { put, watch } = await open();
  await put('a', 1);
  const reader = await watch('?include_current=true');
  expect(await reader.take(2)).toEqual([
    {
      event: 'present',
      id: null,
      data: { path: 'a', value: 1, type: 'integer', revision: 1 },
    },
    { event: 'ready', id: '1', data: { through_seq: 1, incarnation: expect.any(String) } },
  ]);
  await put('b', { c: 'x' });
  expect(await reader.next()).toEqual({
    event: 'op',
    id: '2',
    data: {
      store_seq: 2,
      op: 'set',
      path: 'b',
      value: { c: 'x' },
      type: 'map',
      device_id: expect.stringMatching(/^http:/),
      client_op_id: expect.any(String),
      tx: null,
    },
  });
  await reader.close();
});

test('S107 only the last message of a transaction has an id, and a resume by it loses and repeats nothing', async () => {
  const { ask, put, watch } = await open();
  const first = await watch();
  expect((await first.next())?.event).toBe('ready');
  await ask('POST', `${S}/transact`, {
    ops: ['x', 'y', 'z'].map((path) => ({ op: 'set', path, value: 1 })),
  });
  await put('after', 1);
  const events = await first.take(3);
  expect(events.map(({ id }) => id)).toEqual([null, null, '3']);
  await first.close();
  const second = await watch('?since=0', { 'Last-Event-ID': first.lastId });
  expect((await second.next())?.data).toMatchObject({ through_seq: 3 });
  expect(paths([await second.next()])).toEqual(['after']);
  await second.close();
});

test('S107 a stream cut inside a transaction is resumed before it', async () => {
  const { ask, watch } = await open();
  const first = await watch();
  await first.next();
  const ops = ['x', 'y', 'z'].map((path) => ({ op: 'set', path, value: 1 }));
  await ask('POST', `${S}/transact`, { ops });
  await first.take(2);
  await first.close();
  const second = await watch(`?since=${first.lastId}`);
  expect(paths((await second.take(4)).slice(1))).toEqual(['x', 'y', 'z']);
  await second.close();
});

test('S107 a pattern has scope semantics and projects what reaches into it', async () => {
  const { ask, put, watch } = await open();
  const reader = await watch('?pattern=a/**');
  await reader.next();
  await put('b', 1);
  await put('a', { in: 1 });
  await ask('PUT', `${S}/entries/a`, 5);
  const [set, gone, leaf] = await reader.take(3);
  expect(set?.data).toMatchObject({ path: 'a', value: { in: 1 }, store_seq: 2 });
  expect(gone?.data).toMatchObject({ op: 'delete', path: 'a' });
  expect(leaf?.data).toMatchObject({ op: 'set', path: 'a', value: 5 });
  await reader.close();
});

test.each([
  ['ahead', '?since=99'],
  ['incarnation', '?since=1&incarnation=other'],
])(
  'S107 a resume that is impossible (%s) is a reset with all that is there',
  async (why, query) => {
    const { put, watch } = await open();
    await put('a', 1);
    const reader = await watch(query);
    const events = await reader.take(3);
    expect(events.map(({ event }) => event)).toEqual(['reset', 'present', 'ready']);
    expect(events[0]?.data).toEqual({ why, seq: 1 });
    await reader.close();
  },
);

test('a quiet filter is told the cursor every 15 s, so that it does not fall behind', async () => {
  const { put, watch, clock } = await open();
  const reader = await watch('?pattern=quiet');
  await reader.next();
  await put('loud', 1);
  const waiting = reader.next();
  // The ping is a comment and a bare id: what ends the wait is the op after it.
  for (let ms = 0; ms < 16_000; ms += 2000) {
    // oxlint-disable-next-line no-await-in-loop -- tick by tick
    await clock.pass(2000);
  }
  await put('quiet', 1);
  expect(paths([await waiting])).toEqual(['quiet']);
  expect(reader.ids).toEqual(['0', '1', '2']);
  await reader.close();
});

test('S101 a revoked token ends its streams within 5 s, and nothing follows', async () => {
  const { world, id, put, watch, clock } = await open();
  const reader = await watch();
  await reader.next();
  await world.tokens.revoke(id);
  await clock.pass(5000);
  expect(await reader.next()).toEqual({
    event: 'error',
    id: null,
    data: { reason: 'unauthorized' },
  });
  await put('late', 1);
  expect(await reader.next()).toBeNull();
});

test.each([
  ['never comes', () => new Promise<never>(() => undefined)],
  ['fails', () => Promise.reject(new Error('the directory is away'))],
])(
  'S101 whose token cannot be checked, as the answer %s, hears nothing after 5 s, nor that it may not',
  async (_, ask) => {
    const { watch, clock, put, world } = await open();
    const reader = await watch();
    await reader.next();
    vi.spyOn(world.tokens, 'authenticate').mockImplementation(ask);
    await clock.pass(5000);
    vi.restoreAllMocks();
    await put('late', 1);
    expect(await reader.next()).toBeNull();
  },
);

type Shrink = (at: Awaited<ReturnType<typeof open>>) => Promise<void>;

test.each<[string, reason: string | null, Shrink]>([
  ['has expired', 'unauthorized', async ({ world }) => void (world.clock.at += 60_000)],
  [
    // Asked for again it may be granted.
    'grants less than before',
    null,
    async ({ world, raw }) => {
      const before = await world.tokens.authenticate({ token: raw });
      const after = before && { ...before, scopes: new Set(['entries:read'] as const) };
      vi.spyOn(world.tokens, 'authenticate').mockResolvedValue(after);
    },
  ],
])('S101 whose token %s hears nothing after 5 s', async (_, reason, shrink) => {
  const place = await open(new VirtualClock(), { expiresAt: dawn + 60_000 });
  const { watch, clock, world } = place;
  const writer = await world.token();
  const reader = await watch();
  await reader.next();
  await clock.pass(5000);
  await writer.ask('PUT', `${S}/entries/before`, 1);
  expect(paths([await reader.next()])).toEqual(['before']);
  await shrink(place);
  await clock.pass(5000);
  vi.restoreAllMocks();
  if (reason !== null) expect((await dueNow(reader.next()))?.data).toEqual({ reason });
  await writer.ask('PUT', `${S}/entries/late`, 1);
  expect(await reader.next()).toBeNull();
});

test('who takes nothing for 30 s is let go of with what it has not taken, who takes a little is not', async () => {
  const { put, watch, clock } = await open();
  const [idle, slow] = [await watch(), await watch()];
  for (const reader of [idle, slow]) expect((await reader.next())?.event).toBe('ready');
  const text = 'x'.repeat(2000);
  // oxlint-disable-next-line no-await-in-loop -- one after the other
  for (let n = 0; n < 120; n++) await put(`p${n}`, text);
  await clock.pass(28_000);
  expect((await slow.next())?.event).toBe('op');
  await clock.pass(28_000);
  const [few, all] = [await idle.take(120), await slow.take(119)];
  expect(few.length).toBeLessThan(100);
  expect(all).toHaveLength(119);
  await clock.pass(60_000);
  await put('late', 1);
  expect(paths([await slow.next()])).toEqual(['late']);
  await slow.close();
});

test('a stream that has ended leaves no timer and no listener behind, also where its token was just being looked at', async () => {
  const { world, watch, clock, closing } = await open();
  const before = [clock.timers, getEventListeners(closing.signal, 'abort').length];
  const [one, other] = [await watch(), await watch()];
  for (const reader of [one, other]) expect((await reader.next())?.event).toBe('ready');
  await one.close();
  const look = world.tokens.authenticate.bind(world.tokens);
  const answers: (() => void)[] = [];
  vi.spyOn(world.tokens, 'authenticate').mockImplementation(async (credentials) => {
    await new Promise<void>((resolve) => answers.push(resolve));
    return look(credentials);
  });
  await clock.pass(2000);
  await other.close();
  expect(answers).toHaveLength(1);
  for (const answer of answers) answer();
  vi.restoreAllMocks();
  const left = (): number[] => [clock.timers, getEventListeners(closing.signal, 'abort').length];
  await expect.poll(left).toEqual(before);
});

test('S107 who comes back is told what has happened since, and not once more what is there', async () => {
  const { ask, put, watch } = await open();
  await put('a', 1);
  for (const path of ['b', 'c']) {
    const ops = [1, 2].map((value) => ({ op: 'set', path: `${path}${value}`, value }));
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await ask('POST', `${S}/transact`, { ops });
  }
  const reader = await watch('?include_current=true', { 'Last-Event-ID': '1' });
  const events = await reader.take(5);
  expect(events.map(({ event, id }) => [event, id])).toEqual([
    ['ready', '1'],
    ['op', null],
    ['op', '3'],
    ['op', null],
    ['op', '5'],
  ]);
  await reader.close();
});

test('S107 a stream of a store that is deleted for good ends', async () => {
  const { url } = await serve();
  const headers = { authorization: 'Bearer dev' };
  const watched = `${url}/api/stores/demo/main`;
  const reader = new Reader(await fetch(`${watched}/watch`, { headers }));
  expect((await reader.next())?.event).toBe('ready');
  await fetch(`${watched}?purge=true`, { method: 'DELETE', headers });
  expect(await reader.next()).toBeNull();
  const again = await fetch(`${watched}/watch`, { headers });
  expect(again.status).toBe(404);
});

test('S110 a stream of a store that is archived says so and ends, and no other begins', async () => {
  const { ask, watch, clock } = await open();
  const reader = await watch();
  await reader.next();
  await ask('DELETE', S);
  await clock.pass(5000);
  expect(await reader.next()).toEqual({
    event: 'error',
    id: null,
    data: { reason: 'store_archived' },
  });
  expect(await reader.next()).toBeNull();
  const again = await ask('GET', `${S}/watch`, undefined, { Accept: 'text/event-stream' });
  expect([again.status, again.json['error']]).toEqual([409, 'store_archived']);
});

test('a server that drains ends its streams', async () => {
  const { watch, closing } = await open();
  const reader = await watch();
  await reader.next();
  closing.abort();
  expect(await reader.next()).toBeNull();
});

test('who accepts no events is told to, and bad parameters are refused', async () => {
  const { ask } = await open();
  const json = await ask('GET', `${S}/watch`, undefined, { Accept: 'application/json' });
  expect([json.status, json.json['error']]).toEqual([426, 'upgrade_required']);
  const socket = await ask('GET', `${S}/subscribe`);
  expect([socket.status, socket.json]).toEqual([
    426,
    {
      error: 'upgrade_required',
      detail: expect.any(String),
      ws_url: 'ws://localhost/ws/sync/websocket',
      docs: 'http://localhost/api-docs',
    },
  ]);
  expect(socket.headers.get('upgrade')).toBe('websocket');
  for (const [prefix, path] of [
    ['/sync', '/sync'],
    ['/a/b-c/', '/a/b-c'],
    ['//evil.example', ''],
    ['https://evil.example', ''],
    ['/a b', ''],
  ] as const) {
    const headers = { 'X-Forwarded-Prefix': prefix, 'X-Forwarded-Proto': 'https' };
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await ask('GET', `${S}/subscribe`, undefined, headers)).json).toMatchObject({
      ws_url: `wss://localhost${path}/ws/sync/websocket`,
      docs: `https://localhost${path}/api-docs`,
    });
  }
  expect(json.json['ws_url']).toBe('ws://localhost/ws/sync/websocket');
  for (const query of ['since=x', 'include_current=1', 'limit=1', 'pattern=**/a']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await ask('GET', `${S}/watch?${query}`)).status).toBe(400);
  }
});

test('a token has so many streams at once as sockets, and another one when one has ended', async () => {
  const world = new World({ limits: { ...defaultLimits, max_sockets_per_token: 2 } });
  await world.store('acme/blog');
  const [one, other] = [await world.token(), await world.token()];
  const watch = (raw: string): Promise<Response> => {
    const headers = { Authorization: `Bearer ${raw}`, Accept: 'text/event-stream' };
    return Promise.resolve(world.app.request(`${S}/watch`, { headers }));
  };
  const [first] = [await watch(one.raw), await watch(one.raw)];
  const refused = await watch(one.raw);
  expect([refused.status, await refused.json()]).toEqual([
    429,
    { error: 'too_many_connections', detail: expect.any(String), limit: 2 },
  ]);
  expect((await watch(other.raw)).status).toBe(200);
  await first?.body?.cancel();
  expect((await watch(one.raw)).status).toBe(200);
});

test('a stream whose store cannot be opened takes no place', async () => {
  const limits = { ...defaultLimits, max_sockets_per_token: 1 };
  const world = new World({ limits, openStore });
  await world.store('acme/blog');
  const { ask } = await world.token();
  for (const time of [1, 2, 3]) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    expect((await ask('GET', `${S}/watch`)).status, `time ${time}`).toBe(500);
  }
});
