import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/host/clock.ts';
import { Crowd } from '../../src/host/crowd.ts';

/** A crowd in which each piece takes so long, and who has gone on in which turn of the event loop. */
function crowd(pieceMs: number) {
  let ms = 0;
  let turns = 0;
  const clock = {
    now: () => ms,
    wall: () => ms,
    setTimeout: () => null,
    clearTimeout: () => undefined,
    setImmediate: (run: () => void) => systemClock.setImmediate(run),
  };
  const all = new Crowd(clock);
  const gone: (readonly [turn: number, who: string])[] = [];
  const go = async (who: string, pieces: number): Promise<void> => {
    for (let left = pieces; left > 0; left -= 1) {
      await all.next();
      gone.push([turns, who]);
      ms += pieceMs;
    }
  };
  /** How many went on in each turn until all are done. */
  const run = async (work: readonly Promise<void>[]): Promise<readonly number[]> => {
    for (; ; turns += 1) {
      const done = await Promise.race([Promise.all(work), turn(null)]);
      if (done !== null) break;
    }
    const counts = new Map<number, number>();
    for (const [at] of gone) counts.set(at, (counts.get(at) ?? 0) + 1);
    return [...counts.values()];
  };
  return { go, run, gone };
}

test('of many who are told much, no more go on in a turn of the event loop than take ten milliseconds and one piece', async () => {
  const { go, run, gone } = crowd(4);
  const names = Array.from({ length: 20 }, (_, at) => `peer ${at}`);
  const counts = await run(names.map((name) => go(name, 5)));
  expect(Math.max(...counts)).toBeLessThanOrEqual(3);
  // Everybody has had as many pieces as everybody else, in the order in which they came.
  expect(gone.map(([, who]) => who)).toEqual([...names, ...names, ...names, ...names, ...names]);
});

test('where pieces take no time all go on in each turn, and each of them once', async () => {
  const { go, run } = crowd(0);
  expect(await run(['a', 'b', 'c'].map((name) => go(name, 4)))).toEqual([3, 3, 3, 3]);
});
