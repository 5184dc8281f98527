import { asGlob, refuse } from '@holdfast/protocol';
import { describe, expect, test } from 'vitest';
import { Desk } from './desk.ts';

const [kept, left] = [asGlob('a/**'), asGlob('b/**')];

/** Two parts with a leaf each, and a write to one of them that waits. */
function written(): Desk {
  const desk = both();
  desk.set('mine', 'b/x', 2);
  return desk;
}

function both(): Desk {
  const desk = new Desk({ patterns: [kept, left] });
  joined(desk);
  desk.events([
    [1, 'set', 'a/x', 1],
    [2, 'set', 'b/x', 1],
  ]);
  return desk;
}

/** Joins with both parts, and lacks nothing. */
function joined(desk: Desk): void {
  const { seq } = desk.replica.status();
  desk.join({ patterns: [kept, left] });
  desk.message('catch_up_complete', { through_seq: seq });
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

/** What the server answers, as far as it is still heard: after a rejoin nothing is of that channel. */
function answered(desk: Desk): void {
  if (desk.rejoins > 0) joined(desk);
  else desk.ok('scope', { patterns: [kept], scope: 's2', seq: 2, denied: [] });
}

describe('a part that is wanted again while the server is being told that it is let go of', () => {
  const [inside, other] = [asGlob('b/x'), asGlob('c/**')];

  /** The removal of a part is on its way. */
  function parting(): Desk {
    const desk = both();
    desk.step({ type: 'want', patterns: [kept] });
    expect(desk.pushes.at(-1)).toMatchObject({ event: 'scope', payload: { remove: [left] } });
    return desk;
  }

  test.for([
    ['all of it', left],
    ['a part of it', inside],
  ] as const)('given %s is, then nobody sees it go', ([, wanted]) => {
    const desk = parting();
    desk.watch('b/**');
    desk.step({ type: 'want', patterns: [kept, wanted] });
    answered(desk);
    expect([desk.value('b/x'), desk.deliver()]).toEqual([1, []]);
  });

  test('then the channel begins anew with what there is, so that nothing of it is sent again', () => {
    const desk = parting();
    desk.step({ type: 'want', patterns: [kept, left] });
    expect(desk.rejoins).toBe(1);
    const built = { patterns: [kept, left], last_store_seq: 2, scope: 'whole' };
    expect(desk.replica.joinPayload()).toMatchObject(built);
    desk.pushes = [];
    joined(desk);
    expect(desk.pushes.filter(({ event }) => event === 'scope')).toEqual([]);
  });

  test('given another part is wanted, or what had been added before one was let go of that holds it, then the channel stays', () => {
    const desk = parting();
    desk.step({ type: 'want', patterns: [kept, other] });
    desk.step({ type: 'want', patterns: [kept] });
    expect(desk.rejoins).toBe(0);

    const narrowed = both();
    narrowed.step({ type: 'want', patterns: [kept, inside] });
    narrowed.ok('scope', { patterns: [kept, left, inside], scope: 's2', seq: 2, denied: [] });
    narrowed.messages([
      ['snapshot_begin', { id: 's', seq: 2, incarnation: 'first', entries: 1, within: [inside] }],
      ['snapshot_chunk', { id: 's', index: 0, entries: [['b/x', 1, 'integer', 2]], maps: [] }],
      ['snapshot_end', { id: 's', seq: 2, chunks: 1, entries: 1 }],
    ]);
    expect(narrowed.pushes.at(-1)).toMatchObject({ payload: { remove: [left] } });
    narrowed.step({ type: 'want', patterns: [kept, inside] });
    expect(narrowed.rejoins).toBe(0);
  });

  test('given the channel is gone already, then it is wanted with the next one', () => {
    const desk = parting();
    desk.step({ type: 'lost' });
    desk.step({ type: 'want', patterns: [kept, left] });
    expect(desk.rejoins).toBe(0);
  });
});
