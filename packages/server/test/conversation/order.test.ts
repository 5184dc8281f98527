import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { VirtualClock } from './clock.ts';
import type { Peer, Reply } from './peer.ts';
import { valuesOf } from './replica.ts';
import { SlowDisk } from './slow-disk.ts';
import { arrived, logOf, put, reasonOf } from './talk.ts';
import { set, topic, world } from './world.ts';

const tenth = 10;
const wholeMs = expect.toSatisfy((value: unknown) => Number.isInteger(value));

/** Ten pipelined writes of which the queue takes two: the third finds it full. */
async function flood(
  capver: string,
): Promise<{ peer: Peer; replies: Reply[]; home: Awaited<ReturnType<typeof world>> }> {
  const disk = new SlowDisk(memory());
  const home = await world({ storage: disk.storage, limits: { write_queue: 2 } });
  const first = await home.joined({ device: 'first', capver });
  const peer = await home.joined({ capver });
  disk.hold();
  const occupying = first.ask(topic, 'write', set('occupying', 0, 'x'));
  await disk.reached();
  const refs = Array.from({ length: tenth }, (_, i) => peer.push(topic, 'write', payload(i + 1)));
  await arrived(peer);
  disk.release();
  await occupying;
  const replies: Reply[] = [];
  for (const ref of refs) replies.push(await peer.reply(ref));
  return { peer, replies, home };
}

function payload(i: number, more: object = {}): object {
  return set(`k/${i}`, i, `op-${i}`, more);
}

test('S67 when the third of ten pipelined writes is refused for now, the rest is blocked, and a retry keeps the order', async () => {
  const { peer, replies, home } = await flood('4');
  expect(replies.slice(0, 2).map(({ response }) => response)).toEqual([
    { store_seq: 2 },
    { store_seq: 3 },
  ]);
  expect(replies[2]?.response).toEqual({
    reason: 'overloaded',
    retry_after_ms: wholeMs,
  });
  for (const { response } of replies.slice(3)) {
    expect(response).toEqual({
      reason: 'blocked',
      client_op_id: 'op-3',
      retry_after_ms: wholeMs,
    });
  }
  // A later write does not get past the block, a repeat of a committed one does.
  expect(reasonOf(await peer.ask(topic, 'write', payload(10)))).toBe('blocked');
  expect((await peer.ask(topic, 'write', payload(1))).response).toEqual({ store_seq: 2 });
  for (let i = 3; i <= tenth; i += 1) {
    const { response } = await peer.ask(
      topic,
      'write',
      payload(i, i === 3 ? { unblock: true } : {}),
    );
    expect(response).toEqual({ store_seq: i + 1 });
  }
  const order = (await logOf(home)).map(({ path }) => path);
  expect(order).toEqual(['occupying', ...Array.from({ length: tenth }, (_, i) => `k/${i + 1}`)]);
});

test('S67 a rejoin lifts the block', async () => {
  const { peer } = await flood('4');
  await peer.join(topic, { last_store_seq: 3 });
  await peer.caughtUp();
  expect((await peer.ask(topic, 'write', payload(3))).response).toEqual({ store_seq: 4 });
});

test('S67 a block holds for its own channel alone: the first channel of another socket goes on, and cannot lift it', async () => {
  const { peer, home } = await flood('4');
  const other = await home.joined({ device: 'other' });
  expect(await put(other, 'free', 1)).toBeGreaterThan(1);
  await other.ask(topic, 'phx_leave', {});
  expect(reasonOf(await peer.ask(topic, 'write', payload(10)))).toBe('blocked');
});

test('S67 another channel is not blocked, nor is capver 3', async () => {
  const { peer, replies, home } = await flood('3');
  const refused = replies.filter(({ status }) => status === 'error');
  expect(new Set(refused.map(reasonOf))).toEqual(new Set(['overloaded']));
  expect((await peer.ask(topic, 'write', payload(10))).status).toBe('ok');
  const other = await home.joined({ device: 'other' });
  expect(await put(other, 'free', 1)).toBeGreaterThan(1);
});

test.each(['3', '4'])(
  'S68 on capver %s a request that waited past its deadline is overloaded, never applied, and a retry applies once',
  async (capver) => {
    const clock = new VirtualClock();
    const disk = new SlowDisk(memory({ now: clock.wall }));
    const home = await world({ storage: disk.storage, clock });
    const [first, peer] = [
      await home.joined({ capver, device: 'first' }),
      await home.joined({ capver }),
    ];
    disk.hold();
    const occupying = first.ask(topic, 'write', set('occupying', 0, 'x'));
    await disk.reached();
    const ref = peer.push(topic, 'write', {
      op: 'increment',
      path: 'c',
      value: 1,
      client_op_id: 'late',
    });
    await arrived(peer);
    await clock.pass(5000);
    disk.release();
    await occupying;
    const { response } = await peer.reply(ref);
    expect(response).toEqual({ reason: 'overloaded', retry_after_ms: expect.any(Number) });
    expect(await valuesOf(home)).toEqual({ occupying: 0 });
    const retry = { op: 'increment', path: 'c', value: 1, client_op_id: 'late', unblock: true };
    expect((await peer.ask(topic, 'write', retry)).response).toEqual({ store_seq: 2 });
    expect((await peer.ask(topic, 'write', retry)).response).toEqual({ store_seq: 2 });
    expect(await valuesOf(home)).toEqual({ occupying: 0, c: 1 });
  },
);

test('S68 a request that waited a little less is applied', async () => {
  const clock = new VirtualClock();
  const disk = new SlowDisk(memory({ now: clock.wall }));
  const home = await world({ storage: disk.storage, clock });
  const [first, peer] = [await home.joined({ device: 'first' }), await home.joined()];
  disk.hold();
  const occupying = first.ask(topic, 'write', set('occupying', 0, 'x'));
  await disk.reached();
  const ref = peer.push(topic, 'write', set('a', 1, 'y'));
  await arrived(peer);
  await clock.pass(4999);
  disk.release();
  await occupying;
  expect((await peer.reply(ref)).response).toEqual({ store_seq: 2 });
});
