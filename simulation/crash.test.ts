import { expect, it } from 'vitest';
import { seed } from '../tools/seed.ts';
import { runKills } from './kill/run.ts';
import { busy } from './validators/traffic.ts';

const kills = 100;

it(
  'S112 S54 S80 a server killed a hundred times under eight writers loses nothing acknowledged, commits nothing twice, and every replica converges',
  { timeout: 900_000 },
  async () => {
    let told = 0;
    const report = await runKills({ kills, seed, progress: (done) => (told = done) });
    expect(told).toBe(kills);
    expect(report.problems.slice(0, 20)).toEqual([]);
    const minimum = {
      ops: 50 * kills,
      commitsOfSeveral: 5 * kills,
      writesCommitted: 40 * kills,
      writesRefused: kills,
      foreignEvents: 200 * kills,
      conflations: kills,
      resumes: 5 * kills,
      bookmarks: kills,
    };
    expect(busy(report.traffic, minimum)).toEqual([]);
    expect(report.killsAtStart).toBeGreaterThan(0);
  },
);
