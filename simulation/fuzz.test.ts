import { expect, it } from 'vitest';
import { seed } from '../tools/seed.ts';
import { runFuzz } from './fuzz/run.ts';
import { busy } from './validators/traffic.ts';

const frames = 20_000;

it(
  'S9 S31 twenty thousand malformed, oversized, mistyped and misplaced frames are each answered with a reason of the table, and harm neither the server nor its other clients (P37, P39)',
  { timeout: 480_000 },
  async () => {
    let told = 0;
    const report = await runFuzz({ frames, seed, progress: (done) => (told = done) });
    expect(told).toBe(report.frames);
    expect(report.problems.slice(0, 20)).toEqual([]);
    expect(report.frames).toBeGreaterThanOrEqual(frames);
    expect(report.answered).toBeGreaterThan(frames / 3);
    expect(report.accepted).toBeGreaterThan(frames / 30);
    expect(report.ended).toBeGreaterThan(20);
    expect(report.growth).toBeLessThan(300 * 1024 * 1024);
    const minimum = { ops: 1000, commitsOfSeveral: 100, writesCommitted: 200, foreignEvents: 2000 };
    expect(busy(report.traffic, minimum)).toEqual([]);
  },
);
