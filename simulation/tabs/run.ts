import { preloadTabs } from '@holdfast/client/tabs';
import { Dice } from '../src/dice.ts';
import type { Seeds } from '../src/simulate.ts';
import type { Run } from '../src/trial.ts';
import type { Step } from '../steps.ts';
import { playStories } from '../stories.ts';
import type { Weather } from '../world/room.ts';
import type { Played } from '../worlds.ts';
import { scriptOf, type TabDeed, weatherOf } from './script.ts';
import { type Figures, Neighbourhood, type TabTerms } from './street.ts';

/** What happens on a street under a seed. */
export type Tale<Deed extends string> = {
  readonly weather: Partial<Weather>;
  readonly steps: readonly Step<Deed>[];
  readonly perform: (place: Neighbourhood, step: Step<Deed>) => void | Promise<void>;
};

/** Plays tales of tabs of some seeds; stops at the first in which something is wrong, and leaves out what that does not take. */
export async function playTales<Deed extends string>(
  taleOf: (seed: number) => Tale<Deed>,
  seeds: Seeds,
  terms: TabTerms = {},
): Promise<Played<Figures>> {
  // Modules come in real time, of which there is none in there.
  await preloadTabs();
  const figures: Figures = { writes: 0, takeovers: 0, behind: 0 };
  const failure = await playStories((seed) => {
    const tale = taleOf(seed);
    const play = async (steps: readonly Step<Deed>[]): Promise<Run> => {
      const place = new Neighbourhood(seed, tale.weather, terms);
      await playOne(place, { ...tale, steps });
      for (const what of ['writes', 'takeovers', 'behind'] as const) {
        figures[what] += place.figures[what];
      }
      return place;
    };
    return { steps: tale.steps, play };
  }, seeds);
  return { failure, figures };
}

async function playOne<Deed extends string>(
  place: Neighbourhood,
  { steps, perform }: Tale<Deed>,
): Promise<void> {
  try {
    for (const step of steps) {
      await place.pass(step.at - place.agenda.now);
      place.note('world', JSON.stringify(step));
      await perform(place, step);
    }
    await place.rest();
  } catch (error) {
    place.problem('calm', error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  for (const { client } of place.alive) void client.close();
}

function streetOf(seed: number): Tale<TabDeed> {
  const dice = new Dice(seed);
  return {
    weather: weatherOf(dice),
    steps: scriptOf(dice),
    perform: (place, step) => place.befall(step),
  };
}

/** Runs the streets of some seeds: a minute of misfortune, then rest. */
export async function runTabs(seeds: Seeds, terms: TabTerms = {}): Promise<Played<Figures>> {
  return playTales(streetOf, seeds, terms);
}
