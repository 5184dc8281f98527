import type { Failure, Seeds } from './src/simulate.ts';
import { Trace } from './src/trace.ts';
import { type Run, tried } from './src/trial.ts';

/** What happened in a world; where it says nothing of a trace, its transcript has all of it. */
type Told = Omit<Run, 'trace'> & Partial<Pick<Run, 'trace'>>;

/** What happens under a seed, and what comes of as much of it as is played. */
export type Story<Step extends object> = {
  readonly steps: readonly Step[];
  readonly play: (steps: readonly Step[]) => Told | Promise<Told>;
};

/** Plays the stories of some seeds; stops at the first in which something is wrong, and leaves out what that does not take. */
export async function playStories<Step extends object>(
  storyOf: (seed: number) => Story<Step>,
  seeds: Seeds,
): Promise<Failure | null> {
  for (let done = 0; done < seeds.count; done++) {
    const seed = seeds.from + done;
    const { steps, play } = storyOf(seed);
    const whole = async (some: readonly Step[]): Promise<Run> => {
      const told = await play(some);
      return { trace: traceOf(told.transcript), ...told };
    };
    const { items, run, trace, isLeast } = await tried(steps, whole, seeds);
    const { problems, transcript } = run;
    const failure = { seed, problems, faults: [], steps: items, isLeast, transcript };
    if (problems.length > 0) return failure;
    seeds.progress?.(done + 1, trace);
  }
  return null;
}

function traceOf(transcript: readonly string[]): string {
  const trace = new Trace();
  for (const line of transcript) for (const letter of line) trace.add(letter.codePointAt(0) ?? 0);
  return trace.text;
}
