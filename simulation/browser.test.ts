import { expect, it } from 'vitest';
import { type BrowserMutant, browserMutants } from './browser/mutants.ts';
import { runBrowsers, runSpoiled } from './browser/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['BROWSER_SEEDS'] ?? 3);

it(
  'tabs of a browser show views and live queries over the connection of the one that leads, each as a fresh look at everything gives it and nothing that they may not see, whichever of them freezes, crashes and is loaded again',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, traffic } = await runBrowsers({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    const tried = Object.entries({
      envelopes: 40 * seeds,
      told: 200 * seeds,
      shown: 80 * seeds,
      delivered: 100 * seeds,
      takeover: seeds,
    }).filter(([what, least]) => (traffic[what] ?? 0) < least);
    expect(tried).toEqual([]);
  },
);

it.each(
  Object.entries(browserMutants).map(
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a key of that very table
    ([mutant, { word, seed }]) => [mutant as BrowserMutant, word, seed] as const,
  ),
)('its checkers notice that %s (%s)', { timeout: 240_000 }, async (mutant, word, seed) => {
  const problems = await runSpoiled(seed, mutant);
  expect(problems.filter((problem) => problem.includes(` ms: ${word}: `))).not.toEqual([]);
});
