import { expect, it } from 'vitest';
import { type HostMutant, hostMutants } from './hosts/mutants.ts';
import { runHosts } from './hosts/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['PAST_SEEDS'] ?? 8);
const spoiledMax = 6;

it(
  'S57 S89 S90 S91 S93 S111 clients are told of the past what it was and get back what they ask for, whatever the log forgets amid that, and servers that are closed answer what they have taken (P5, P23, P46)',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const from = Number(asked ?? 1);
    const { failure, crashes, told } = await runHosts({ from, count }, { looksBack: true });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(told).toBeGreaterThan(5 * seeds);
    expect(crashes).toBeGreaterThan(seeds);
  },
);

it.each(
  (Object.keys(hostMutants) as HostMutant[]).map(
    (mutant) => [mutant, hostMutants[mutant]] as const,
  ),
)('their checkers notice that %s', { timeout: 240_000 }, async (mutant, { seed, ...spoilt }) => {
  const some = { from: seed, count: spoiledMax, shrinks: false };
  const looksBack = !('leaps' in spoilt);
  const { failure } = await runHosts(some, {
    looksBack,
    leaps: !looksBack,
    isNarrow: 'isNarrow' in spoilt,
    mutant,
  });
  expect(failure?.problems.join('\n')).toContain(` ms: ${spoilt.word}: `);
});
