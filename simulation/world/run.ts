import { addTraffic, noTraffic, type Traffic } from '../validators/traffic.ts';
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

/** Runs seed after seed; stops at the first that fails, with all that is needed to find out why. */
export function runSeeds(
  from: number,
  isEnough: (done: number) => boolean,
): { readonly seeds: number; readonly traffic: Traffic; readonly failure: string | null } {
  let traffic = noTraffic;
  let seeds = 0;
  for (; !isEnough(seeds); seeds++) {
    const outcome = runSeed(from + seeds);
    if (outcome.problems.length > 0) {
      return { seeds, traffic, failure: report(from + seeds) };
    }
    traffic = addTraffic(traffic, outcome.traffic);
  }
  return { seeds, traffic, failure: null };
}

/** What goes wrong under a seed: as short a script as still does it, and what happened then. */
export function report(seed: number): string {
  const scene = sceneOf(seed);
  const script = shrunk(seed, scene, scriptOf(seed, scene));
  const { problems, transcript } = runScript(seed, scene, script);
  return [
    `SEED=${seed} ${JSON.stringify(scene)}`,
    ...problems.slice(0, 10).map(({ word, text }) => `${word}: ${text}`),
    `the script, shrunk to ${script.length} actions:`,
    ...script.map(actionText),
    'the transcript:',
    ...transcript.slice(0, 300),
  ].join('\n');
}

/** Leaves out what is not needed for the same word to be broken: halves first, then smaller and smaller pieces. */
function shrunk(seed: number, scene: Scene, script: readonly Action[]): readonly Action[] {
  const [first] = runScript(seed, scene, script).problems;
  let kept = script;
  let triesLeft = triesMax;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < kept.length && triesLeft > 0; triesLeft--) {
      const fewer = kept.toSpliced(at, size);
      const { problems } = runScript(seed, scene, fewer);
      if (problems.some(({ word }) => word === first?.word)) kept = fewer;
      else at += size;
    }
  }
  return kept;
}

/** Of a shorter script; each takes some milliseconds. */
const triesMax = 1000;
