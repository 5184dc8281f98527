import { expect, test } from 'vitest';
import { Desk, path } from './desk.ts';

type Leaf = readonly [at: string, value: string | number | boolean, revision: number];

function typeOf(value: Leaf[1]): string {
  return typeof value === 'number' ? 'integer' : typeof value;
}

/** The connection is lost, and what it has missed comes as a snapshot. */
function missed(desk: Desk, seq: number, leaves: readonly Leaf[]): void {
  desk.step({ type: 'lost' });
  desk.join({ sync: 'snapshot', why: 'behind', store_seq: seq });
  snapshot(desk, seq, leaves);
}

function snapshot(desk: Desk, seq: number, leaves: readonly Leaf[]): void {
  const [id, entries] = ['s', leaves.length];
  const maps = [...new Set(leaves.map(([at]) => at.split('/')[0]))].map((map) => [map, seq]);
  desk.message('snapshot_begin', { id, seq, incarnation: 'first', entries, within: null });
  const rows = leaves.map(([at, value, revision]) => [at, value, typeOf(value), revision]);
  desk.message('snapshot_chunk', { id, index: 0, entries: rows, maps });
  desk.message('snapshot_end', { id, seq, chunks: 1, entries });
}

function rebasedOver(desk: Desk, opId: string, seq: number): unknown {
  desk.ok(opId, { store_seq: seq });
  const outcome = desk.outcome(opId);
  return outcome?.status === 'committed' ? outcome.rebasedOver : null;
}

test('given writes at one leaf whose answers are lost, when a snapshot has the first of them, then none counts as rebased over another', () => {
  const desk = new Desk().live();
  desk.set('a', 'doc/title', 'D');
  desk.set('b', 'doc/title', 'Dr');
  desk.ask('c', { op: 'delete', path: path('doc/title') });
  missed(desk, 1, [['doc/title', 'D', 1]]);
  expect(['a', 'b', 'c'].map((id, at) => rebasedOver(desk, id, at + 1))).toEqual([[], [], []]);
});

test('given a deletion whose answer is lost and a write after it, when a snapshot has the deletion, then neither counts as rebased', () => {
  const desk = new Desk().live();
  desk.events([[1, 'set', 'doc/title', 'Old']]);
  desk.ask('a', { op: 'delete', path: path('doc/title') });
  desk.set('b', 'doc/title', 'New');
  missed(desk, 2, [['doc/other', 1, 0]]);
  expect(['a', 'b'].map((id, at) => rebasedOver(desk, id, at + 2))).toEqual([[], []]);
});

test('given an object whose answer is lost and a write at a field of it, when a snapshot has the object, then neither counts as rebased', () => {
  const desk = new Desk().live();
  desk.set('a', 'doc/1', { title: 'T', done: false });
  desk.set('b', 'doc/1/done', true);
  missed(desk, 1, [
    ['doc/1/done', false, 1],
    ['doc/1/title', 'T', 1],
  ]);
  expect(['a', 'b'].map((id, at) => rebasedOver(desk, id, at + 1))).toEqual([[], []]);
});

test.each([
  ['another value', [['doc/title', 'Theirs', 2]]],
  ['nothing', []],
] satisfies [string, Leaf[]][])(
  'given writes at one leaf whose answers are lost, when a snapshot has %s there, then each counts as rebased',
  (_, leaves) => {
    const desk = new Desk().live();
    desk.events([[1, 'set', 'doc/title', 'Old']]);
    desk.set('a', 'doc/title', 'D');
    desk.set('b', 'doc/title', 'Dr');
    missed(desk, 2, [...leaves, ['doc/other', 1, 2]]);
    expect(rebasedOver(desk, 'a', 3)).toHaveLength(1);
    expect(rebasedOver(desk, 'b', 4)).toHaveLength(1);
  },
);

test('given a write that was never sent, when a snapshot has its value from somebody else and another follows it here, then that counts as rebased', () => {
  const desk = new Desk().live();
  desk.events([[1, 'set', 'doc/title', 'Old']]);
  desk.step({ type: 'lost' });
  desk.set('a', 'doc/title', 'Same');
  desk.set('b', 'doc/title', 'Mine');
  missed(desk, 2, [['doc/title', 'Same', 2]]);
  expect(rebasedOver(desk, 'b', 4)).toHaveLength(1);
});

test('given a write that is answered while the snapshot is on its way that has it, when another follows it, then that counts as rebased over nothing', () => {
  const desk = new Desk().live();
  desk.set('a', 'doc/title', 'D');
  desk.step({ type: 'lost' });
  desk.join({ sync: 'snapshot', why: 'behind', store_seq: 1 });
  desk.set('b', 'doc/title', 'Dr');
  desk.ok('a', { store_seq: 1 });
  snapshot(desk, 1, [['doc/title', 'D', 1]]);
  expect(rebasedOver(desk, 'b', 2)).toEqual([]);
});
