import { describe, expect, it, test } from 'vitest';
import { runSeed } from './world/run.ts';
import { type Mutant, mutants } from './world/mutants.ts';

const seedsMax = 80;

/** The first seed under which a spoiled world breaks a word; null where none does. */
function seedThatShows(mutant: Mutant, word: string): number | null {
  for (let seed = 1; seed <= seedsMax; seed++) {
    if (runSeed(seed, mutant).problems.some((problem) => problem.word === word)) return seed;
  }
  return null;
}

describe('the checkers notice that', () => {
  it.each(Object.entries(mutants) as [Mutant, string][])(
    '%s (%s)',
    { timeout: 240_000 },
    (mutant, word) => {
      expect(seedThatShows(mutant, word)).not.toBeNull();
    },
  );
});

test('none of the first worlds is spoiled by itself', { timeout: 240_000 }, () => {
  for (let seed = 1; seed <= 20; seed++) expect(runSeed(seed).problems).toEqual([]);
});
