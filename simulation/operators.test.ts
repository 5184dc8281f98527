import { expect, it } from 'vitest';
import { type OperatorMutant, operatorMutants } from './operators/mutants.ts';
import { type OperatorTerms, runOperators } from './operators/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['OPERATOR_SEEDS'] ?? 6);

it.each([
  ['in memory', {}],
  ['on SQLite files, which are copied as they lie when a process dies', { storage: 'sqlite' }],
  ['while their clock is set by an hour, a day and a year, and back', { leaps: true }],
  [
    'on SQLite files, also by servers that start by such a clock',
    { storage: 'sqlite', leaps: true },
  ],
] as const satisfies readonly (readonly [string, OperatorTerms])[])(
  'stores that are made, imported, cloned, rolled back, archived and purged by servers that die and are closed amid that hold what they are to, each thing once, and no part of anything, %s',
  { timeout: 480_000 },
  async (_, terms) => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, figures } = await runOperators({ from: Number(asked ?? 1), count }, terms);
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(figures.done).toBeGreaterThan(20 * seeds);
    expect(figures.repeated).toBeGreaterThan(10 * seeds);
    expect(figures.crashes).toBeGreaterThan(4 * seeds);
  },
);

it.each(Object.entries(operatorMutants) as [OperatorMutant, string][])(
  'its checkers notice that %s (%s)',
  { timeout: 240_000 },
  async (mutant, word) => {
    const some = { from: 1, count: 4, shrinks: false };
    const { failure } = await runOperators(some, { mutant, leaps: true });
    expect(failure?.problems.join('\n')).toContain(` ms: ${word}: `);
  },
);
