import { expect, it } from 'vitest';
import { type LockMutant, lockMutants } from './locks/mutants.ts';
import { runLocks } from './locks/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['LOCK_SEEDS'] ?? 3);

it(
  'locks and what is computed once for all are nobody’s who may not write, have one holder at a time, and keep nobody waiting, however rights come and go',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, figures } = await runLocks({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(figures.held).toBeGreaterThan(seeds);
    expect(figures.fenced).toBeGreaterThan(2 * seeds);
    expect(figures.computed).toBeGreaterThan(4 * seeds);
    expect(figures.refused).toBeGreaterThan(2 * seeds);
  },
);

it.each(Object.entries(lockMutants) as [LockMutant, string][])(
  'the checkers of locks notice that %s (%s)',
  { timeout: 240_000 },
  async (mutant, word) => {
    const { failure } = await runLocks({ from: 1, count: 4, shrinks: false }, mutant);
    expect(failure?.problems.join('\n')).toContain(` ms: ${word}: `);
  },
);
