import { describe, expect, it } from 'vitest';
import { shrink } from './src/shrink.ts';
import { failureText, simulate } from './src/simulate.ts';
import { playStories } from './stories.ts';
import { runSeeds } from './world/run.ts';

const hundred = Array.from({ length: 100 }, (_, at) => at);

/** Fails with two of them, and takes so long for each try by a clock of its own. */
function slow(tryMs: number) {
  let clock = 0;
  let tries = 0;
  return {
    now: () => clock,
    tries: () => tries,
    fails: async (fewer: readonly number[]): Promise<boolean> => {
      clock += tryMs;
      tries += 1;
      return fewer.includes(17) && fewer.includes(80);
    },
  };
}

describe('given something that fails, when fewer are looked for with which it does,', () => {
  it('then there is nothing but what it takes where there is time, and each smaller number is told', async () => {
    const { fails, now } = slow(1);
    const told: number[] = [];
    const found = await shrink(hundred, fails, { now, tell: (left) => void told.push(left) });
    expect(found).toEqual({ kept: [17, 80], isLeast: true });
    expect(told).toEqual([...new Set(told)].toSorted((a, b) => b - a));
    expect(told.at(-1)).toBe(2);
  });

  it('then the fewest found by then are told as such where the time is over before', async () => {
    const { fails, now, tries } = slow(4000);
    const { kept, isLeast } = await shrink(hundred, fails, { now });
    expect(tries()).toBe(15);
    expect(isLeast).toBe(false);
    expect(kept.length).toBeLessThan(50);
    expect(await fails(kept)).toBe(true);
  });

  it('then nothing is tried any more after one try that took all the time', async () => {
    const { fails, now, tries } = slow(100_000);
    expect(await shrink(hundred, fails, { now })).toEqual({ kept: hundred, isLeast: false });
    expect(tries()).toBe(1);
  });
});

describe('given a world that fails, when there is no time to look for less,', () => {
  const enough = /steps are enough:|actions:/;
  const cutShort = /fewer may be/;

  it.each([
    ['a program', programFails],
    ['a story', storyFails],
    ['machines', machinesFail],
  ])('then its failure is told whole, and says so: %s', async (_kind, failing) => {
    const [whole, least] = [await failing(0), await failing(600_000)];
    expect(whole).toMatch(cutShort);
    expect(whole).not.toMatch(enough);
    expect(least).toMatch(enough);
    expect(least).not.toMatch(cutShort);
    expect(least.length).toBeLessThan(whole.length);
    for (const text of [whole, least]) expect(text).toMatch(/^SEED=1\b/);
  });
});

async function program(): Promise<void> {
  throw new Error('always');
}

async function programFails(shrinkMs: number): Promise<string> {
  const failure = await simulate(
    { program, faults: { cut: 60, jump: 60 } },
    { from: 1, count: 1, shrinkMs },
  );
  return failure === null ? '' : failureText(failure);
}

const play = (some: readonly { readonly at: number }[]) => ({
  problems: some.some(({ at }) => at === 42) ? ['wrong'] : [],
  transcript: [],
});

async function storyFails(shrinkMs: number): Promise<string> {
  const steps = hundred.map((at) => ({ at }));
  const failure = await playStories(() => ({ steps, play }), { from: 1, count: 1, shrinkMs });
  return failure === null ? '' : failureText(failure);
}

async function machinesFail(limitMs: number): Promise<string> {
  const mutant = 'a host speaks nonsense';
  const { failure } = await runSeeds(1, (done) => done >= 1, { mutant, limitMs });
  return failure ?? '';
}
