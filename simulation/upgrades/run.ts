import { type Json, type Path } from '@holdfast/protocol';
import { type Principal, scopes } from '@holdfast/server';
import { isRejection } from '../kill/writer.ts';
import { waitWhile } from '../patience.ts';
import { Dice } from '../src/dice.ts';
import { badWeather } from '../src/faults.ts';
import type { Seeds } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { Spoiling } from '../spoiling.ts';
import { type Step, weighed } from '../steps.ts';
import { leavesOf, Truth } from '../validators/truth.ts';
import { firstDifference } from '../validators/words.ts';
import { dense, whole } from '../validators/writes.ts';
import { type Played, Worlds } from '../worlds.ts';
import { barredPath, storeName } from './application.ts';
import { misreported, wrongIn } from './checks.ts';
import type { UpgradeMutant } from './mutants.ts';
import { Person } from './person.ts';

const weights = { write: 75, upgrade: 5, close: 2, retry: 12, discard: 5, recreate: 2 };
type Deed = keyof typeof weights;

const people = { ann: 'close', bob: 'resync', cleo: 'close' } as const;
const names = Object.keys(people) as (keyof typeof people)[];
const spoilsMax = 20;
const lasting: ReadonlySet<UpgradeMutant> = new Set(['nobody is asked']);
const setting = {
  faults: { ...badWeather, revoke: 0, jump: 0, jumpServer: 0, partition: 12, crash: 6, forget: 1 },
  store: storeName,
  lengthMs: 30_000,
  server: { authenticate: async ({ token }: { token: string | null }) => principalOf(token) },
  deeds: weighed<Deed>(weights),
  people: names.length,
  deedsMin: 80,
};

/** How much went on in worlds of upgrades. */
export type UpgradeFigures = {
  readonly written: number;
  readonly letters: number;
  readonly anew: number;
};

/** Applications that are upgraded and rolled back while what was written waits, and stores that are made anew meanwhile. */
export class UpgradeWorlds extends Worlds<Deed, UpgradeMutant> {
  figures: UpgradeFigures = { written: 0, letters: 0, anew: 0 };
  #people: Person[] = [];
  #anew = 0;

  constructor(mutant: UpgradeMutant | null = null) {
    super(setting, new Spoiling(mutant, { lasting, most: spoilsMax }));
  }

  protected begin(world: World): void {
    this.#anew = 0;
    const { spoils } = this;
    const complain = (word: string, text: string): void => world.problem(`${word}: ${text}`);
    const anew = (): number => this.#anew;
    this.#people = names.map(
      (name) => new Person(world, name, { onIncarnation: people[name], complain, spoils, anew }),
    );
  }

  protected perform(world: World, { does, who, roll }: Step<Deed>): void {
    if (does !== 'recreate') this.#people[who]?.act(does, new Dice(roll));
    else if (this.#anew < 2 && world.site.server !== null) {
      this.#anew += 1;
      world.recreate(storeName, roll % 3000);
    }
  }

  protected async check(world: World): Promise<void> {
    // What is refused last is stored a moment later.
    await world.sleep(1000);
    const logs = await world.logs(storeName);
    const truths = new Map([...logs].map(([of, log]) => [of, new Truth(log.map(({ op }) => op))]));
    const truth = new Truth((await world.log(storeName)).map(({ op }) => op));
    for (const { word, text } of [...dense(truth), ...whole(truth)]) {
      world.problem(`${word}: ${text}`);
    }
    for (const person of this.#people) {
      const { ledger } = person;
      const letters = new Map(person.letters.map((letter) => [letter.opId, letter]));
      const fates = misreported({ ledger, letters, truths }, this.spoils);
      for (const problem of wrongIn(fates)) world.problem(problem);
      person.look();
      this.#compare(world, person, truth);
    }
    this.checkErrors(world, isExpected);
    for (const person of this.#people) await this.#restart(world, person);
    this.#count();
  }

  #compare(world: World, { device, store }: Person, truth: Truth): void {
    const wanted = leavesOf(truth.stateAt(truth.head));
    const shown: readonly (readonly [Path, Json])[] = store
      .entries('**', { limit: 10_000 })
      .items.map(({ path, value }) => [
        path,
        this.spoils('a value is another') ? 'another' : value,
      ]);
    const wrong = firstDifference(shown, wanted);
    if (wrong !== null) world.problem(`converged: ${device.name}: ${wrong}`);
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
    const after = this.spoils('a letter goes with its process') ? '[]' : listed();
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

/** A migration that throws is told of, too. */
function isExpected(error: unknown): boolean {
  return isRejection(error) || String(error).includes('nobody can migrate this');
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

/** Plays the worlds of some seeds; stops at the first in which something is wrong. */
export function runUpgrades(
  seeds: Seeds,
  mutant: UpgradeMutant | null = null,
): Promise<Played<UpgradeFigures>> {
  return new UpgradeWorlds(mutant).play(seeds);
}
