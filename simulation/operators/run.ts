import { Spoiling } from '../spoiling.ts';
import { badWeather } from '../src/faults.ts';
import type { GroundKind } from '../src/ground.ts';
import type { Seeds } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { type Step, weighed } from '../steps.ts';
import { type Played, Worlds } from '../worlds.ts';
import { type OperatorMutant, operatorMutants } from './mutants.ts';
import { Operator, type OperatorDeed } from './operator.ts';

const names = ['ann', 'bob'] as const;

const setting = {
  faults: {
    ...badWeather,
    crashServer: 40,
    closeServer: 4,
    sleep: 0,
    jump: 0,
    compact: 0,
  },
  store: 'acme/app',
  lengthMs: 20_000,
  tablesMs: 60,
  deeds: weighed<OperatorDeed>({
    create: 2,
    import: 6,
    count: 5,
    back: 4,
    clone: 5,
    archive: 1,
    purge: 4,
  }),
  people: names.length,
  deedsMin: 30,
};
const lasting = new Set(Object.keys(operatorMutants)) as ReadonlySet<OperatorMutant>;

/** How much went on in worlds of operators. */
export type OperatorFigures = {
  readonly done: number;
  readonly repeated: number;
  readonly crashes: number;
};

/** How a world of operators is other than most. */
export type OperatorTerms = {
  readonly mutant?: OperatorMutant | null;
  /** What servers keep stores in; default: memory. */
  readonly storage?: GroundKind;
  /** Whether the clock of the servers is set by an hour, a day, a year. */
  readonly leaps?: boolean;
};

/** Stores are made, filled, cloned, taken back and purged by servers that die amid all of that. */
export class OperatorWorlds extends Worlds<OperatorDeed, OperatorMutant> {
  figures: OperatorFigures = { done: 0, repeated: 0, crashes: 0 };
  #operators: readonly Operator[] = [];

  constructor({ mutant = null, storage = 'memory', leaps = false }: OperatorTerms = {}) {
    const faults = { ...setting.faults, leapServer: leaps ? 24 : 0 };
    const settles = leaps && mutant !== 'what is kept for a day ends when a clock is set';
    super({ ...setting, faults, settles, storage }, new Spoiling(mutant, { lasting, most: 0 }));
  }

  protected begin(world: World): void {
    this.#operators = names.map((name) => new Operator(world, name, this.spoils));
  }

  protected perform(_world: World, { does, who, roll }: Step<OperatorDeed>): void {
    this.#operators[who]?.act(does, roll);
  }

  protected async check(world: World): Promise<void> {
    for (const operator of this.#operators) await operator.rest();
    this.checkErrors(world);
    const { done, repeated, crashes } = this.figures;
    const sum = (of: (operator: Operator) => number): number =>
      this.#operators.reduce((all, operator) => all + of(operator), 0);
    this.figures = {
      done: done + sum((each) => each.done),
      repeated: repeated + sum((each) => each.repeated),
      crashes: crashes + world.site.crashes,
    };
  }
}

/** Plays the worlds of some seeds; stops at the first in which something is wrong. */
export function runOperators(
  seeds: Seeds,
  terms: OperatorTerms = {},
): Promise<Played<OperatorFigures>> {
  return new OperatorWorlds(terms).play(seeds);
}
