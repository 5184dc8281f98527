import { expect, test } from 'vitest';
import { at, Subject } from './subject.ts';

const bad = (sequence: number): object => at(sequence, { n: 'not a number' });
const key = 'rec/acme/app/items/1';

test('R53 given receipts that cannot be read while the one request more is under way, then the next one waits its time', async () => {
  const item = new Subject().seed(at(1)).receive(bad(2), bad(3));
  expect(item.requests).toEqual([1]);
  item.fetched(bad(2));
  expect(item.requests).toEqual([1, 2]);
  item.receive(bad(4)).fetched(bad(4));
  expect([item.requests, item.status]).toEqual([[1, 2], 'refetching']);
  await item.wait(500);
  expect(item.requests).toEqual([1, 2, 3]);
});

test('R54 the end of an older request is not that of the one under way', async () => {
  const item = new Subject().seed(at(1)).receive(bad(2));
  await item.wait(10_000);
  await item.wait(250);
  expect([item.requests, item.aborted]).toEqual([[1, 2], [1]]);
  item.fetched(null, 1);
  expect([item.status, item.reconciler.isIdle]).toEqual(['refetching', false]);
  item.fetched(at(5), 2);
  expect([item.value, item.status]).toEqual([5, 'ok']);
});

test('R56 a retry is a series of its own, as long as the one that was given up', async () => {
  const item = new Subject().seed(at(1)).receive(bad(2));
  await item.idle(() => bad(2));
  expect([item.requests.length, item.status]).toEqual([6, 'skew']);
  item.tell({ type: 'retry' });
  await item.idle(() => bad(2));
  expect([item.requests.length, item.status]).toEqual([12, 'skew']);
});

test('R37 R77 what was persisted and cannot be read is asked for, though a seed is there', async () => {
  const item = new Subject().tell({ type: 'envelope', source: 'persisted', message: bad(2) });
  item.seed(at(1));
  expect([item.value, item.status, item.requests]).toEqual([1, 'refetching', [1]]);
  await item.idle(() => at(2));
  expect([item.value, item.status]).toEqual([2, 'ok']);
});

test('R68 a reset of a new incarnation begins with the sequence that it has', () => {
  const e2 = { incarnation: 'e2' };
  const item = new Subject({ asks: 'handshake' }).seed(at(9));
  item.answer({ key, type: 'snapshot', envelope: at(2, e2), reset: true }).receive(at(3, e2));
  expect([item.value, item.sequence, item.stats.gaps]).toEqual([3, 3, 0]);
});

test('R68 of eight incarnations before this one none is heard again', () => {
  const item = new Subject({ asks: 'handshake' }).seed(at(1));
  for (const nth of [2, 3, 4, 5, 6, 7, 8, 9]) {
    const envelope = at(1, { incarnation: `e${nth}` });
    item.tell({ type: 'told', answer: { key, type: 'snapshot', envelope } });
  }
  for (const nth of [1, 2, 8]) item.receive(at(9, { incarnation: `e${nth}` }));
  expect([item.value, item.stats.ignoredStale]).toEqual([1, 3]);
  expect(item.stats.incarnationChanges).toBe(0);
});
