import { asGlob, refuse } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { Desk } from './desk.ts';

const [kept, left] = [asGlob('a/**'), asGlob('b/**')];

/** Two parts with a leaf each, and a write to one of them that waits. */
function written(): Desk {
  const patterns = [kept, left];
  const desk = new Desk({ patterns });
  desk.join({ patterns });
  desk.message('catch_up_complete', { through_seq: 0 });
  desk.events([
    [1, 'set', 'a/x', 1],
    [2, 'set', 'b/x', 1],
  ]);
  desk.set('mine', 'b/x', 2);
  return desk;
}

test('given a write whose part is let go of while it waits, then what goes with the part counts as written by nobody', () => {
  const desk = written();
  desk.step({ type: 'want', patterns: [kept] });
  desk.ok('scope', { patterns: [kept], scope: 's2', seq: 2, denied: [] });
  desk.ok('mine', { store_seq: 3 });
  expect(desk.outcome('mine')).toMatchObject({ status: 'committed', rebasedOver: [] });
});

test('given a write that waits while the store may not be read, then what is forgotten counts as written by nobody', () => {
  const desk = written();
  desk.step({ type: 'lost' });
  desk.step({ type: 'refused', refusal: refuse('path_not_allowed') });
  desk.join({ patterns: [] });
  desk.ok('mine', { store_seq: 3 });
  expect(desk.outcome('mine')).toMatchObject({ status: 'committed', rebasedOver: [] });
});

test('given a join that is denied one of the parts, then that is not asked for again on this channel, and what is held is the rest', () => {
  const desk = new Desk({ patterns: [kept, left] });
  desk.join({ patterns: [kept], denied: [left] });
  desk.message('catch_up_complete', { through_seq: 0 });
  const { held, denied, denial, error } = desk.replica.status();
  expect({ held, denied, error }).toEqual({ held: [kept], denied: [left], error: null });
  expect(denial).toMatchObject({ code: 'path_not_allowed', details: { patterns: [left] } });
  expect(desk.pushes).toEqual([]);
  desk.step({ type: 'lost' });
  expect(desk.replica.joinPayload()).toMatchObject({ patterns: [kept, left] });
});

test('given a server that does not name what it denies, then what the join has left out is asked for, and what it has not counts as held', () => {
  const desk = new Desk({ patterns: [kept, left] });
  desk.join({ patterns: [kept] });
  desk.message('catch_up_complete', { through_seq: 0 });
  expect(desk.pushes).toMatchObject([{ event: 'scope', payload: { add: [left] } }]);
  const other = new Desk({ patterns: [kept, left] });
  other.join({ patterns: [kept, left] });
  expect(other.replica.status()).toMatchObject({ held: [kept, left], denied: [] });
});
