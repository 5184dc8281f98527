import { expect, it } from 'vitest';
import { type HoldingMutant, holdingMutants } from './holdings/mutants.ts';
import { runHoldings } from './holdings/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['HOLDING_SEEDS'] ?? 4);
const spoiledMax = 10;

it(
  'S97 S98 S101 files of two orgs, whose rights come and go while what nobody names is collected, are there whole for whom they are for, and for nobody else (P62, P63, P64, P76)',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, figures } = await runHoldings({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(figures.stored).toBeGreaterThan(10 * seeds);
    expect(figures.read).toBeGreaterThan(4 * seeds);
    expect(figures.turnedAway).toBeGreaterThan(4 * seeds);
    expect(figures.named).toBeGreaterThan(seeds);
    expect(figures.restored).toBeGreaterThan(seeds / 2);
    expect(figures.collected).toBeGreaterThan(seeds);
  },
);

it.each(['memory', 'sqlite'] as const)(
  'S101 while the clock of servers is set by an hour, a day and a year no content goes before its day is over (%s)',
  { timeout: 480_000 },
  async (storage) => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? Math.ceil(seeds / 2) : 1;
    const some = { from: Number(asked ?? 1), count };
    const { failure, figures } = await runHoldings(some, { storage, leaps: true });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked === undefined) expect(figures.stored).toBeGreaterThan(10 * count);
  },
);

it.each(
  (Object.keys(holdingMutants) as HoldingMutant[]).map(
    (mutant) => [mutant, holdingMutants[mutant]] as const,
  ),
)(
  'its checkers notice that %s',
  { timeout: 240_000 },
  async (mutant, { word, seed, ...spoilt }) => {
    const some = { from: seed, count: spoiledMax, shrinks: false };
    const { failure } = await runHoldings(some, { mutant, leaps: 'leaps' in spoilt });
    expect(failure?.problems.join('\n')).toContain(` ms: ${word}: `);
  },
);
