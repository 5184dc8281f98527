import { expect, it } from 'vitest';
import { failureText } from './src/simulate.ts';
import { type TwinMutant, twinMutants } from './twins/mutants.ts';
import { runTwins } from './twins/run.ts';

const seeds = Number(process.env['TWIN_SEEDS'] ?? 4);

it(
  'two of different rights who read at one server are told, over their connections and by HTTP, what each of them would be told alone',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, figures } = await runTwins({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(figures.told).toBeGreaterThan(40 * seeds);
    expect(figures.answers).toBeGreaterThan(2 * seeds);
  },
);

it.each(Object.entries(twinMutants) as [TwinMutant, string][])(
  'the checkers of twins notice that %s (%s)',
  { timeout: 240_000 },
  async (mutant, word) => {
    const { failure } = await runTwins({ from: 1, count: 4, shrinks: false }, mutant);
    expect(failure?.problems.join('\n')).toContain(`${word}: `);
  },
);
