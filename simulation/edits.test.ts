import { expect, it } from 'vitest';
import { type EditMutant, editMutants } from './edits/mutants.ts';
import { runEdits } from './edits/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['EDIT_SEEDS'] ?? 4);
const spoiledMax = 6;

it(
  'undo and redo leave what others have written, and show what was, and whoever computes something once for all is told what is written, in all weathers (P57, P58)',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, figures } = await runEdits({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(figures.turned).toBeGreaterThan(5 * seeds);
    expect(figures.flown).toBeGreaterThan(seeds);
  },
);

it(
  'the same holds in tabs, which freeze and are left, whichever of them leads (P57, P58)',
  { timeout: 480_000 },
  async () => {
    const { failure, figures } = await runEdits({ from: 1, count: seeds }, { inTabs: true });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    expect(figures.turned).toBeGreaterThan(5 * seeds);
    expect(figures.flown).toBeGreaterThan(0);
  },
);

it.each(Object.entries(editMutants) as [EditMutant, string][])(
  'its checkers notice that %s (%s)',
  { timeout: 240_000 },
  async (mutant, word) => {
    const some = { from: 1, count: spoiledMax, shrinks: false };
    for (const inTabs of [false, true]) {
      const { failure } = await runEdits(some, { mutant, inTabs });
      expect(failure?.problems.join('\n')).toContain(` ms: ${word}: `);
    }
  },
);
