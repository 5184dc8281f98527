import { asStoreName } from '@holdfast/protocol';
import { memory } from '@holdfast/server/storage/memory';
import { sqlite } from '@holdfast/server/storage/sqlite';
import { expect, test } from 'vitest';
import { VirtualClock } from '../conversation/clock.ts';
import { dialects, reasonOf, seqOf, write } from '../conversation/talk.ts';
import { topic, world } from '../conversation/world.ts';
import { type Child, startServer } from './child.ts';
import { directory } from './directory.ts';
import { heldByServer } from './ride.ts';

const hour = 3_600_000;

test.each(dialects)(
  'S50 on %s a wall clock that steps an hour ahead ends no lease early, one that steps back makes none longer',
  async (_name, knock) => {
    for (const [before, after] of [
      [0, hour],
      [0, -hour],
      [hour, 0],
      [-hour, 0],
    ] as const) {
      const clock = new VirtualClock();
      let stepped = 0;
      const wall = (): number => clock.wall() + stepped;
      const storage = memory({ now: wall });
      const { joined } = await world({ clock, storage });
      const [one, other] = [await joined(knock), await joined({ ...knock, device: 'd2' })];
      stepped = before;
      const first = await write(one, 'lease', 'lock', { ttl_ms: 60_000 });
      expect(seqOf(first)).toBe(1);
      stepped = after;
      await clock.pass(59_000);
      expect(reasonOf(await write(other, 'lease', 'lock'))).toBe('held');
      expect(reasonOf(await write(other, 'set', 'lock', { value: 1 }))).toBe('held');
      await clock.pass(1000);
      const second = await write(other, 'lease', 'lock', { ttl_ms: 60_000 });
      expect(second.response['token']).toBe(2);
      expect(reasonOf(await write(one, 'renew', 'lock', { token: 1 }))).toBe('not_held');
    }
  },
);

test('S50 a restart keeps a lease that has not expired, and ends it at its wall time', async () => {
  const data = directory();
  const clock = new VirtualClock();
  const start = () =>
    world({ clock, storage: sqlite({ directory: data, now: () => clock.wall() }) });
  const first = await start();
  const holder = await first.joined();
  expect((await write(holder, 'lease', 'lock', { ttl_ms: 60_000 })).response['token']).toBe(1);
  await clock.pass(20_000);
  const closing = first.server.close();
  await holder.closed();
  await closing;
  const second = await start();
  const [again, other] = [await second.joined(), await second.joined({ device: 'd2' })];
  expect(reasonOf(await write(other, 'lease', 'lock'))).toBe('held');
  const fence = { key: 'lock', token: 1 };
  expect(seqOf(await write(again, 'set', 'guarded', { value: 1, fence }))).toBe(2);
  await clock.pass(39_000);
  expect(reasonOf(await write(other, 'lease', 'lock'))).toBe('held');
  await clock.pass(1000);
  const stolen = await write(other, 'lease', 'lock');
  expect(stolen.response['token']).toBe(3);
  expect(reasonOf(await write(again, 'set', 'guarded', { value: 2, fence }))).toBe('fenced');
});

/** What one writer asked for and was promised: the seqs of each acknowledged transaction, by its id. */
type Promised = Map<string, number>;

/** Pipelines transactions of three ops until the server is gone. */
async function writeUntilKilled(server: Child, device: string, promised: Promised): Promise<void> {
  const writer = await server.connect({ device });
  await writer.join(topic, { last_store_seq: 0, patterns: [] });
  const ids = new Map<string, string>();
  let count = 0;
  try {
    for (;;) {
      while (ids.size < 8) {
        const id = `${device}-${promised.size}-${(count += 1)}`;
        const ops = [
          { op: 'set', path: `${device}/a`, value: id },
          { op: 'increment', path: `${device}/n`, value: 1 },
          { op: 'set', path: `${device}/b`, value: id },
        ];
        ids.set(writer.push(topic, 'transact', { client_op_id: id, ops }), id);
      }
      const [, ref, , , payload] = await writer.until(([, , , event]) => event === 'phx_reply');
      const id = ids.get(ref ?? '');
      ids.delete(ref ?? '');
      const response = payload['response'] as { readonly store_seq: number };
      if (id !== undefined && payload['status'] === 'ok') promised.set(id, response.store_seq);
    }
  } catch {
    // The server was killed.
  }
}

test('S112 after a kill -9 under load every acknowledged transaction is there, none in half, and seqs are dense (P1)', async () => {
  const data = directory();
  const promised: Promised = new Map();
  for (let round = 1; round <= 3; round += 1) {
    const server = await startServer({ data });
    const writing = ['w1', 'w2', 'w3', 'w4'].map((device) =>
      writeUntilKilled(server, device, promised),
    );
    const enough = promised.size + 150;
    await expect.poll(() => promised.size).toBeGreaterThan(enough);
    await server.kill();
    await Promise.all(writing);
  }
  const storage = sqlite({ directory: data });
  const store = await storage.stores.find(asStoreName('demo/main'));
  const ops = await storage.read(store?.id ?? '', 0, { ops: 1_000_000 });
  await storage.close();
  const whole = new Map<string, number[]>();
  for (const [at, { seq, clientOpId: id }] of ops.entries()) {
    expect(seq).toBe(at + 1);
    whole.set(id, [...(whole.get(id) ?? []), seq]);
  }
  for (const [id, seqs] of whole) {
    expect([id, seqs]).toEqual([id, [0, 1, 2].map((n) => (seqs[0] ?? 0) + n)]);
  }
  for (const [id, last] of promised) expect([id, whole.get(id)?.at(-1)]).toEqual([id, last]);
  const total = ops.filter(({ op }) => op === 'increment').length;
  const { rows } = await heldByServer(await world({ data }));
  const counted = rows.filter(([path]) => path.endsWith('/n'));
  expect(counted.reduce((sum, [, value]) => sum + Number(value), 0)).toBe(total);
}, 120_000);
