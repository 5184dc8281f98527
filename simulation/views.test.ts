import { expect, it } from 'vitest';
import { failureText } from './src/simulate.ts';
import { type ViewMutant, viewMutants } from './views/mutants.ts';
import { runSpoiled, runViews } from './views/run.ts';

const seeds = Number(process.env['VIEW_SEEDS'] ?? 10);
const spoiledMax = 6;

it(
  'V18 V28 V60 V61 V70 under crashes, cuts, slow readers, frozen tabs and leaves, shared views and own ones lose no envelope, and each leaves what a fresh render shows',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, traffic } = await runViews({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    const tried = Object.entries({
      'envelopes read': 100 * seeds,
      'resumes read': seeds,
      command: 30 * seeds,
      lag: seeds,
      leave: 10 * seeds,
    }).filter(([what, least]) => (traffic[what] ?? 0) < least);
    expect(tried).toEqual([]);
  },
);

it.each(Object.entries(viewMutants) as [ViewMutant, string][])(
  'its checkers notice that %s (%s)',
  { timeout: 240_000 },
  async (mutant, word) => {
    for (let seed = 1; seed <= spoiledMax; seed++) {
      // oxlint-disable-next-line no-await-in-loop -- until one shows it
      const problems = await runSpoiled(seed, mutant);
      if (problems.some((problem) => problem.includes(` ms: ${word}: `))) return;
    }
    throw new Error(`nobody notices in ${spoiledMax} worlds`);
  },
);
