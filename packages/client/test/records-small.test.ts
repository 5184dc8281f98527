import { effect } from '@preact/signals-core';
import { type Client, createClient, observe } from '@holdfast/client';
import { memoryLink } from '@holdfast/client/link/memory';
import { records } from '@holdfast/client/records';
import {
  byTransport,
  InProcessTransport,
  streamTransport,
  type TransportDelivery,
} from '@holdfast/client/records/transport';
import { toPreact } from '@holdfast/client/signals/preact';
import { passthrough, record } from '@holdfast/protocol';
import type { Envelope } from '@holdfast/protocol/record';
import { expect, onTestFinished, test } from 'vitest';
import { Valve } from './valve.ts';
import { openWorld } from './world.ts';

type User = { readonly name: string; readonly n?: number };

const User = record({
  name: 'user',
  store: 'acme/app',
  path: 'users/:id',
  version: '1.0',
  schema: passthrough<User>(),
});
const Any = record({
  name: 'any',
  store: 'acme/app',
  path: 'anything/:id',
  version: '*',
  schema: passthrough<User>(),
});

const at = (sequence: number, over: Partial<Envelope> = {}): Envelope => ({
  value: { name: `v${sequence}` },
  schema_version: '1.0',
  sequence,
  incarnation: 'e1',
  ...over,
});

function reading(delivery: TransportDelivery): Client {
  const client = createClient({
    url: 'ws://nowhere.test',
    token: 'none',
    link: memoryLink(() => null),
    records: records([User, Any], { delivery: byTransport(delivery) }),
    env: { wall: () => 1000 },
  });
  onTestFinished(() => client.close());
  return client;
}

const key = (id: string): string => User.key({ id });

test('R43 a message of one key changes no record of another', () => {
  const transport = new InProcessTransport();
  const client = reading({ transport, seed: () => at(1) });
  const [one, two] = ['1', '2'].map((id) => client.record(User, { id }));
  one?.retain();
  two?.retain();
  transport.publish(key('2'), at(2));
  expect([one?.get()?.name, two?.get()?.name]).toEqual(['v1', 'v2']);
  expect(one?.state.get().sequence).toBe(1);
});

test('R46 a definition of any version takes them all', () => {
  const transport = new InProcessTransport();
  const client = reading({ transport });
  const any = client.record(Any, { id: '1' });
  any.retain();
  transport.publish(any.key, at(1, { schema_version: '9.9' }));
  expect([any.get()?.name, any.state.get().status, any.stats().schemaSkews]).toEqual([
    'v1',
    'ok',
    0,
  ]);
});

test('R62 handles are released one by one, however often: the record stays with the last', () => {
  const transport = new InProcessTransport();
  const client = reading({ transport, seed: () => at(1) });
  const handle = client.record(User, { id: '1' });
  const [first, second] = [handle.retain(), handle.retain()];
  const seen: (string | undefined)[] = [];
  const run = (): unknown => seen.push(handle.get()?.name);
  const [one, two] = [handle.subscribe(run), handle.subscribe(run)];
  first();
  first();
  one();
  one();
  transport.publish(handle.key, at(2));
  expect([seen, transport.keyCount()]).toEqual([['v2'], 1]);
  two();
  second();
  transport.publish(handle.key, at(3));
  expect([seen, handle.get()?.name]).toEqual([['v2'], 'v3']);
});

test('R74 a state tells where it comes from, and when', async () => {
  const transport = new InProcessTransport();
  const error = new Error('nobody there');
  const client = reading({ transport, refetch: () => Promise.reject(error) });
  const handle = client.record(User, { id: '1' });
  handle.retain();
  expect(handle.state.get()).toMatchObject({ updatedAt: 0, lastSyncedAt: 0, source: null });
  transport.publish(handle.key, at(4));
  expect(handle.state.get()).toMatchObject({
    incarnation: 'e1',
    schemaVersion: '1.0',
    updatedAt: 1000,
    lastSyncedAt: 1000,
    source: 'receipt',
    connected: true,
    status: 'refetching',
  });
  transport.publish(handle.key, at(5, { value: 7 }));
  expect(handle.state.get()).toMatchObject({ sequence: 4, error: { code: 'invalid_value' } });
  await client.close();
  expect(handle.state.get().status).toBe('closed');
});

test('R85 a transport of one’s own delivers, and is left when the client closes', async () => {
  const transport = new InProcessTransport();
  const client = reading({ transport });
  const handle = client.record(User, { id: '1' });
  handle.retain();
  transport.publish(handle.key, at(1));
  expect([handle.get()?.name, transport.keyCount()]).toEqual(['v1', 1]);
  await client.close();
  expect(transport.keyCount()).toBe(0);
});

test('R86 a signal of another library follows', async () => {
  const transport = new InProcessTransport();
  const client = reading({ transport, seed: () => at(1) });
  const handle = client.record(User, { id: '1' });
  const names: (string | undefined)[] = [];
  const user = toPreact(handle);
  const stop = effect(() => {
    names.push(user.value?.name);
  });
  transport.publish(handle.key, at(2));
  await new Promise(setImmediate);
  expect(names).toEqual(['v1', 'v2']);
  stop();
});

test('R92 a stream is shared by its key, and forgotten with the last who subscribes', async () => {
  const open: string[] = [];
  const transport = streamTransport({
    open: (each) => {
      open.push(each);
      return { listen: (tell) => tell(at(1)), close: () => open.splice(open.indexOf(each), 1) };
    },
  });
  const [one, two] = [reading({ transport }), reading({ transport })];
  for (const client of [one, two]) client.record(User, { id: '1' }).retain();
  expect([open, transport.keyCount()]).toEqual([[key('1')], 1]);
  await one.close();
  expect([open, transport.keyCount()]).toEqual([[key('1')], 1]);
  await two.close();
  expect([open, transport.keyCount()]).toEqual([[], 0]);
});

test('R117 what is shown before the answer and then decided is one change', async () => {
  await using world = await openWorld();
  world.server.record(User);
  const client = world.client({ records: records([User]) });
  const handle = client.record(User, { id: '1' });
  handle.retain();
  await handle.ready();
  await handle.set({ name: 'a', n: 0 }).committed;
  const before = handle.state.get().sequence;
  const seen: (number | undefined)[] = [];
  observe(handle, (user) => seen.push(user?.n));
  await handle.patch({ n: 1 }).committed;
  await client.flush();
  expect([seen, handle.state.get().sequence]).toEqual([[0, 1], before + 1]);
});

test('R120 an increment that a snapshot may hold already is shown once after its reply', async () => {
  await using world = await openWorld();
  world.server.record(User);
  const valve = new Valve();
  const client = world.client({
    link: valve,
    records: records([User]),
    env: { random: () => 0.01 },
  });
  const handle = client.record(User, { id: '1' });
  handle.retain();
  await handle.ready();
  await handle.set({ name: 'a', n: 5 }).committed;
  const seen: (number | undefined)[] = [];
  observe(handle, (user) => seen.push(user?.n));
  // The server commits it, and nobody hears.
  valve.holdIn();
  const receipt = handle.increment('n');
  const other = world.client({ records: records([User]) }).record(User, { id: '1' });
  other.retain();
  await expect.poll(() => other.get()?.n).toBe(6);
  // So much has happened that what comes is the state, and not what led to it.
  const noise = Array.from({ length: 1000 }, (_, n) => `noise/${n % 3}`);
  await (await world.store()).transact((tx) => noise.map((path) => tx.put(path, 1))).committed;
  const before = valve.received.length;
  valve.cut();
  await receipt.committed;
  const since = valve.received.slice(before).join('');
  expect(since).toContain('snapshot_end');
  expect(since.indexOf('snapshot_end')).toBeLessThan(since.indexOf('"store_seq":3}'));
  await client.flush();
  expect(handle.get()?.n).toBe(6);
  expect(seen.filter((n) => n === 7).length).toBeLessThanOrEqual(1);
  expect(seen.at(-1)).toBe(6);
});

const merge = (mine: string): string => mine;

test('R145 maps of authority take the two words and functions, and nothing else', () => {
  const spec = {
    name: 'doc',
    store: 'acme/app',
    path: 'docs/:id',
    version: '1.0',
    schema: passthrough<User>(),
  } as const;
  for (const authority of [{ name: 'lww' }, { name: 'server', n: 'lww' }, { name: merge }, {}]) {
    expect(record({ ...spec, authority: authority as never }).authority).toEqual(authority);
  }
  for (const wrong of ['mine', 7, null, {}]) {
    expect(() => record({ ...spec, authority: { name: wrong as never } })).toThrow(/server.*lww/);
  }
});

test('R153 without a map a field is overwritten: the last commit counts', async () => {
  await using world = await openWorld();
  world.server.record(User);
  const valve = new Valve();
  const [one, two] = [
    world.client({ records: records([User]), link: valve }),
    world.client({ records: records([User]) }),
  ].map((client) => client.record(User, { id: '1' }));
  if (one === undefined || two === undefined) throw new Error('two');
  one.retain();
  two.retain();
  await Promise.all([one.ready(), two.ready()]);
  await one.set({ name: 'a' }).committed;
  await expect.poll(() => two.get()?.name).toBe('a');
  valve.holdOut();
  const late = one.patch({ name: 'mine' });
  await two.patch({ name: 'theirs' }).committed;
  valve.letOut();
  await late.committed;
  await expect.poll(() => [one.get()?.name, two.get()?.name]).toEqual(['mine', 'mine']);
});
