import type { Server, ServerOptions } from '@holdfast/server';
import { Dice } from './dice.ts';
import { type FaultRates, scheduleOf, type TimedFault } from './faults.ts';
import type { GroundKind } from './ground.ts';
import type { Pace } from './site.ts';
import { type Run, type Trial, tried, type TrialTerms } from './trial.ts';
import { World } from './world.ts';

/** A program and the worlds in which it is to hold. */
export type Simulation<Step extends { readonly at: number } = never> = Pace & {
  /** Runs an application's code against the clients of a world; ends when there is no more to do. */
  readonly program: (world: World) => Promise<void>;
  /** Looks at what has become of it, when the weather has cleared and everybody has everything; throws where it is wrong. */
  readonly check?: (world: World) => void | Promise<void>;
  /** What goes wrong, and how often in a minute; default: nothing. */
  readonly faults?: FaultRates;
  /** Virtual milliseconds within which things go wrong; default: 20 000. */
  readonly lengthMs?: number;
  /** Stores that exist; default: `acme/app`. */
  readonly stores?: readonly string[];
  readonly server?: Partial<ServerOptions>;
  /** How long each token lasts that clients are given, as long as things go wrong; default: for ever. */
  readonly tokenMs?: number;
  /** Readies each server that starts: what it declares, and what it serves. */
  readonly prepare?: (server: Server) => void;
  /** What the servers store on: memory, or SQLite files that are copied as they lie when a server dies. Default: memory. */
  readonly storage?: GroundKind;
  /** What is done besides, at its time; where something is wrong, as much of it is left out as can be. */
  readonly script?: {
    readonly steps: (dice: Dice) => readonly Step[];
    readonly perform: (world: World, step: Step) => void;
  };
};

/** Which seeds to run. */
export type Seeds = {
  readonly from: number;
  readonly count: number;
  /** Whether as much as can be is left out of what has failed, which takes a while; default: yes. */
  readonly shrinks?: boolean;
  /** For how many milliseconds that is tried at most; then it is told with what is left by then. Default: 60 000. */
  readonly shrinkMs?: number;
  /** Hears how many faults and steps are left, each time that fewer of them are enough for it to fail. */
  readonly shrinking?: (left: number) => void;
  /** Hears of each world that has ended, and of its trace, which is the same each time that it is run. */
  readonly progress?: (done: number, trace: string) => void;
};

/** The first world in which a program did not hold. */
export type Failure = {
  readonly seed: number;
  readonly problems: readonly string[];
  /** As few of the faults as it takes. */
  readonly faults: readonly TimedFault[];
  /** As few of the steps of the script. */
  readonly steps: readonly object[];
  /** Whether fewer were looked for to the end: not where that was not asked for, or took too long. */
  readonly isLeast: boolean;
  readonly transcript: readonly string[];
};

const lengthDefaultMs = 20_000;

type Item<Step> = { readonly fault: TimedFault } | { readonly step: Step };

/** Runs a program in the world of each seed; stops at the first in which something is wrong. */
export async function simulate<Step extends { readonly at: number } = never>(
  simulation: Simulation<Step>,
  seeds: Seeds,
): Promise<Failure | null> {
  for (let done = 0; done < seeds.count; done++) {
    const { failure, trace } = await played(simulation, seeds.from + done, seeds);
    if (failure !== null) return failure;
    seeds.progress?.(done + 1, trace);
  }
  return null;
}

/** Runs a program in the world of one seed: the same again, to the last message. */
export async function simulateSeed<Step extends { readonly at: number } = never>(
  simulation: Simulation<Step>,
  seed: number,
  terms: TrialTerms = {},
): Promise<Failure | null> {
  return (await played(simulation, seed, terms)).failure;
}

async function played<Step extends { readonly at: number } = never>(
  simulation: Simulation<Step>,
  seed: number,
  terms: TrialTerms,
): Promise<{ readonly failure: Failure | null; readonly trace: string }> {
  const all = itemsOf(simulation, seed);
  const trial = await tried(all, (some) => runWorld(simulation, seed, some), terms);
  const isFailure = trial.run.problems.length > 0;
  return { failure: isFailure ? failureOf(seed, trial) : null, trace: trial.trace };
}

function failureOf<Step extends object>(
  seed: number,
  { items, run, isLeast }: Trial<Item<Step>>,
): Failure {
  const { problems, transcript } = run;
  const faults = items.flatMap((item) => ('fault' in item ? [item.fault] : []));
  const steps = items.flatMap((item) => ('step' in item ? [item.step] : []));
  return { seed, problems, faults, steps, isLeast, transcript };
}

/** Runs a program in the world of one seed, and leaves what is wrong as it is. */
export async function playSeed<Step extends { readonly at: number } = never>(
  simulation: Simulation<Step>,
  seed: number,
): Promise<Run> {
  return runWorld(simulation, seed, itemsOf(simulation, seed));
}

function paceOf({ hourMs, deleteMs, tablesMs = 0, isFooled = false, settles = false }: Pace): Pace {
  return {
    isFooled,
    settles,
    tablesMs,
    ...(hourMs !== undefined && { hourMs }),
    ...(deleteMs !== undefined && { deleteMs }),
  };
}

function itemsOf<Step extends { readonly at: number }>(
  { faults: rates = {}, lengthMs = lengthDefaultMs, script }: Simulation<Step>,
  seed: number,
): readonly Item<Step>[] {
  return [
    ...scheduleOf(new Dice(seed ^ 0xfa017), rates, lengthMs).map((fault) => ({ fault })),
    ...(script?.steps(new Dice(seed ^ 0x57e95)) ?? []).map((step) => ({ step })),
  ];
}

/** A failure as text: how to run it again, what was wrong, what it took, what happened. */
export function failureText({
  seed,
  problems,
  faults,
  steps,
  isLeast,
  transcript,
}: Failure): string {
  const end = isLeast ? ':' : '; fewer may be, for they were not looked for to the end:';
  return [
    `SEED=${seed}`,
    ...problems.slice(0, 10),
    `${faults.length} faults and ${steps.length} steps are enough${end}`,
    ...[...faults, ...steps].map((item) => JSON.stringify(item)),
    'the transcript:',
    ...transcript.slice(0, 300),
  ].join('\n');
}

async function runWorld<Step extends { readonly at: number }>(
  simulation: Simulation<Step>,
  seed: number,
  items: readonly Item<Step>[],
): Promise<Run> {
  const {
    program,
    check,
    stores = ['acme/app'],
    server,
    tokenMs,
    prepare,
    storage,
    script,
  } = simulation;
  const faults = items.flatMap((item) => ('fault' in item ? [item.fault] : []));
  const world = new World({
    seed,
    faults,
    stores,
    ...(server !== undefined && { server }),
    ...(tokenMs !== undefined && { tokenMs }),
    ...paceOf(simulation),
    ...(prepare !== undefined && { prepare }),
    ...(storage !== undefined && { storage }),
  });
  for (const item of items) {
    if ('step' in item) world.later(item.step.at, () => script?.perform(world, item.step));
  }
  try {
    await world.run(async () => {
      await program(world);
      await world.rest();
      await check?.(world);
      await world.close();
    });
  } catch (error) {
    world.problem(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await world.end();
  }
  return { problems: world.problems, transcript: world.transcript, trace: world.trace };
}
