import { type Json, type Path } from '@holdfast/protocol';
import { type Principal, scopes } from '@holdfast/server';
import { isRejection } from '../kill/writer.ts';
import { waitWhile } from '../patience.ts';
import { Dice } from '../src/dice.ts';
import { badWeather } from '../src/faults.ts';
import { type Failure, type Seeds, simulate, type Simulation } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { Spoiling } from '../spoiling.ts';
import { type Step, stepsOf, weighed } from '../steps.ts';
import { leavesOf, Truth } from '../validators/truth.ts';
import { firstDifference } from '../validators/words.ts';
import { dense, whole } from '../validators/writes.ts';
import { barredPath, storeName } from './application.ts';
import { misreported, wrongIn } from './checks.ts';
import type { UpgradeMutant } from './mutants.ts';
import { Person } from './person.ts';

const weights = { write: 75, upgrade: 5, close: 2, retry: 12, discard: 5, recreate: 2 };
type Deed = keyof typeof weights;

const lengthMs = 30_000;
const deeds = weighed<Deed>(weights);
const people = { ann: 'close', bob: 'resync', cleo: 'close' } as const;
const names = Object.keys(people) as (keyof typeof people)[];
const spoilsMax = 20;
const lasting: ReadonlySet<UpgradeMutant> = new Set(['nobody is asked']);

/** How much went on in worlds of upgrades. */
export type UpgradeFigures = {
  readonly written: number;
  readonly letters: number;
  readonly anew: number;
};

/** Applications that are upgraded and rolled back while what was written waits, and stores that are made anew meanwhile. */
export class UpgradeWorlds {
  figures: UpgradeFigures = { written: 0, letters: 0, anew: 0 };
  readonly #spoiling: Spoiling<UpgradeMutant>;
  #people: Person[] = [];
  #anew = 0;

  constructor(mutant: UpgradeMutant | null = null) {
    this.#spoiling = new Spoiling(mutant, { lasting, most: spoilsMax });
  }

  readonly simulation: Simulation<Step<Deed>> = {
    faults: {
      ...badWeather,
      revoke: 0,
      jump: 0,
      jumpServer: 0,
      partition: 12,
      crash: 6,
      forget: 1,
    },
    lengthMs,
    stores: [storeName],
    server: { authenticate: async ({ token }) => principalOf(token) },
    script: {
      steps: (dice) =>
        stepsOf(dice, { count: 80 + dice.below(80), lengthMs, deeds, people: names.length }),
      perform: (world, step) => this.#perform(world, step),
    },
    program: async (world) => {
      this.#begin(world);
      await world.sleep(lengthMs);
    },
    check: (world) => this.#check(world),
  };

  #begin(world: World): void {
    this.#anew = 0;
    this.#spoiling.begin(new Dice(world.seed));
    const complain = (word: string, text: string): void => world.problem(`${word}: ${text}`);
    const spoils = (mutant: UpgradeMutant): boolean => this.#spoiling.takes(mutant);
    const anew = (): number => this.#anew;
    this.#people = names.map(
      (name) => new Person(world, name, { onIncarnation: people[name], complain, spoils, anew }),
    );
  }

  #perform(world: World, { does, who, roll }: Step<Deed>): void {
    if (does !== 'recreate') this.#people[who]?.act(does, new Dice(roll));
    else if (this.#anew < 2 && world.site.server !== null) {
      this.#anew += 1;
      world.recreate(storeName, roll % 3000);
    }
  }

  async #check(world: World): Promise<void> {
    // What is refused last is stored a moment later.
    await world.sleep(1000);
    const logs = await world.logs(storeName);
    const truths = new Map([...logs].map(([of, log]) => [of, new Truth(log.map(({ op }) => op))]));
    const truth = new Truth((await world.log(storeName)).map(({ op }) => op));
    for (const { word, text } of [...dense(truth), ...whole(truth)]) {
      world.problem(`${word}: ${text}`);
    }
    const spoils = (mutant: UpgradeMutant): boolean => this.#spoiling.takes(mutant);
    for (const person of this.#people) {
      const { ledger } = person;
      const letters = new Map(person.letters.map((letter) => [letter.opId, letter]));
      const fates = misreported({ ledger, letters, truths }, spoils);
      for (const problem of wrongIn(fates)) world.problem(problem);
      person.look();
      this.#compare(world, person, truth);
    }
    for (const person of this.#people) await this.#restart(world, person);
    this.#count();
  }

  #compare(world: World, { device, store }: Person, truth: Truth): void {
    const wanted = leavesOf(truth.stateAt(truth.head));
    const shown: readonly (readonly [Path, Json])[] = store
      .entries('**', { limit: 10_000 })
      .items.map(({ path, value }) => [
        path,
        this.#spoiling.takes('a value is another') ? 'another' : value,
      ]);
    const wrong = firstDifference(shown, wanted);
    if (wrong !== null) world.problem(`converged: ${device.name}: ${wrong}`);
    for (const error of device.errors.filter((each) => !isRejection(each) && !isExpected(each))) {
      world.problem(`calm: ${device.name}: ${String(error)}`);
    }
  }

  /** A letter is there until somebody decides about it. */
  async #restart(world: World, person: Person): Promise<void> {
    const listed = (): string =>
      JSON.stringify(
        person.letters.map(({ opId, refusal }) => [opId, refusal.code]).toSorted(byText),
      );
    const before = listed();
    world.crash(person.device.name);
    await waitWhile(world, () => person.store.status.get().connection !== 'connected', {
      patienceMs: 60_000,
    });
    await world.sleep(1000);
    const after = this.#spoiling.takes('a letter goes with its process') ? '[]' : listed();
    if (before !== after) world.problem(`lasting: ${before} became ${after}`);
    person.look();
  }

  #count(): void {
    const { written, letters, anew } = this.figures;
    this.figures = {
      written:
        written + this.#people.reduce((sum, { ledger }) => sum + [...ledger.all()].length, 0),
      letters: letters + this.#people.reduce((sum, person) => sum + person.letters.length, 0),
      anew: anew + this.#anew,
    };
  }
}

function byText(a: readonly string[], b: readonly string[]): number {
  return String(a) < String(b) ? -1 : 1;
}

/** A migration that throws is told of. */
function isExpected(error: unknown): boolean {
  return String(error).includes('nobody can migrate this');
}

/** Everybody may write everywhere but in one place. */
function principalOf(token: string | null): Principal {
  const may = ['read', 'write'] as const;
  return {
    subject: token?.replace(/\.\d+$/, '') ?? null,
    orgs: ['acme'],
    scopes: new Set(scopes),
    storeAccess: { mode: 'all' },
    expiresAt: null,
    tokenId: null,
    pathRules: [
      ...['v1/**', 'v2/**', 'v3/**', 'total'].map((pattern) => ({ pattern, allow: may })),
      { pattern: `${barredPath}/**`, allow: ['read'] },
    ],
  };
}

/** Runs the worlds of some seeds; stops at the first in which something is wrong. */
export async function runUpgrades(
  seeds: Seeds,
  mutant: UpgradeMutant | null = null,
): Promise<{ readonly failure: Failure | null; readonly figures: UpgradeFigures }> {
  const worlds = new UpgradeWorlds(mutant);
  const failure = await simulate(worlds.simulation, seeds);
  return { failure, figures: worlds.figures };
}
