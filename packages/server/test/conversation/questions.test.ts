import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { SlowDisk } from './slow-disk.ts';
import { arrived, put, reasonOf } from './talk.ts';
import { set, topic, world } from './world.ts';

const QUESTIONS = 400;

/** Asks as many questions, among other pushes, and tells how many of them were answered in the busiest turn. */
async function busiest(isQuestion: (at: number) => boolean): Promise<number> {
  const storage = memory();
  const each = new Map<number, number>();
  let turn = 0;
  const answers = storage.answers.bind(storage);
  storage.answers = (...asked) => {
    each.set(turn, (each.get(turn) ?? 0) + 1);
    return answers(...asked);
  };
  const { joined } = await world({ storage });
  const peer = await joined();
  const ticker = { isOver: false };
  const tick = (): void => {
    turn += 1;
    if (!ticker.isOver) setImmediate(tick);
  };
  tick();
  const pushes = Array.from({ length: QUESTIONS }, (_, at) => isQuestion(at));
  const replies = await Promise.all(
    pushes.map((asks, at) =>
      peer.ask(topic, asks ? 'op_status' : 'nothing', { client_op_id: `o${at}` }),
    ),
  );
  ticker.isOver = true;
  expect(replies.map(({ status }) => status === 'ok')).toEqual(pushes);
  const asked = pushes.filter((asks) => asks).length;
  expect([...each.values()].reduce((sum, n) => sum + n, 0)).toBe(asked);
  return Math.max(...each.values());
}

test('hundreds of questions that come at once are answered a few in each turn, so that others have theirs', async () => {
  expect(await busiest(() => true)).toBeLessThanOrEqual(32);
});

test('questions are answered a few in each turn whatever is pushed between them', async () => {
  expect(await busiest((at) => at % 16 > 0)).toBeLessThanOrEqual(32);
});

test('a question behind writes is answered after them, also where the last is turned away before the others have had their turn', async () => {
  const disk = new SlowDisk(memory());
  const { joined } = await world({ storage: disk.storage, limits: { write_queue: 1 } });
  const peer = await joined();
  const write = (n: number): string => peer.push(topic, 'write', set(`k/${n}`, n, `o${n}`));
  disk.hold();
  write(1);
  await disk.reached();
  const refs = [write(2), write(3), write(4)];
  await arrived(peer);
  const asked = peer.push(topic, 'status', {});
  await arrived(peer);
  disk.release();
  const [, , last = ''] = refs;
  expect(reasonOf(await peer.reply(last))).toBe('blocked');
  expect((await peer.reply(asked)).response).toMatchObject({ current_seq: 2 });
});

test('the last ops that status tells are not read from the disk again, however large they are', async () => {
  const storage = memory();
  const { read } = storage;
  const { joined } = await world({ storage });
  const peer = await joined();
  for (let at = 0; at < 12; at += 1) {
    // oxlint-disable-next-line no-await-in-loop -- seqs in this order
    await put(peer, `k/${at}`, at);
  }
  let reads = 0;
  storage.read = (...asked) => {
    reads += 1;
    return read.apply(storage, asked);
  };
  const { response } = await peer.ask(topic, 'status', {});
  const recent = Array.from({ length: 10 }, (_, at) => ({
    store_seq: 12 - at,
    path: `k/${11 - at}`,
  }));
  expect(response).toMatchObject({ current_seq: 12, recent_ops: recent });
  expect(reads).toBe(0);
});
