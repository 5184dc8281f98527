import { expect, it } from 'vitest';
import { type RightsMutant, rightsMutants } from './rights/mutants.ts';
import { runRights } from './rights/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['RIGHTS_SEEDS'] ?? 4);

it(
  'tabs and a machine of somebody whose rights come and go show what may be read, soon and also offline, and nothing else; a part is there as a whole; each write is committed once, or kept as a letter that any page may retry or give up',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, figures } = await runRights({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(figures.letters).toBeGreaterThan(2 * seeds);
    expect(figures.parts).toBeGreaterThan(10 * seeds);
  },
);

it.each(Object.entries(rightsMutants) as [RightsMutant, string][])(
  'the checkers of rights notice that %s (%s)',
  { timeout: 240_000 },
  async (mutant, word) => {
    const { failure } = await runRights({ from: 1, count: 6, shrinks: false }, mutant);
    expect(failure?.problems.join('\n')).toContain(`${word}: `);
  },
);

it('a write whose page crashes before it is stored is promised to nobody', async () => {
  const { failure } = await runRights({ from: 9_300_218, count: 1, shrinks: false });
  expect(failure === null ? null : failureText(failure)).toBeNull();
});
