import { expect, it } from 'vitest';
import { failureText } from './src/simulate.ts';
import { type UpgradeMutant, upgradeMutants } from './upgrades/mutants.ts';
import { runUpgrades } from './upgrades/run.ts';

const seeds = Number(process.env['UPGRADE_SEEDS'] ?? 4);
const spoiledMax = 6;

it(
  'what waits while an application is upgraded, rolled back and started again, and while its store is made anew, is committed once, or kept as a dead letter, and is of the version that shows it',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, figures } = await runUpgrades({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(figures.written).toBeGreaterThan(60 * seeds);
    expect(figures.letters).toBeGreaterThan(5 * seeds);
    expect(figures.anew).toBeGreaterThan(0);
  },
);

it.each(Object.entries(upgradeMutants) as [UpgradeMutant, string][])(
  'its checkers notice that %s (%s)',
  { timeout: 240_000 },
  async (mutant, word) => {
    const some = { from: 1, count: spoiledMax, shrinks: false };
    const { failure } = await runUpgrades(some, mutant);
    expect(failure?.problems.join('\n')).toContain(` ms: ${word}: `);
  },
);
