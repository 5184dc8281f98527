import { setImmediate as loop } from 'node:timers/promises';
import type { LoggedOp } from '@holdfast/engine/authority';
import { Scope, Tree } from '@holdfast/engine/data';
import { asGlob, asPath, patternsOf } from '@holdfast/protocol';
import { expect, test } from 'vitest';
import { tellBackwards } from '../../src/host/telling.ts';
import { unbound } from '../../src/storage/turn.ts';

const whole = new Scope(patternsOf([asGlob('**')]));

/** A log of so many ops, perhaps all of one commit, of which a read gives a few; it notes what was read, and after which seq. */
function logOf(size: number, perRead: number, tx: number | null = null) {
  const about = { deviceId: 'd', clientOpId: 'o', tx, principal: null, arg: null, at: 0 };
  const log = Array.from({ length: size }, (_, at): LoggedOp => {
    const seq = at + 1;
    return { seq, op: 'set', path: asPath('a'), value: seq, removed: [], ...about };
  });
  const reads: number[] = [];
  const store = {
    view: () => ({ tree: Tree.empty(), seq: size }),
    standing: () => ({ head: size, oldestSeq: 1 }),
    read: async (after: number, through: number) => {
      reads.push(after);
      return log.slice(after, Math.min(through, after + perRead));
    },
  };
  return { store, reads };
}

test('who wants the last op of a long log reads the last few', async () => {
  const { store, reads } = logOf(5000, 1000);
  for await (const { seq } of tellBackwards(store, { scope: whole, from: 5000 }, unbound)) {
    expect(seq).toBe(5000);
    break;
  }
  expect(reads).toEqual([5000 - 16]);
});

test('a log is walked through in few reads where its ops are small', async () => {
  const { store, reads } = logOf(20_000, 1000);
  let next = 20_000;
  for await (const { seq } of tellBackwards(store, { scope: whole, from: next }, unbound)) {
    expect(seq).toBe(next);
    next -= 1;
  }
  expect(next).toBe(0);
  expect(reads.length).toBeLessThan(30);
});

test('a commit of more ops than a call takes arguments is told as any other', async () => {
  const { store } = logOf(200_000, 200_000, 200_000);
  const seqs: number[] = [];
  for await (const { seq } of tellBackwards(store, { scope: whole, from: 200_000 }, unbound)) {
    if (seqs.push(seq) === 3) break;
  }
  expect(seqs).toEqual([200_000, 199_999, 199_998]);
});

test('where its ops are large a few of them are held at a time, and each read has a turn of its own', async () => {
  const { store, reads } = logOf(300, 2);
  const walk = async (): Promise<readonly number[]> => {
    const seqs: number[] = [];
    const shown = { scope: whole, from: 300 };
    for await (const { seq } of tellBackwards(store, shown, unbound)) seqs.push(seq);
    return seqs;
  };
  const walking = walk();
  const perTurn: number[] = [];
  let told: readonly number[] | null = null;
  while (told === null) {
    const before = reads.length;
    // oxlint-disable-next-line no-await-in-loop -- turn by turn
    told = await Promise.race([walking, loop(null)]);
    perTurn.push(reads.length - before);
  }
  expect(told).toEqual(Array.from({ length: 300 }, (_, at) => 300 - at));
  expect(Math.max(...perTurn)).toBe(1);
  // Each window is read upwards, and lies below the one before.
  const windows = reads.filter((after, at) => after < (reads[at - 1] ?? Infinity)).length;
  expect(reads.length / windows).toBeLessThanOrEqual(8);
});
