import { randomUUID } from 'node:crypto';
import { asStoreName } from '@holdfast/protocol';
import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import type { Storage } from '../../src/storage/port.ts';
import { VirtualClock } from '../conversation/clock.ts';
import { topic, world } from '../conversation/world.ts';

/** Counts how often something is done in one turn of the event loop. */
class Counter {
  most = 0;
  all = 0;
  #inTurn = 0;

  note(): void {
    if (this.#inTurn === 0) setImmediate(() => (this.#inTurn = 0));
    this.#inTurn += 1;
    this.all += 1;
    this.most = Math.max(this.most, this.#inTurn);
  }
}

/** Makes so many stores in a storage. */
async function fill(storage: Storage, count: number): Promise<readonly string[]> {
  const rows = Array.from({ length: count }, (_, at) =>
    storage.stores.create({
      id: randomUUID(),
      name: asStoreName(`demo/s${at}`),
      incarnation: randomUUID(),
      expiresAt: null,
    }),
  );
  return (await Promise.all(rows)).flatMap((row) => row?.id ?? []);
}

test('compaction looks at no more than a hundred stores in a turn of the event loop', async () => {
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  await fill(storage, 450);
  const looks = new Counter();
  const { open } = storage;
  storage.open = (store) => {
    looks.note();
    return open.call(storage, store);
  };
  await world({ clock, storage });
  await clock.pass(10 * 60_000);
  await expect.poll(() => looks.all).toBeGreaterThanOrEqual(450);
  expect(looks.most).toBeLessThanOrEqual(100);
});

test('who lists thousands of stores leaves others their turns between two pages, and gets all of them', async () => {
  const storage = memory();
  await fill(storage, 1700);
  const pages = new Counter();
  const { stores } = storage;
  const list = stores.list.bind(stores);
  stores.list = (page) => {
    pages.note();
    return list(page);
  };
  const { url } = await world({ storage });
  const answer = await fetch(`${url}/api/stores`, { headers: { authorization: 'Bearer dev' } });
  const { org, stores: listed } = await answer.json();
  expect(answer.headers.get('content-type')).toBe('application/json');
  expect([org, listed.length, pages.all, pages.most]).toEqual(['demo', 1701, 4, 1]);
});

test('the webhooks of former processes begin one after the other, each in a turn of the event loop', async () => {
  const storage = memory();
  const ids = await fill(storage, 50);
  for (const store of ids) {
    const hook = { url: 'https://hooks.acme.example/', patterns: ['**'], ops: null };
    const row = { id: randomUUID(), store, secret: 's', insertedAt: 0, ...hook };
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await storage.webhooks.create(row, 20);
  }
  const reads = new Counter();
  const { read } = storage;
  storage.read = (...asked) => {
    reads.note();
    return read.apply(storage, asked);
  };
  await world({ storage });
  await expect.poll(() => reads.all).toBe(50);
  expect(reads.most).toBe(1);
});

test('a store whose time has come is archived once, however long that takes', async () => {
  const clock = new VirtualClock();
  const storage = memory({ now: clock.wall });
  const { server } = await world({ clock, storage });
  await server.stores.create('demo/brief', { expiresAt: clock.wall() + 1000 });
  const { stores } = storage;
  const archive = stores.archive.bind(stores);
  const begun: (() => void)[] = [];
  stores.archive = async (id) => {
    await new Promise<void>((resolve) => void begun.push(resolve));
    return archive(id);
  };
  await clock.pass(90_000);
  expect(begun).toHaveLength(1);
  for (const goOn of begun) goOn();
  await expect.poll(async () => (await server.stores.find('demo/brief'))?.status).toBe('archived');
  await clock.pass(90_000);
  expect(begun).toHaveLength(1);
  const acts = await storage.audit.list({ org: 'demo', limit: 10 });
  expect(acts.filter(({ act }) => act === 'store.expired')).toHaveLength(1);
});

test('given a store that is being opened, when it is archived and the disk fails to read it, then the audit log tells of it', async () => {
  const storage = memory();
  const failing: (() => void)[] = [];
  storage.open = () =>
    new Promise((_, reject) => {
      failing.push(() => reject(new Error('the disk is in trouble')));
    });
  const log = { info: () => undefined, error: () => undefined };
  const { server, connect, storeId } = await world({ storage, log });
  const peer = await connect();
  const joining = peer.join(topic, { last_store_seq: 0 });
  await expect.poll(() => failing.length).toBe(1);
  const archived = server.stores.archive(storeId);
  await expect.poll(async () => (await server.stores.find('demo/main'))?.status).toBe('archived');
  for (const fail of failing) fail();
  expect(await archived).toBe(true);
  expect((await joining).status).toBe('error');
  const acts = await storage.audit.list({ org: 'demo', limit: 10 });
  expect(acts.filter(({ act }) => act === 'store.archived')).toHaveLength(1);
});
