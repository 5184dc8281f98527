import { expect, it } from 'vitest';
import { type GuardMutant, guardMutants } from './guards/mutants.ts';
import { runGuards } from './guards/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['GUARD_SEEDS'] ?? 4);
const spoiledMax = 6;

it(
  'a transaction is committed as a whole where all that it relies on is so, and refused where it is not, and whoever waits for a lease has it in the end, in all weathers',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, figures } = await runGuards({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(figures.committed).toBeGreaterThan(20 * seeds);
    expect(figures.refused).toBeGreaterThan(2 * seeds);
    expect(figures.held).toBeGreaterThan(seeds);
    expect(figures.waited).toBeGreaterThan(0);
  },
);

it(
  'transactions and leases of tabs, which freeze and are left, whose clocks jump and whose tokens end, are those of any client, whichever tab leads',
  { timeout: 480_000 },
  async () => {
    const { failure, figures } = await runGuards({ from: 1, count: seeds }, { inTabs: true });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    expect(figures.committed).toBeGreaterThan(10 * seeds);
    expect(figures.held).toBeGreaterThan(seeds);
    expect(figures.waited).toBeGreaterThan(0);
  },
);

it.each(Object.entries(guardMutants) as [GuardMutant, string][])(
  'its checkers notice that %s (%s)',
  { timeout: 240_000 },
  async (mutant, word) => {
    const some = { from: 1, count: spoiledMax, shrinks: false };
    for (const inTabs of [false, true]) {
      const { failure } = await runGuards(some, { mutant, inTabs });
      expect(failure?.problems.join('\n')).toContain(` ms: ${word}: `);
    }
  },
);
