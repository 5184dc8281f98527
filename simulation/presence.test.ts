import { expect, it } from 'vitest';
import { type PresenceMutant, presenceMutants } from './presence/mutants.ts';
import { runPresence } from './presence/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['PRESENCE_SEEDS'] ?? 3);

it(
  'S85 everybody on a topic sees those who show something there, what they show last, and nobody who has gone, in tabs and elsewhere, whoever freezes, crashes and is cut off; who comes back in time has never gone, and whose right to take part is taken sees nobody until it is given back',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, figures } = await runPresence({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(figures.looks).toBeGreaterThan(30 * seeds);
    expect(figures.moves).toBeGreaterThanOrEqual(6 * seeds);
    expect(figures.survived).toBeGreaterThan(0);
  },
);

it.each(Object.entries(presenceMutants) as [PresenceMutant, string][])(
  'its checkers notice that %s (%s)',
  { timeout: 240_000 },
  async (mutant, word) => {
    const { failure } = await runPresence({ from: 1, count: 6, shrinks: false }, mutant);
    expect(failure?.problems.join('\n')).toContain(` ms: ${word}: `);
  },
);
