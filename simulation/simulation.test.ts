import { expect, it } from 'vitest';
import { runSeeds } from './world/run.ts';
import { busy } from './validators/traffic.ts';

const seedsWanted = Number(process.env['MACHINE_SEEDS'] ?? 2000);

it(
  'S46 S54 S67 S74 S80 S112 under crashes, kills, lost caches, cuts, partitions, silence, clocks that jump and a log that fails, every write happens once and in order, every replica ends equal, and every subscriber is told the truth (P7, P16, P17, P28, P33, P34)',
  { timeout: 600_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seedsWanted : 1;
    const { seeds, traffic, failure } = await runSeeds(Number(asked ?? 1), (done) => done >= count);
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
