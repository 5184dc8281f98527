import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PartWorld } from './part-world.ts';

const plan = { seed: fc.integer(), steps: fc.integer({ min: 20, max: 400 }) };

test(
  'S83 whatever is wanted, written, cut and restarted, a replica and its cache are at every moment the part they say, and nothing is sent twice (P60, P75)',
  { timeout: 120_000 },
  () => {
    let rejoins = 0;
    fc.assert(
      fc.property(fc.record(plan), ({ seed, steps }) => {
        const world = new PartWorld(seed);
        world.run(steps);
        rejoins += world.rejoins;
        expect(world.problems).toEqual([]);
        // A replica of something always goes on with a tail.
        expect(world.server.resyncs.filter((why) => why !== 'fresh')).toEqual([]);
      }),
      { numRuns: 120 },
    );
    expect(rejoins).toBeGreaterThan(0);
  },
);
