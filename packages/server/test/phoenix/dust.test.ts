import { expect, test, vi } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import { legacyStateOf, stateOf } from '../conversation/replica.ts';
import { SlowDisk } from '../conversation/slow-disk.ts';
import { memory } from '@holdfast/server/storage/memory';
import { put, write } from '../conversation/talk.ts';
import { topic, type World, world } from '../conversation/world.ts';
import { transports } from './client.ts';
import { DustClient, DustError } from './dust-client.ts';
import { Aborted, singleFlight } from './single-flight.ts';

async function clientOf({ url }: World, device: string, opening: object = {}): Promise<DustClient> {
  const client = new DustClient(url, topic, { ...opening, device });
  await client.ready;
  return client;
}

test.each(transports)(
  'S11 over %s a read right after an awaited write returns what was written',
  async (_name, opening) => {
    const client = await clientOf(await world(), 'd', opening);
    expect(await client.write('set', 'a/b', { value: 'x' })).toEqual({ store_seq: 1 });
    expect([client.get('a/b'), client.revision('a/b')]).toEqual(['x', 1]);
    await client.write('increment', 'n', { value: 2 });
    expect(client.get('n')).toBe(2);
    await client.write('merge', 'm', { value: { k: { deep: [1] } } });
    expect(client.get('m/k/deep')).toEqual([1]);
    await client.write('delete', 'a');
    expect(client.get('a/b')).toBeUndefined();
    expect(client.pending.size).toBe(0);
  },
);

test.each(transports)(
  'S14 over %s a cache that touches the exact path only ends equal to the server',
  async (_name, opening) => {
    const here = await world();
    const client = await clientOf(here, 'd', opening);
    await client.write('set', 'c/foo/hits', { value: 3 });
    expect(await client.write('set', 'c/foo', { value: 0 })).toEqual({ store_seq: 3 });
    await client.write('set', 'x/a', { value: 1 });
    await client.write('set', 'x/a/b', { value: 2 });
    await client.write('set', 'posts', { value: { a: { t: 1 }, b: 2 } });
    await client.write('merge', 'posts', { value: { a: 0 } });
    await client.write('add', 'members', { value: 'e' });
    await client.write('set', 'posts/b/c', { value: {} });
    const { leaves } = await stateOf(here);
    const rows = Object.fromEntries(client.cache.rows);
    expect(rows).toEqual(Object.fromEntries(leaves));
    expect(new Set(client.cache.rows.keys())).toEqual(new Set((await legacyStateOf(here)).keys()));
    expect(client.pending.size).toBe(0);
  },
);

test.each(transports)(
  'S36 over %s the error of a conflict shows the current revision',
  async (_name, opening) => {
    const client = await clientOf(await world(), 'd', opening);
    await client.write('set', 'k', { value: 1 });
    await client.write('set', 'k', { value: 2 });
    const stale = await client
      .write('set', 'k', { value: 3, if_match: 1 })
      .catch((error: unknown) => error);
    expect(stale).toBeInstanceOf(DustError);
    expect(String(stale)).toContain('conflict (at 2)');
    expect(client.get('k')).toBe(2);
    const absent = client.write('set', 'none', { value: 3, if_match: 1 });
    await expect(absent).rejects.toThrow('conflict (at null)');
    await client.write('set', 'k', { value: 3, if_match: client.revision('k') });
    expect(client.get('k')).toBe(3);
    await expect(client.write('set', 'k', { value: 4, if_absent: true })).rejects.toThrow(
      'exists (at 3)',
    );
  },
);

test.each(transports)(
  'S63 over %s a client that sends every write that waited twice has each applied once',
  async (_name, opening) => {
    const disk = new SlowDisk(memory());
    const here = await world({ storage: disk.storage });
    const client = await clientOf(here, 'd', opening);
    await client.write('increment', 'c', { value: 1 });
    disk.hold();
    // Committed after the socket is lost, before any reply.
    const underWay = [1, 2, 3].map(() => client.write('increment', 'c', { value: 1 }));
    await disk.reached();
    await client.drop();
    const offline = [1, 2, 3].map((n) => client.write('add', 'members', { value: n }));
    disk.release();
    const replies = await Promise.all([...underWay, ...offline]);
    expect(replies.map((reply) => reply['store_seq'])).toEqual([2, 3, 4, 5, 6, 7]);
    const counted = new Map<string, number>();
    for (const id of client.sent) counted.set(id, (counted.get(id) ?? 0) + 1);
    expect([...counted.values()]).toEqual([1, 3, 3, 3, 2, 2, 2]);
    expect(client.get('c')).toBe(4);
    expect(client.get('members')).toEqual([3, 2, 1]);
    await expect.poll(() => client.pending.size).toBe(0);
    expect((await stateOf(here)).leaves.get('c')).toEqual({
      value: 4,
      type: 'counter',
      revision: 4,
    });
  },
);

test('S63 a write that a snapshot swallowed is cleared from the pending list by the echo of its repeat', async () => {
  const storage = memory();
  const disk = new SlowDisk(storage);
  const here = await world({ storage: disk.storage });
  const client = await clientOf(here, 'd');
  await client.write('increment', 'c', { value: 1 });
  disk.hold();
  const lost = client.write('increment', 'c', { value: 1 });
  await disk.reached();
  const row = await storage.stores.get(here.storeId);
  if (row === null) throw new Error('no store');
  const record = { incarnation: row.incarnation, scope: 'all', unconfirmed: true };
  await storage.devices.put(row.name, 'd', record);
  await client.drop();
  disk.release();
  expect(await lost).toEqual({ store_seq: 2 });
  await expect.poll(() => client.pending.size).toBe(0);
  expect(client.get('c')).toBe(2);
});

test('S41 writes from a socket of every kind, and from capver 4, reach a joined client in seq order', async () => {
  // It never moves: nothing waits for time to pass.
  const here = await world({ clock: new VirtualClock() });
  const heard: number[] = [];
  const listener = await clientOf(here, 'listener');
  listener.watch(({ store_seq: seq }) => heard.push(seq));
  const olds = transports.map(async ([name, opening], at) => {
    const client = await clientOf(here, name, opening);
    for (let n = 0; n < 10; n += 1) await client.write('set', `old/${at}`, { value: n });
  });
  const modern = await here.joined({ device: 'modern' });
  for (let n = 0; n < 10; n += 1) await put(modern, 'new', n);
  await Promise.all(olds);
  const deleted = await write(modern, 'delete', 'old');
  expect(deleted.status).toBe('ok');
  await expect.poll(() => heard.length).toBe(51);
  expect(heard).toEqual(Array.from({ length: 51 }, (_, n) => n + 1));
  expect([...listener.cache.rows.keys()]).toEqual(['new']);
});

const ttlMs = 30_000;

test.each(transports)(
  'S51 over %s of two clients that want the same value one runs the function, the other awaits',
  async (_name, opening) => {
    const here = await world();
    const [a, b] = [await clientOf(here, 'a', opening), await clientOf(here, 'b', opening)];
    const land: (() => void)[] = [];
    const run = vi.fn(async () => {
      await new Promise<void>((resolve) => land.push(resolve));
      return { answer: 42 };
    });
    const plan = { key: 'report', ttlMs, run };
    const flying = Promise.all([singleFlight(a, plan), singleFlight(b, plan)]);
    // Both have asked for the lease and are answered before the one who has it is done.
    await expect.poll(() => [land.length, a.sent.length, b.sent.length]).toEqual([1, 1, 1]);
    await expect.poll(() => a.pending.size + b.pending.size).toBe(0);
    for (const done of land) done();
    const flights = await flying;
    expect(run).toHaveBeenCalledTimes(1);
    expect(flights.map(({ how }) => how).toSorted()).toEqual(['awaited', 'computed']);
    expect(flights.map(({ value }) => value)).toEqual([{ answer: 42 }, { answer: 42 }]);
    expect(await singleFlight(b, plan)).toEqual({ how: 'cached', value: { answer: 42 } });
    const { leaves } = await stateOf(here);
    expect([...leaves.keys()]).toEqual(['report']);
  },
);

test('S51 when the one who runs aborts, the one who waits runs', async () => {
  const here = await world();
  const [a, b] = [await clientOf(here, 'a'), await clientOf(here, 'b')];
  const run = vi.fn<(abort: (error: Error) => void) => void>();
  const first = singleFlight(a, {
    key: 'report',
    ttlMs,
    run: () => new Promise((_resolve, reject) => run(reject)),
  });
  await expect.poll(() => run.mock.calls.length).toBe(1);
  const second = singleFlight(b, { key: 'report', ttlMs, run: async () => 'from b' });
  // The waiter has asked for the lease, and was told that it is held.
  await expect.poll(() => b.sent.length).toBe(1);
  await expect.poll(() => b.pending.size).toBe(0);
  run.mock.calls[0]?.[0](new Aborted());
  await expect(first).rejects.toThrow(Aborted);
  expect(await second).toEqual({ how: 'computed', value: 'from b' });
});

test('S51 one who runs and is killed is replaced after the ttl, and its late result is fenced off', async () => {
  const here = await world();
  const [a, b] = [await clientOf(here, 'a'), await clientOf(here, 'b')];
  const started = vi.fn();
  void singleFlight(a, {
    key: 'report',
    ttlMs: 150,
    run: () => {
      started();
      return new Promise(() => undefined);
    },
  });
  await expect.poll(() => started.mock.calls.length).toBe(1);
  const stale = { key: '_dust:sf/report', token: 1 };
  a.die();
  const flight = await singleFlight(b, { key: 'report', ttlMs, run: async () => 'from b' });
  expect(flight).toEqual({ how: 'computed', value: 'from b' });
  const revived = await clientOf(here, 'a2');
  const late = revived.write('set', 'report', { value: '"late"', fence: stale });
  await expect(late).rejects.toThrow('fenced');
  expect(b.get('report')).toBe('"from b"');
});
