import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, get, request } from 'node:http';
import { connect as connectTo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultLimits } from '@holdfast/protocol';
import { StorageError } from '@holdfast/server';
import { memory } from '@holdfast/server/storage/memory';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Raw } from '../security/raw.ts';
import { VirtualClock } from './clock.ts';
import type { Peer, WireFrame } from './peer.ts';
import { SlowDisk } from './slow-disk.ts';
import { arrived, dialects, put, reasonOf, write } from './talk.ts';
import { set, topic, world } from './world.ts';

function closeOf(peer: Peer): Promise<WireFrame> {
  return peer.until(([, , , event]) => event === 'phx_close');
}

test.each(dialects)(
  'S110 on %s archiving a store closes its channels, and none can be joined again (P44)',
  async (_n, knock) => {
    const { server, joined, storeId } = await world();
    const [peer, other] = [await joined(knock), await joined({ ...knock, device: 'd2' })];
    await put(peer, 'a', 1);
    await server.stores.archive(storeId);
    for (const each of [peer, other]) {
      expect(await closeOf(each)).toEqual([each.joinRef, each.joinRef, topic, 'phx_close', {}]);
      expect(reasonOf(await write(each, 'set', 'a', { value: 2 }))).toBe('unmatched topic');
    }
    for (const ref of ['demo/main', storeId]) {
      expect(reasonOf(await peer.join(`store:${ref}`))).toBe('unauthorized');
    }
    await server.stores.create('demo/next');
    expect((await peer.join('store:demo/next')).status).toBe('ok');
  },
);

test('S110 archived over HTTP, a store closes its channels', async () => {
  const { joined, url } = await world();
  const peer = await joined();
  const headers = { authorization: 'Bearer dev' };
  const { status } = await fetch(`${url}/api/stores/demo/main`, { method: 'DELETE', headers });
  expect(status).toBe(200);
  expect(await closeOf(peer)).toEqual([peer.joinRef, peer.joinRef, topic, 'phx_close', {}]);
  expect(reasonOf(await peer.join(topic))).toBe('unauthorized');
});

test('S110 writes that were waiting when the store was archived are not applied', async () => {
  const disk = new SlowDisk(memory());
  const { server, joined, storeId } = await world({ storage: disk.storage });
  const peer = await joined();
  disk.hold();
  peer.push(topic, 'write', set('a', 1, 'on-its-way'));
  await disk.reached();
  peer.push(topic, 'write', set('b', 1, 'waiting'));
  await arrived(peer);
  await server.stores.archive(storeId);
  disk.release();
  await closeOf(peer);
  const store = (): object | undefined => server.describe().stores[0];
  await expect.poll(store).toMatchObject({ phase: 'idle', queued: 0 });
  expect(store()).toMatchObject({ head: 1 });
});

test('S110 a join under way when the store is archived does not get in', async () => {
  const disk = new SlowDisk(memory());
  const { server, connect, storeId } = await world({ storage: disk.storage });
  const peer = await connect({ capver: '3' });
  disk.hold();
  peer.send(['1', '1', topic, 'phx_join', { last_store_seq: 0 }]);
  await disk.reached();
  await server.stores.archive(storeId);
  disk.release();
  expect((await peer.reply('1')).response).toEqual({ reason: 'unauthorized' });
  expect(reasonOf(await write(peer, 'set', 'a', { value: 1 }))).toBe('unmatched topic');
});

test('S110 a store whose time has come is archived within 60 s', async () => {
  const clock = new VirtualClock();
  const { server, joined, connect } = await world({ clock, storage: memory({ now: clock.wall }) });
  const expiresAt = clock.wall() + 100_000;
  const brief = await server.stores.create('demo/brief', { expiresAt });
  const other = await joined({ device: 'd2' });
  const peer = await connect();
  const topicOfBrief = 'store:demo/brief';
  expect((await peer.join(topicOfBrief)).status).toBe('ok');
  const joinRef = peer.joinRef;
  const { response } = await peer.ask(topicOfBrief, 'status', {});
  expect(response['expires_at']).toBe(expiresAt);
  const alive = async (ms: number): Promise<void> => {
    await clock.pass(ms);
    await Promise.all([arrived(peer), arrived(other)]);
  };
  await alive(50_000);
  await alive(49_000);
  expect((await peer.ask(topicOfBrief, 'write', set('a', 1, 'x'))).status).toBe('ok');
  await alive(31_000);
  await alive(30_000);
  const closed = peer.heard.findLast(([, , , event]) => event === 'phx_close');
  expect(closed).toEqual([joinRef, joinRef, topicOfBrief, 'phx_close', {}]);
  expect((await server.stores.find('demo/brief'))?.status).toBe('archived');
  for (const ref of ['demo/brief', brief?.id]) {
    expect(reasonOf(await peer.join(`store:${ref}`))).toBe('unauthorized');
  }
  expect(await put(other, 'a', 1)).toBe(1);
});

test('S110 all stores of one instant are archived when it comes, though they are read some at a time', async () => {
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  const reads = vi.spyOn(storage.stores, 'expired');
  const { server } = await world({ clock, storage });
  const expiresAt = clock.wall() + 10_000;
  const names = Array.from({ length: 250 }, (_, at) => `demo/brief-${at}`);
  for (const name of names) await server.stores.create(name, { expiresAt });
  await clock.pass(15_000);
  const rows = async () => Promise.all(names.map(async (name) => server.stores.find(name)));
  const archived = async () => (await rows()).filter((row) => row?.status === 'archived').length;
  await expect.poll(archived).toBe(250);
  const parts = await Promise.all(reads.mock.results.map(async ({ value }) => value));
  expect(parts.map(({ length }) => length)).toEqual([100, 100, 50]);
});

test('S111 healthz says that the process lives, readyz that it can work', async () => {
  const { url } = await world();
  const health = await fetch(`${url}/healthz`);
  expect([health.status, await health.json()]).toEqual([200, { status: 'ok' }]);
  const ready = await fetch(`${url}/readyz`);
  expect(ready.status).toBe(200);
  expect(await ready.json()).toMatchObject({ checks: { database: 'ok', pubsub: 'ok' } });
});

test('S111 a probe of HTTP/1.0 that names no host is answered', async () => {
  const probe = await Raw.open((await world()).url);
  probe.say('GET /readyz HTTP/1.0\r\n\r\n');
  expect(await probe.closed()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
});

test('S111 readyz is 503 while the server drains, for those who connect then too', async () => {
  const disk = new SlowDisk(memory());
  const { server, joined, url } = await world({ storage: disk.storage });
  const peer = await joined();
  disk.hold();
  const ref = peer.push(topic, 'write', set('a', 1, 'x'));
  await disk.reached();
  const closed = server.close();
  expect(await statusOf(`${url}/readyz`)).toBe(503);
  expect(await statusOf(`${url}/healthz`)).toBe(200);
  disk.release();
  expect((await peer.reply(ref)).response).toEqual({ store_seq: 1 });
  await closed;
  await expect(statusOf(`${url}/healthz`)).rejects.toThrow();
});

test('S111 readyz is 503 while the storage refuses writes, says why, and finds out by itself when it takes them again', async () => {
  const { storage } = new SlowDisk(memory());
  const { keys } = storage;
  let isFull = false;
  const { joined, url } = await world({
    storage: {
      ...storage,
      append: async (...given) =>
        isFull
          ? { status: 'failed', message: 'No space is left.', reason: 'full' }
          : storage.append(...given),
      keys: {
        take: async (key) => {
          if (isFull) throw new StorageError('full', 'No space is left.');
          return keys.take(key);
        },
        answer: (name, answer) => keys.answer(name, answer),
        free: (name) => keys.free(name),
      },
    },
  });
  const ready = async (): Promise<readonly unknown[]> => {
    const answer = await fetch(`${url}/readyz`);
    return [answer.status, await answer.json()];
  };
  const peer = await joined();
  isFull = true;
  expect((await ready())[0]).toBe(200);
  expect(reasonOf(await write(peer, 'set', 'a', { value: 1 }))).toBe('unavailable');
  const checks = { database: 'cannot write: full', pubsub: 'ok' };
  expect(await ready()).toEqual([503, { status: 'unavailable', checks }]);
  isFull = false;
  expect((await ready())[0]).toBe(200);
});

/** Asks on a connection of its own. */
function statusOf(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { agent: new Agent() }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on('error', reject);
  });
}

test.each(dialects)(
  'S111 on %s a drain answers what it has taken, says when to return, and closes with 1001 (P46)',
  async (_n, knock) => {
    const disk = new SlowDisk(memory());
    const { server, joined, connect } = await world({ storage: disk.storage });
    const [peer, other] = [await joined(knock), await joined({ ...knock, device: 'd2' })];
    disk.hold();
    const refs = ['on its way', 'waiting', 'last'].map((id) =>
      peer.push(topic, 'write', set(id, 1, id)),
    );
    await disk.reached();
    await arrived(peer);
    const closed = server.close({ retryAfterMs: 500 });
    await expect(connect({ ...knock, device: 'd3' })).rejects.toThrow();
    disk.release();
    const replies = [];
    for (const ref of refs) replies.push((await peer.reply(ref)).response);
    expect(replies).toEqual([{ store_seq: 1 }, { store_seq: 2 }, { store_seq: 3 }]);
    for (const each of [peer, other]) {
      const [, , , , payload] = await each.until(([, , , event]) => event === 'retry_after');
      expect(payload['retry_after_ms']).toBeGreaterThanOrEqual(250);
      expect(payload['retry_after_ms']).toBeLessThanOrEqual(750);
      expect(await each.closed()).toBe(1001);
    }
    expect(
      other.heard.filter(([, , , event]) => event === 'event' || event === 'events'),
    ).not.toEqual([]);
    await closed;
  },
);

test('S111 a drain amid pipelined writes loses none that was answered, and answers all that it stored', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const { server, joined, storeId } = await world({ storage: sqlite({ directory }) });
  const peers = await Promise.all([1, 2, 3].map((i) => joined({ device: `d${i}` })));
  for (let i = 0; i < 300; i += 1) {
    for (const peer of peers) peer.push(topic, 'write', set(`${peer.device}/${i}`, i, `op-${i}`));
  }
  await peers[0]?.until(([, , , event]) => event === 'phx_reply');
  await server.close();
  const answered = new Set<number>();
  for (const peer of peers) {
    expect(await peer.closed()).toBe(1001);
    for (const [joinRef, ref, , event, { response }] of peer.heard) {
      if (event !== 'phx_reply' || ref === joinRef) continue;
      answered.add((response as { store_seq: number }).store_seq);
    }
  }
  const storage = sqlite({ directory });
  const stored = (await storage.read(storeId, 0, { ops: 10_000 })).map(({ seq }) => seq);
  await storage.close();
  expect(stored.length).toBeGreaterThan(0);
  expect([...answered].toSorted((a, b) => a - b)).toEqual(stored);
});

test('a socket that is silent for 60 s, pings unanswered, is closed, one that is not stays open', async () => {
  const clock = new VirtualClock();
  const { idle_timeout_ms } = defaultLimits;
  const storage = memory({ now: clock.wall });
  const { joined } = await world({ clock, storage, limits: { idle_timeout_ms } });
  const [silent, other] = [await joined({ pongs: false }), await joined({ device: 'd2' })];
  for (let i = 0; i < 2; i += 1) {
    await clock.pass(29_000);
    await arrived(other);
  }
  expect(await put(silent, 'a', 1)).toBe(1);
  for (let i = 0; i < 3; i += 1) {
    await clock.pass(21_000);
    await arrived(other);
  }
  expect(await silent.closed()).toBe(1001);
});

test('S111 an HTTP request that comes while the server drains is told to come back', async () => {
  const disk = new SlowDisk(memory());
  const { server, joined, url } = await world({ storage: disk.storage });
  const peer = await joined();
  disk.hold();
  peer.push(topic, 'write', set('a', 1, 'x'));
  await disk.reached();
  const closed = server.close();
  const headers = { authorization: 'Bearer dev' };
  const response = await fetch(`${url}/api/stores`, { headers });
  expect([response.status, await response.json()]).toEqual([
    503,
    expect.objectContaining({ error: 'unavailable' }),
  ]);
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  disk.release();
  await closed;
});

test('S111 a drain answers the HTTP requests that it has taken, also those whose bodies are still on their way', async () => {
  const disk = new SlowDisk(memory());
  const { server, url } = await world({ storage: disk.storage });
  const headers = { authorization: 'Bearer dev', 'content-type': 'application/json' };
  const entry = (name: string): string => `${url}/api/stores/demo/main/entries/${name}`;
  disk.hold();
  const written = fetch(entry('a'), { method: 'PUT', headers, body: '1' });
  const begun = await inTwoParts(entry('b'));
  await disk.reached();
  const closed = server.close();
  disk.release();
  expect((await written).status).toBe(200);
  expect(await begun.end()).toBe(503);
  await closed;
});

test('S111 a connection that was opened in advance does not hold a drain up, nor end what is under way', async () => {
  const { server, url } = await world();
  const { hostname, port } = new URL(url);
  const inAdvance = connectTo(Number(port), hostname);
  await once(inAdvance, 'connect');
  const begun = await inTwoParts(`${url}/api/stores/demo/main/entries/a`);
  await (await fetch(`${url}/healthz`)).text();
  const closed = server.close();
  await once(inAdvance, 'close');
  expect(await begun.end()).toBe(503);
  await closed;
});

/** A request whose body comes in two parts. */
function inTwoParts(target: string): Promise<{ end(): Promise<number> }> {
  return new Promise((begun, failed) => {
    const headers = { authorization: 'Bearer dev', 'content-type': 'application/json' };
    const outgoing = request(target, { method: 'PUT', headers, agent: new Agent() });
    const answered = new Promise<number>((resolve, reject) => {
      outgoing.on('response', (response) => resolve(response.resume().statusCode ?? 0));
      outgoing.on('error', reject);
    });
    answered.catch(failed);
    const end = (): Promise<number> => {
      outgoing.end('cd"');
      return answered;
    };
    outgoing.write('"ab', () => begun({ end }));
  });
}
