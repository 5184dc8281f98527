import { describe, expect, it } from 'vitest';
import { type Cache, memoryCache } from '@holdfast/client';
import { failureText } from './src/simulate.ts';
import { runTabs } from './tabs/run.ts';
import { type Ending, runTakeovers } from './tabs/takeover.ts';

const seeds = Number(process.env['TAB_SEEDS'] ?? 60);

/** A cache that stores what anybody calls the state. */
function unfenced(): Cache {
  const cache = memoryCache();
  const { sharing } = cache;
  if (sharing === undefined) return cache;
  const commit: typeof sharing.commit = async (store, change) => {
    await cache.commit(store, change);
    return true;
  };
  return { ...cache, sharing: { ...sharing, commit } };
}

describe('tabs of one origin', () => {
  it(
    'commit each write once and in order and rest with one connection, however they freeze, crash, close and lose messages (P20, P68, P69)',
    { timeout: 480_000 },
    async () => {
      const asked = process.env['SEED'];
      const count = asked === undefined ? seeds : 1;
      const { failure, figures } = await runTabs({ from: Number(asked ?? 1), count });
      expect(failure === null ? null : failureText(failure)).toBeNull();
      if (asked === undefined) expect(figures.takeovers).toBeGreaterThan(seeds);
    },
  );

  it(
    'are seen to fail where the cache lets a former leader write (P69), in as few steps as it takes',
    { timeout: 240_000 },
    async () => {
      const [whole, fewest] = await Promise.all(
        [false, true].map(async (shrinks) => {
          const some = { from: 1, count: 300, shrinks };
          return (await runTabs(some, { cacheOf: unfenced })).failure;
        }),
      );
      expect(whole?.problems[0]).toMatch(/ ms: cached: the cache holds/);
      expect(whole?.steps.length).toBeGreaterThanOrEqual(60);
      expect(fewest?.seed).toBe(whole?.seed);
      expect(fewest?.problems[0]).toMatch(/ ms: cached: the cache holds/);
      expect(fewest?.steps.length).toBeLessThan(20);
      expect(whole?.steps).toEqual(expect.arrayContaining([...(fewest?.steps ?? [])]));
    },
  );

  it.each([
    ['the log keeps a commit twice', / ms: once: .* was committed twice/],
    ['a push overtakes another', / ms: inOrder: .* was committed after one that was made later/],
    ['the log forgets a commit', / ms: rest: .* lacks browser:/],
    ['a host sends another value', / ms: shown: tab-\d+ shows .* instead of/],
  ] as const)('are seen to fail where %s', { timeout: 240_000 }, async (mutant, seen) => {
    const found: string[] = [];
    for (let seed = 1; seed <= 20 && !seen.test(found.join('\n')); seed++) {
      const { failure } = await runTabs({ from: seed, count: 1, shrinks: false }, { mutant });
      found.push(...(failure?.problems ?? []));
    }
    expect(found.join('\n')).toMatch(seen);
  });

  it.each([
    ['connected again within 2 s when the leader closes (P67)', 'closes'],
    ['connected again within 2 s when the leader crashes (P67)', 'crashes'],
  ] as const)('are %s', async (_, how) => takenOver(how));

  it('G71 are connected again within 2 s when the leader freezes (P67)', async () =>
    takenOver('freezes'));
});

async function takenOver(how: Ending): Promise<void> {
  const { failure } = await runTakeovers({ from: 1, count: 10 }, [how]);
  expect(failure === null ? null : failureText(failure)).toBeNull();
}
