import { expect, it } from 'vitest';
import { type CollectionMutant, collectionMutants } from './collections/mutants.ts';
import { runCollections, runSpoiled } from './collections/run.ts';
import { failureText } from './src/simulate.ts';

const seeds = Number(process.env['COLLECTION_SEEDS'] ?? 2);
const openSeeds = Number(process.env['COLLECTION_SEEDS'] ?? 1);
/** Of which those are that find bugs of old. */
const openFrom = Number(process.env['OPEN_SEED'] ?? 5);

it(
  'R185 R196 R197 R199 R202 R228 collections that a server finds, and those that clients find, are after every commit what a fresh look at everything gives, also under rights that change, and leave nothing behind',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, traffic } = await runCollections({ from: Number(asked ?? 3), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    const tried = Object.entries({
      told: 500 * seeds,
      shown: 300 * seeds,
      delivered: 500 * seeds,
      page: seeds,
      // By those who read slowly, so that they lag, which they do in one of four worlds.
      excused: seeds,
      grant: 1,
    }).filter(([what, least]) => (traffic[what] ?? 0) < least);
    expect(tried).toEqual([]);
  },
);

it(
  'R197 R199 R254 collections of which nothing is hidden are so, too, where nobody who comes back is sent again what it has',
  { timeout: 480_000 },
  async () => {
    const { failure } = await runCollections(
      { from: openFrom, count: openSeeds },
      { isOpen: true },
    );
    expect(failure === null ? null : failureText(failure)).toBeNull();
  },
);

it.each(
  Object.entries(collectionMutants).map(
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a key of that very table
    ([mutant, { word, seed }]) => [mutant as CollectionMutant, word, seed] as const,
  ),
)('its checkers notice that %s (%s)', { timeout: 240_000 }, async (mutant, word, seed) => {
  const problems = await runSpoiled(seed, mutant);
  expect(problems.filter((problem) => problem.includes(` ms: ${word}: `))).not.toEqual([]);
});
