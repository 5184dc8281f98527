import { expect, it } from 'vitest';
import { type AccountMutant, accountMutants } from './accounts/mutants.ts';
import { runAccounts } from './accounts/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['ACCOUNT_SEEDS'] ?? 4);

it(
  'who sits down at a machine where another was is shown nothing of theirs, and sends nothing of theirs; what was kept is sent as its maker when they are back, once, in all weathers',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, figures } = await runAccounts({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(figures.committed).toBeGreaterThan(20 * seeds);
    expect(figures.lives).toBeGreaterThan(10 * seeds);
  },
);

it(
  'the same holds in the tabs of one browser, each with whoever has signed in in it, which freeze, and of which those of one account share a connection and a database',
  { timeout: 480_000 },
  async () => {
    const { failure, figures } = await runAccounts({ from: 1, count: seeds }, { inTabs: true });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    expect(figures.committed).toBeGreaterThan(20 * seeds);
    expect(figures.lives).toBeGreaterThan(20 * seeds);
  },
);

it.each(Object.entries(accountMutants) as [AccountMutant, string][])(
  'its checkers notice that %s (%s)',
  { timeout: 240_000 },
  async (mutant, word) => {
    const some = { from: 1, count: 6, shrinks: false };
    for (const inTabs of [false, true]) {
      const { failure } = await runAccounts(some, { mutant, inTabs });
      expect(failure?.problems.join('\n')).toContain(` ms: ${word}: `);
    }
  },
);
