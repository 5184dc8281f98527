import { createClient } from '@holdfast/client';
import type { Json } from '@holdfast/protocol';
import { createServer, type Retention } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { expect, onTestFinished, test } from 'vitest';

import { directory } from '../catch-up/directory.ts';
import { VirtualClock } from '../conversation/clock.ts';
import { put } from '../conversation/talk.ts';
import { topic, world } from '../conversation/world.ts';
import { Scrape } from '../metrics/scrape.ts';

const HOUR = 3_600_000;
const large = 'x'.repeat(60_000);

async function aged(retention?: Partial<Retention>, wall?: (clock: VirtualClock) => number) {
  const clock = new VirtualClock();
  const storage = memory({ now: () => wall?.(clock) ?? clock.wall() });
  const here = await world({ storage, clock, ...(retention && { retention }) });
  const standing = async () => (await storage.open(here.storeId))?.oldestSeq;
  const join = () => here.joined({ device: 'writer' });
  const write = async (count: number, value: Json) => {
    const peer = await join();
    for (let at = 0; at < count; at += 1) {
      // oxlint-disable-next-line no-await-in-loop -- seqs in this order
      await put(peer, `k/${at}`, value);
    }
  };
  return { clock, storage, here, join, standing, write };
}

test('S94 what is old enough and not among the last ops is forgotten; entries and revisions stay', async () => {
  const { clock, here, standing, write } = await aged({ ms: HOUR, ops: 5 });
  await write(12, 'old');
  await clock.pass(2 * HOUR);
  await expect.poll(standing).toBe(8);
  const figures = await Scrape.of(here.url);
  expect(figures.value('holdfast_compacted_ops_total')).toBe(7);
  expect(figures.count('holdfast_compaction_step_seconds')).toBe(1);
  const reader = await here.connect();
  await reader.join(topic, { last_store_seq: 0 });
  const state = JSON.stringify(await reader.caughtUp());
  for (let at = 0; at < 12; at += 1) expect(state).toContain(`k/${at}`);
});

test('what was written while the clock was years ahead goes with what was written after it, and no earlier', async () => {
  let aheadMs = 0;
  const { clock, standing, write } = await aged(
    { ms: 3 * HOUR, ops: 2 },
    (at) => at.wall() + aheadMs,
  );
  await write(3, 'before');
  aheadMs = 8766 * HOUR;
  await write(200, 'ahead');
  aheadMs = 0;
  await clock.pass(HOUR);
  await write(4, 'after');
  await clock.pass(2.4 * HOUR);
  // Those before it are old enough; how old those are that it dated is not known before the next is.
  await expect.poll(standing).toBe(4);
  await clock.pass(0.4 * HOUR);
  expect(await standing()).toBe(4);
  await clock.pass(0.4 * HOUR);
  await expect.poll(standing).toBe(206);
});

test('a clock that is put years ahead has nothing forgotten until it has stood there for a day', async () => {
  const { clock, standing, write } = await aged({ ms: HOUR, ops: 2 });
  await write(12, 'new');
  clock.setWall(8766 * HOUR);
  await clock.pass(HOUR / 2);
  await write(1, 'ahead');
  expect(await standing()).toBe(1);
  await clock.pass(25 * HOUR);
  await expect.poll(standing).toBe(12);
});

test('a server that is started while the clock is years ahead forgets nothing by that until it has stood there for a day', async () => {
  const clock = new VirtualClock();
  const options = { directory: directory(), now: clock.wall, monotonic: clock.now };
  const begin = async () => {
    const storage = sqlite(options);
    const here = await world({ storage, clock, retention: { ms: 48 * HOUR, ops: 2 } });
    return { here, oldest: async () => (await storage.open(here.storeId))?.oldestSeq };
  };
  const first = await begin();
  const peer = await first.here.joined();
  for (let at = 0; at < 12; at += 1) {
    // oxlint-disable-next-line no-await-in-loop -- seqs in this order
    await put(peer, `k/${at}`, 'new');
  }
  await first.here.server.close();
  clock.setWall(8766 * HOUR);
  const second = await begin();
  await clock.pass(2 * HOUR);
  expect(await second.oldest()).toBe(1);
  await clock.pass(25 * HOUR);
  await expect.poll(second.oldest).toBe(11);
});

test('a store of which `of` says so keeps fewer ops than all others, from the next look on', async () => {
  let isShort = false;
  const asked = new Set<string>();
  const of = (store: string) => {
    asked.add(store);
    return isShort ? { ms: 1, ops: 2 } : undefined;
  };
  const { clock, standing, write } = await aged({ ms: HOUR, ops: 5, of });
  await write(12, 'old');
  await clock.pass(600_000);
  await expect.poll(() => [...asked]).toEqual(['demo/main']);
  expect(await standing()).toBe(1);
  isShort = true;
  await clock.pass(600_000);
  await expect.poll(standing).toBe(11);
});

test('what `of` says wrongly of one store is told of, and all others are looked at', async () => {
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  const told: unknown[] = [];
  const server = createServer({
    storage,
    clock,
    retention: { ms: 1, ops: 2, of: (store) => (store === 'a/a' ? { ops: 0 } : undefined) },
    log: { info: () => undefined, error: (details, message) => told.push(message, details) },
  });
  onTestFinished(() => server.close());
  await server.stores.create('a/a');
  const other = await server.stores.create('a/b');
  const principal = {
    subject: 'x',
    orgs: ['a'],
    scopes: ['entries:read', 'entries:write'],
  } as const;
  const client = createClient({ ...server.inProcess(principal) });
  onTestFinished(() => client.close());
  const store = client.store('a/b', { scope: [] });
  for (let at = 0; at < 6; at += 1) store.put(`k/${at}`, at);
  await store.settled();
  await clock.pass(600_000);
  await expect.poll(async () => (await storage.open(other?.id ?? ''))?.oldestSeq).toBe(5);
  expect(told.some((each) => String(each).includes('compaction failed'))).toBe(true);
});

test('S94 an op waits seven days for a webhook that has not come so far, and no longer', async () => {
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  const here = await world({ storage, clock, retention: { ms: HOUR, ops: 1 } });
  const row = { id: 'w', store: here.storeId, url: 'https://there.example', secret: 's' };
  // Nobody delivers to it: the server reads its webhooks when it starts.
  await storage.webhooks.create({ ...row, patterns: ['**'], ops: null, insertedAt: 0 }, 20);
  const peer = await here.joined({ device: 'writer' });
  for (const path of ['a', 'b', 'c']) await put(peer, path, 1);
  const standing = async () => (await storage.open(here.storeId))?.oldestSeq;
  clock.skip(HOUR + 7 * 24 * HOUR - 1_200_000);
  await clock.pass(600_000);
  expect(await standing()).toBe(1);
  clock.skip(600_001);
  await clock.pass(600_000);
  await expect.poll(standing).toBe(3);
});

test('S94 what may be forgotten is looked for half a minute after the start, and every ten minutes from then on', async () => {
  const { clock, standing, write } = await aged({ ms: 1, ops: 5 });
  await write(12, 'old');
  await clock.pass(29_000);
  expect(await standing()).toBe(1);
  await clock.pass(1000);
  await expect.poll(standing).toBe(8);
  await write(3, 'new');
  await clock.pass(599_000);
  expect(await standing()).toBe(8);
  await clock.pass(1000);
  await expect.poll(standing).toBe(11);
});

test('S93 S94 a map is read at a seq with the revision it had, though what was removed from it is forgotten', async () => {
  const { clock, here, join, standing, write } = await aged({ ms: HOUR, ops: 2 });
  const peer = await join();
  await put(peer, 'm/kept', 1);
  await put(peer, 'm/gone', 2);
  await peer.ask(topic, 'write', { op: 'delete', path: 'm/gone', client_op_id: 'removed' });
  await write(4, 'other');
  await clock.pass(2 * HOUR);
  await expect.poll(standing).toBe(6);
  const read = async (query: string): Promise<unknown> => {
    const url = new URL(`/api/stores/demo/main/entries/m${query}`, here.url);
    return (await fetch(url, { headers: { authorization: 'Bearer dev' } })).json();
  };
  const map = { path: 'm', value: { kept: 1 }, type: 'map', revision: 3 };
  for (const query of ['', '?at_seq=7', '?at_seq=5']) expect(await read(query)).toEqual(map);
});

test('S57 S90 S91 S93 S107 what is retained is told from the seq before it on, and nothing from before that', async () => {
  const { clock, here, standing, write } = await aged({ ms: HOUR, ops: 3 });
  await write(8, 'old');
  await clock.pass(2 * HOUR);
  await expect.poll(standing).toBe(6);
  const headers = { authorization: 'Bearer dev', 'content-type': 'application/json' };
  const ask = async (route: string, body?: object): Promise<object> => {
    const sent = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const url = new URL(`/api/stores/demo/main/${route}`, here.url);
    const answer = await fetch(url, { headers, ...sent });
    return { status: answer.status, ...Object(await answer.json()) };
  };
  const behind = { status: 409, error: 'beyond_retention', oldest_seq: 6 };
  expect(await ask('entries?at_seq=4')).toEqual(behind);
  expect(await ask('entries?at_seq=5')).toMatchObject({ status: 200 });
  expect(await ask('diff?from_seq=4')).toEqual({
    status: 409,
    error: 'compacted',
    earliest_available: 5,
  });
  expect(await ask('diff?from_seq=5')).toMatchObject({ status: 200, from_seq: 5, to_seq: 8 });
  const first = async (since: number): Promise<string> => {
    const quit = new AbortController();
    const url = new URL(`/api/stores/demo/main/watch?since=${since}`, here.url);
    const { body } = await fetch(url, { headers, signal: quit.signal });
    const { value } = (await body?.getReader().read()) ?? {};
    quit.abort();
    return new TextDecoder().decode(value).split('\n', 2).join(' ');
  };
  expect(await first(4)).toBe('event: reset data: {"why":"behind","seq":8}');
  expect(await first(5)).toMatch(/^id: 5 event: ready/);
  for (const [last, why] of [
    [4, 'behind'],
    [5, null],
  ] as const) {
    const peer = await here.connect({ device: `reader-${last}` });
    const { incarnation, scope } = (await peer.join(topic, { last_store_seq: 8 })).response;
    const payload = { last_store_seq: last, incarnation, scope };
    expect((await peer.join(topic, payload)).response).toMatchObject({ oldest_seq: 6, why });
  }
  expect(await ask('rollback', { to_seq: 4 })).toEqual(behind);
  const back = { status: 200, ops_written: 3, store_seq: 11 };
  expect(await ask('rollback', { to_seq: 5 })).toEqual(back);
});

test('S94 younger ops stay however many there are, and the last 10,000 stay however old', async () => {
  const young = await aged({ ms: HOUR, ops: 5 });
  await young.write(12, 'young');
  await young.clock.pass(HOUR / 2);
  expect(await young.standing()).toBe(1);
  const few = await aged({ ms: HOUR });
  await few.write(12, 'old');
  await few.clock.pass(2 * HOUR);
  expect(await few.standing()).toBe(1);
});

test('S58 writes during a compaction commit, and repeats are still known after it', async () => {
  const { clock, join, standing, write } = await aged({ ms: HOUR, ops: 5 });
  const once = { op: 'increment', path: 'n', value: 1, client_op_id: 'once' };
  const first = await (await join()).ask(topic, 'write', once);
  await write(2500, 'old');
  await clock.pass(2 * HOUR);
  await write(3, 'new');
  await expect.poll(standing).toBeGreaterThan(2400);
  expect(await (await join()).ask(topic, 'write', once)).toEqual(first);
});

test('S94 of large ops a step reads and forgets only a few, so that no turn of the event loop is spent on all of them', async () => {
  const { clock, storage, standing, write } = await aged({ ms: HOUR, ops: 2 });
  const { read } = storage;
  const steps: number[] = [];
  await write(40, Object.fromEntries(['a', 'b', 'c', 'd'].map((key) => [key, large])));
  storage.read = async (store, after, limit) => {
    const ops = await read.call(storage, store, after, limit);
    steps.push(ops.length);
    return ops;
  };
  await clock.pass(2 * HOUR);
  await expect.poll(standing).toBe(39);
  // Each op is a quarter of a MB.
  expect(steps).not.toEqual([]);
  expect(Math.max(...steps)).toBeLessThan(20);
});

test('a retention that keeps nothing, or is misspelt, is an error of the caller', async () => {
  await expect(world({ retention: { ops: 0 } })).rejects.toThrow(RangeError);
  const misspelt: object = { days: 3 };
  await expect(world({ retention: misspelt })).rejects.toThrow('retention has no "days"');
});

test('S94 a store whose log cannot be read keeps no other from being compacted, and the operator hears which it is', async () => {
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  const read = storage.read.bind(storage);
  const heard: string[] = [];
  const error = (details: { readonly err?: unknown }, what: string): void => {
    const { message, cause } = Object(details.err);
    heard.push(`${what}: ${message} ${String(cause)}`);
  };
  const log = { info: () => undefined, error };
  const here = await world({ storage, clock, log, retention: { ms: HOUR, ops: 2 } });
  const damaged = await here.server.stores.create('demo/damaged');
  storage.read = async (store, ...of) => {
    if (store === damaged?.id) throw new Error('a page is damaged');
    return read(store, ...of);
  };
  const peer = await here.connect();
  for (const name of ['demo/damaged', 'demo/main']) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await peer.join(`store:${name}`);
    for (let at = 0; at < 5; at += 1) {
      const payload = { op: 'set', path: 'a', value: at, client_op_id: `${name} ${at}` };
      // oxlint-disable-next-line no-await-in-loop -- the same
      await peer.ask(`store:${name}`, 'write', payload);
    }
  }
  await clock.pass(2 * HOUR);
  await expect.poll(async () => (await storage.open(here.storeId))?.oldestSeq).toBe(4);
  const told = 'The log of demo/damaged could not be compacted. Error: a page is damaged';
  expect(heard).toContain(`compaction failed: ${told}`);
});
