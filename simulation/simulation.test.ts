import { expect, it } from 'vitest';
import { runSeeds } from './world/run.ts';
import { busy } from './validators/traffic.ts';

const lengthMs = 20_000;
const seedsMin = 50;

it(
  'S54 S74 S80 S112 under crashes, kills, cuts, silence and a log that fails, every write happens once and in order, every replica ends equal, and every subscriber is told the truth',
  { timeout: 120_000 },
  () => {
    const asked = process.env['SEED'];
    const end = performance.now() + (asked === undefined ? lengthMs : 0);
    const { seeds, traffic, failure } = runSeeds(Number(asked ?? 1), (done) =>
      asked === undefined ? done >= seedsMin && performance.now() > end : done === 1,
    );
    expect(failure).toBeNull();
    if (asked !== undefined) return;
    const minimum = {
      ops: 40 * seeds,
      commitsOfSeveral: 5 * seeds,
      writesCommitted: 20 * seeds,
      writesRefused: 2 * seeds,
      foreignEvents: 100 * seeds,
      conflations: seeds,
      resumes: 2 * seeds,
      resyncs: seeds / 2,
      bookmarks: 5 * seeds,
    };
    expect(busy(traffic, minimum)).toEqual([]);
  },
);
