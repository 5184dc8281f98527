import { addTraffic, noTraffic, type Traffic } from '../validators/traffic.ts';
import { shrink, type Shrinking } from '../src/shrink.ts';
import type { Mutant } from './mutants.ts';
import { type Action, actionText, type Scene, sceneOf, scriptOf } from './script.ts';
import { type Outcome, World } from './world.ts';

/** Runs the world of a seed, spoiled in some way where a mutant is named. */
export function runSeed(seed: number, mutant: Mutant | null = null): Outcome {
  const scene = sceneOf(seed);
  return runScript(seed, scene, scriptOf(seed, scene), mutant);
}

function runScript(
  seed: number,
  scene: Scene,
  script: readonly Action[],
  mutant: Mutant | null = null,
): Outcome {
  try {
    return new World(seed, scene, mutant).run(script);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { problems: [{ word: 'calm', text }], traffic: noTraffic, transcript: [] };
  }
}

/** How the world of a seed is spoiled, if it is, and how long a shorter script is looked for. */
export type SeedTerms = Shrinking & { readonly mutant?: Mutant };

/** Runs seed after seed; stops at the first that fails, with all that is needed to find out why. */
export async function runSeeds(
  from: number,
  isEnough: (done: number) => boolean,
  terms: SeedTerms = {},
): Promise<{
  readonly seeds: number;
  readonly traffic: Traffic;
  readonly failure: string | null;
}> {
  let traffic = noTraffic;
  let seeds = 0;
  for (; !isEnough(seeds); seeds++) {
    const outcome = runSeed(from + seeds, terms.mutant);
    if (outcome.problems.length > 0) {
      return { seeds, traffic, failure: await report(from + seeds, terms) };
    }
    traffic = addTraffic(traffic, outcome.traffic);
  }
  return { seeds, traffic, failure: null };
}

/** What goes wrong under a seed: as short a script as still does it, and what happened then. */
async function report(seed: number, { mutant, ...terms }: SeedTerms): Promise<string> {
  const scene = sceneOf(seed);
  const run = (script: readonly Action[]): Outcome => runScript(seed, scene, script, mutant);
  const all = scriptOf(seed, scene);
  const [first] = run(all).problems;
  // The same word is to be broken.
  const fails = async (fewer: readonly Action[]): Promise<boolean> =>
    run(fewer).problems.some(({ word }) => word === first?.word);
  const { kept: script, isLeast } = await shrink(all, fails, terms);
  const { problems, transcript } = run(script);
  const end = isLeast ? ':' : ', of which fewer may be enough:';
  return [
    `SEED=${seed} ${JSON.stringify(scene)}`,
    ...problems.slice(0, 10).map(({ word, text }) => `${word}: ${text}`),
    `the script, shrunk to ${script.length} actions${end}`,
    ...script.map(actionText),
    'the transcript:',
    ...transcript.slice(0, 300),
  ].join('\n');
}
