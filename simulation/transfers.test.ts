import { expect, it } from 'vitest';
import { failureText } from './src/simulate.ts';
import { type TransferMutant, transferMutants } from './transfers/mutants.ts';
import { runTransfers } from './transfers/run.ts';

const seeds = Number(process.env['TRANSFER_SEEDS'] ?? 3);

it(
  'R259 what code of the server and clients in tabs and elsewhere change together stays together, whoever crashes and whichever tab leads: nothing is made, lost or paid twice',
  { timeout: 300_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, figures } = await runTransfers({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(figures.paid).toBeGreaterThan(5 * seeds);
    expect(figures.given).toBeGreaterThan(5 * seeds);
    expect(figures.refused).toBeGreaterThan(seeds);
    expect(figures.tallied).toBeGreaterThan(seeds);
  },
);

it(
  'what a rule of the server is asked about that answers late, fails, or never answers, is done where it says so, as a whole, and else is not',
  { timeout: 300_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const some = { from: Number(asked ?? 1), count };
    const { failure, figures } = await runTransfers(some, { isAsked: true });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked === undefined) expect(figures.asked).toBeGreaterThan(5 * seeds);
  },
);

it.each(Object.entries(transferMutants) as [TransferMutant, string][])(
  'its checkers notice that %s (%s)',
  { timeout: 300_000 },
  async (mutant, word) => {
    const { failure } = await runTransfers(
      { from: 1, count: 4, shrinks: false },
      { mutant, isAsked: word === 'ruled' },
    );
    expect(failure?.problems.join('\n')).toContain(` ms: ${word}: `);
  },
);
