import { expect, test } from 'vitest';
import { Desk, path } from './desk.ts';

/** Joins by a snapshot at 10 of these entries. */
function catchUp(desk: Desk, entries: readonly unknown[] = [['e', 4, 'integer', 5]]): void {
  desk.join({ sync: 'snapshot', why: 'behind', store_seq: 10 });
  desk.messages([
    ['snapshot_begin', { id: 's', seq: 10, incarnation: 'first', entries: 1, within: null }],
    ['snapshot_chunk', { id: 's', index: 0, entries, maps: [] }],
    ['snapshot_end', { id: 's', seq: 10, chunks: 1, entries: 1 }],
    ['catch_up_complete', { through_seq: 10 }],
  ]);
}

test('S73 an increment that a snapshot may hold already is not added to it before that is known', () => {
  const desk = new Desk().live();
  desk.events([[1, 'increment', 'c', 5]]);
  const watch = desk.watch('c');
  desk.ask('plus', { op: 'increment', path: path('c'), value: 1 });
  desk.set('put', 'k', 'mine');
  desk.step({ type: 'lost' });
  desk.deliver();
  catchUp(desk, [['c', 6, 'counter', 2]]);
  desk.events([[11, 'increment', 'c', 16]]);
  expect([desk.value('c'), desk.replica.status().phase]).toEqual([6, 'catching_up']);
  desk.ok('plus', { store_seq: 2 });
  expect([desk.value('c'), desk.value('k'), desk.replica.status().phase]).toEqual([
    16,
    'mine',
    'live',
  ]);
  expect(desk.deliver(watch).map(({ value }) => value)).toEqual([16]);
});

test('S73 what keeps a snapshot waiting is a request that was sent and adds up, and nothing else', () => {
  const unsent = new Desk();
  unsent.ask('plus', { op: 'increment', path: path('n'), value: 1 });
  catchUp(unsent);
  expect(unsent.value('e')).toBe(4);

  const refused = new Desk().live();
  refused.ask('plus', { op: 'increment', path: path('n'), value: 1 });
  refused.refuse('plus', 'rate_limited', { retry_after_ms: 10 });
  refused.step({ type: 'lost' });
  catchUp(refused);
  expect(refused.value('e')).toBe(4);

  const sent = new Desk().live();
  sent.ask('plus', { op: 'increment', path: path('n'), value: 1 });
  sent.step({ type: 'lost' });
  catchUp(sent);
  expect([sent.value('e'), sent.value('n')]).toEqual([undefined, 1]);
  // The server has not looked whether it has it.
  sent.refuse('plus', 'overloaded', { retry_after_ms: 10 });
  expect([sent.value('e'), sent.value('n')]).toEqual([undefined, 1]);
  sent.now += 20;
  sent.step({ type: 'tick' });
  sent.refuse('plus', 'rate_limited', { retry_after_ms: 10 });
  expect([sent.value('e'), sent.value('n')]).toEqual([4, 1]);

  const lost = new Desk().live();
  lost.ask('plus', { op: 'increment', path: path('n'), value: 1 });
  lost.step({ type: 'lost' });
  catchUp(lost);
  lost.step({ type: 'lost' });
  expect(lost.replica.joinPayload()).toMatchObject({ snapshot: { id: 's' } });
  catchUp(lost);
  lost.ok('plus', { store_seq: 11 });
  expect([lost.value('e'), lost.replica.status().seq]).toEqual([4, 10]);
});

test('given requests on their way, when some are left to somebody else, then they are not sent once more, and those behind them are', () => {
  const desk = new Desk().live();
  for (const id of ['a', 'b', 'c']) desk.set(id, id, 1);
  desk.takePushed();
  desk.step({ type: 'cancel', opId: 'a', isLeft: true });
  desk.step({ type: 'cancel', opId: 'b' });
  expect(desk.outbox()).toEqual(['b sent', 'c sent']);
  expect(desk.outcome('a')).toMatchObject({ status: 'refused', refusal: { code: 'cancelled' } });
  desk.step({ type: 'lost' });
  desk.live();
  expect(desk.takePushed()).toEqual(['b', 'c']);
});
