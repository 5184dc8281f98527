import { expect, it } from 'vitest';
import { seed } from '../tools/seed.ts';
import { runChaos } from './chaos/run.ts';
import { hasChromium } from './chaos/tab.ts';
import { busy } from './validators/traffic.ts';

const seconds = Number(process.env['CHAOS_SECONDS'] ?? 60);

it(
  'S54 S80 S112 through latency, cuts, half-open and throttled connections, slow readers, kills and a frozen tab, what is acknowledged is committed once and everybody ends equal',
  { timeout: seconds * 1000 + 480_000 },
  async () => {
    const browser = hasChromium || process.env['CI'] === 'true';
    const { problems, traffic, faults, connections } = await runChaos({ seconds, seed, browser });
    expect({ seed, problems: problems.slice(0, 20) }).toEqual({ seed, problems: [] });
    const minimum = {
      ops: 10 * seconds,
      commitsOfSeveral: seconds,
      writesCommitted: 5 * seconds,
      foreignEvents: 20 * seconds,
      resumes: seconds / 5,
    };
    expect(busy(traffic, minimum)).toEqual([]);
    expect(Object.keys(faults).length).toBeGreaterThan(seconds / 10);
    expect(connections).toBeGreaterThan(seconds / 2);
  },
);
