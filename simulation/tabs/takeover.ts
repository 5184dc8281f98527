import { Dice } from '../src/dice.ts';
import type { Failure, Seeds } from '../src/simulate.ts';
import type { Step } from '../steps.ts';
import { playTales, type Tale } from './run.ts';
import type { Neighbourhood } from './street.ts';

/** How a tab that leads may end. */
export const endings = ['closes', 'crashes', 'freezes'] as const;
export type Ending = (typeof endings)[number];

type Deed = 'open' | Ending;

const takeoverMs = 2000;
const tabsCount = 4;

const ends: { readonly [how in Ending]: (place: Neighbourhood) => void } = {
  closes: (place) => place.leader?.close(),
  crashes: (place) => place.leader?.life.end(),
  freezes: (place) => place.leader?.life.freeze(),
};

/**
 * Runs the worlds of some seeds: the tab that leads ends, in each of some ways, the others write, and are to know within
 * 2 s that it is committed (P67).
 */
export async function runTakeovers(
  seeds: Seeds,
  hows: readonly Ending[] = endings,
): Promise<{ readonly failure: Failure | null }> {
  for (let done = 0; done < seeds.count; done++) {
    const progress: Seeds['progress'] = (_, trace) => seeds.progress?.(done + 1, trace);
    const one = { ...seeds, from: seeds.from + done, count: 1, progress };
    for (const how of hows) {
      const { failure } = await playTales((seed) => taleOf(seed, how), one);
      if (failure !== null) return { failure };
    }
  }
  return { failure: null };
}

function taleOf(seed: number, how: Ending): Tale<Deed> {
  return {
    // A snapshot makes replicas wait for the answers of what they are unsure of.
    weather: { snapshot: seed % 2 },
    steps: scriptOf(new Dice(seed), how),
    perform: async (place, { does }) => {
      if (does === 'open') place.open();
      else await end(place, does);
    },
  };
}

function scriptOf(dice: Dice, how: Ending): readonly Step<Deed>[] {
  let at = 0;
  const steps = [...Array.from({ length: tabsCount }, () => 'open' as const), how].map((does) => {
    const step = { at, does, who: 0, roll: 0 };
    at += 100 + dice.below(1000);
    return step;
  });
  return steps;
}

async function end(place: Neighbourhood, how: Ending): Promise<void> {
  const others = place.awake.filter((tab) => tab !== place.leader);
  ends[how](place);
  for (const tab of others) place.write(tab, place.dice.below(2 ** 30));
  const tookMs = await place.until(() =>
    others.every(({ writes }) => writes.every(({ committedAt }) => committedAt !== null)),
  );
  if (tookMs !== null && tookMs < takeoverMs) return;
  place.problem('late', `the tab that leads ${how}, and it takes ${tookMs} ms`);
}
