import { memory } from '@holdfast/server/storage/memory';
import { expect, test } from 'vitest';
import { topic, world } from './world.ts';

test('hundreds of questions that come at once are answered a few in each turn, so that others have theirs', async () => {
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
  const replies = await Promise.all(
    Array.from({ length: 400 }, (_, at) =>
      peer.ask(topic, 'op_status', { client_op_id: `o${at}` }),
    ),
  );
  ticker.isOver = true;
  expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 'ok'));
  expect([...each.values()].reduce((sum, n) => sum + n, 0)).toBe(400);
  expect(Math.max(...each.values())).toBeLessThanOrEqual(32);
});
