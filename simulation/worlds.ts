import { isRejection } from './kill/writer.ts';
import { Dice } from './src/dice.ts';
import type { FaultRates } from './src/faults.ts';
import { type Failure, type Seeds, simulate, type Simulation } from './src/simulate.ts';
import type { World } from './src/world.ts';
import type { Spoiling } from './spoiling.ts';
import { type Step, stepsOf } from './steps.ts';

/** What worlds of a kind are like. */
export type Setting<Deed extends string> = Pick<
  Simulation,
  'server' | 'tokenMs' | 'hourMs' | 'deleteMs' | 'tablesMs' | 'settles' | 'storage' | 'prepare'
> & {
  readonly faults: FaultRates;
  readonly store: string;
  /** What stores there are besides. */
  readonly others?: readonly string[];
  /** How long things are done in them, and go wrong. */
  readonly lengthMs: number;
  /** How long they go on in clear weather, where what was begun takes so long; default: not at all. */
  readonly clearMs?: number;
  readonly deeds: readonly Deed[];
  /** How many people there are to do them. */
  readonly people: number;
  /** So many are done at least, and fewer than twice as many. */
  readonly deedsMin: number;
};

/** What has become of some worlds: the first in which something is wrong, and how much went on. */
export type Played<Figures> = { readonly failure: Failure | null; readonly figures: Figures };

/** Worlds of a kind, one after the other: each begins, has its deeds done in it, and is looked at in the end. */
export abstract class Worlds<Deed extends string, Mutant extends string> {
  readonly simulation: Simulation<Step<Deed>>;
  readonly #spoiling: Spoiling<Mutant>;

  constructor(
    { store, others = [], deeds, people, deedsMin, clearMs, ...rest }: Setting<Deed>,
    spoiling: Spoiling<Mutant>,
  ) {
    this.#spoiling = spoiling;
    this.simulation = {
      ...rest,
      stores: [store, ...others],
      script: {
        steps: (dice) =>
          stepsOf(dice, {
            count: deedsMin + dice.below(deedsMin),
            lengthMs: rest.lengthMs,
            deeds,
            people,
          }),
        perform: (world, step) => this.perform(world, step),
      },
      program: async (world) => {
        this.#spoiling.begin(new Dice(world.seed));
        await this.begin(world);
        await world.sleep(rest.lengthMs);
        if (clearMs === undefined) return;
        world.calm();
        await world.sleep(clearMs);
      },
      check: (world) => this.check(world),
    };
  }

  /** How much went on in all of them. */
  abstract get figures(): object;

  /** Plays the worlds of some seeds; stops at the first in which something is wrong. */
  async play(seeds: Seeds): Promise<Played<this['figures']>> {
    const failure = await simulate(this.simulation, seeds);
    return { failure, figures: this.figures };
  }

  protected abstract begin(world: World): void | Promise<void>;

  protected abstract perform(world: World, step: Step<Deed>): void;

  protected abstract check(world: World): Promise<void>;

  /** Whether something is spoiled now in a way. */
  protected readonly spoils = (mutant: Mutant): boolean => this.#spoiling.takes(mutant);

  /** Nobody hears of anything but refusals, and of what is expected. */
  protected checkErrors(world: World, isExpected: (error: unknown) => boolean = isRejection): void {
    for (const { name, errors } of world.devices) {
      for (const error of errors.filter((each) => !isExpected(each))) {
        world.problem(`calm: ${name}: ${String(error)}`);
      }
    }
  }
}
