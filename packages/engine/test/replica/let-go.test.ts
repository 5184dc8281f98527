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
