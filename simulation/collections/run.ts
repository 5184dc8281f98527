import { RejectedError } from '@holdfast/protocol';
import type { Principal, Server } from '@holdfast/server';
import { Dice } from '../src/dice.ts';
import { badWeather, type FaultRates } from '../src/faults.ts';
import { type Failure, playSeed, type Seeds, simulate, type Simulation } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import {
  all,
  Card,
  Careless,
  changing,
  insider,
  mayRead,
  pathRulesOf,
  Plain,
  storeName,
} from './card.ts';
import { Finale } from './finale.ts';
import { type Granted, Judge } from './judge.ts';
import { Member, type MemberOptions } from './member.ts';
import { type CollectionMutant, collectionMutants } from './mutants.ts';
import { lengthMs, Pen, type Step, scriptOf, turn, write } from './script.ts';
import { Spoiling } from '../spoiling.ts';
import { verdictOn } from './verdict.ts';

/** How much of what has happened. */
export type CollectionTraffic = { readonly [what: string]: number };

/** How a world of collections is other than most. */
export type CollectionTerms = {
  readonly mutant?: CollectionMutant | undefined;
  /**
   * Whether nothing is hidden from anybody. Who comes back is then sent what is new, and nothing again that it has: what went
   * wrong before stays wrong. So many come back, to servers that were started anew, too.
   */
  readonly isOpen?: boolean;
};

const spoiledMs = 7000;
/** How often something is spoiled at most. */
const spoilsMax = 4;
const lasting: ReadonlySet<CollectionMutant> = new Set([
  'a value is another to whom not all is shown',
  'a client says to have what it has not',
  'notes are shown to all',
  'closed rooms are shown to all',
  'rights stay as they were',
  'an own write is not laid over',
  'a row is left out',
  'a query is left open',
]);

const people: readonly Omit<MemberOptions, 'granted'>[] = [
  { name: 'ann', holding: 'asks' },
  { name: 'bob', holding: 'asks' },
  { name: 'cleo', holding: 'whole' },
  { name: 'dan', holding: 'switches', durable: false },
  { name: 'gus', holding: 'whole' },
  { name: 'eve', holding: 'asks', isNewer: true },
];
const faults: FaultRates = {
  ...badWeather,
  crash: 6,
  forget: 2,
  compact: 6,
  failDisk: 3,
  slow: 40,
};
const faultsOpen: FaultRates = {
  ...faults,
  cut: 60,
  cutAmid: 20,
  crash: 12,
  compact: 12,
  crashServer: 16,
};
/** Those whose rights change, and who writes. */
const guests = ['bob', 'gus'];
const writers = 5;

/** Clients that follow collections, found by the server and found by themselves, under the faults of everything. */
export class CollectionWorlds {
  readonly traffic: { [what: string]: number } = {};
  readonly #spoiling: Spoiling<CollectionMutant>;
  readonly #isOpen: boolean;
  #world: World | null = null;
  #dice = new Dice(1);
  #pen = new Pen();
  #members: readonly Member[] = [];
  #granted = new Map<string, Granted[]>();
  #calmAt = Infinity;

  constructor({ mutant, isOpen = false }: CollectionTerms = {}) {
    this.#spoiling = new Spoiling(mutant ?? null, { lasting, most: spoilsMax });
    this.#isOpen = isOpen;
  }

  get simulation(): Simulation<Step> {
    // What is spoiled shows soon.
    const endMs = this.#spoiling.mutant === null ? lengthMs : spoiledMs;
    return {
      faults: this.#isOpen ? faultsOpen : faults,
      lengthMs: endMs,
      stores: [storeName],
      server: {
        authenticate: async ({ token }) => this.#principal(token),
        limits: { socket_soft_bytes: 1024, socket_hard_bytes: 1024 * 1024 },
      },
      prepare: (server) => this.#declare(server),
      script: {
        steps: (dice) => scriptOf(dice).filter(({ at }) => at < endMs),
        perform: (world, step) => this.#perform(world, step),
      },
      program: async (world) => {
        this.#begin(world);
        await world.sleep(endMs);
        world.calm();
        this.#calmAt = world.now;
      },
      check: (world) => this.#check(world),
    };
  }

  #begin(world: World): void {
    this.#world = world;
    this.#dice = new Dice(world.seed);
    this.#spoiling.begin(this.#dice);
    this.#pen = new Pen();
    this.#calmAt = Infinity;
    this.#granted = new Map(people.map(({ name }) => [name, [{ at: 0, rights: all }]]));
    const spoil = (mutant: CollectionMutant): boolean => this.#spoiling.takes(mutant);
    this.#members = people.map((each) => {
      const granted = this.#granted.get(each.name) ?? [];
      return new Member(world, { ...each, granted }, spoil);
    });
  }

  #declare(server: Server): void {
    if (this.#isOpen) {
      server.record(Plain);
      return;
    }
    const isOpen = this.#spoiling.mutant === 'closed rooms are shown to all';
    const def = this.#spoiling.mutant === 'notes are shown to all' ? Careless : Card;
    server.record(def, { read: ({ principal }, _ref, card) => isOpen || mayRead(principal, card) });
  }

  #principal(token: string | null): Principal | null {
    if (this.#world?.site.admits(token) !== true) return null;
    const subject = token?.replace(/\.\d+$/, '') ?? '';
    const granted = this.#granted.get(subject) ?? [];
    const isStuck = this.#spoiling.mutant === 'rights stay as they were';
    const { rights = all } = granted.at(isStuck ? 0 : -1) ?? {};
    const claims = { level: rights.level };
    return { ...insider, subject, claims, pathRules: pathRulesOf(rights) };
  }

  #perform(world: World, { does, who, roll }: Step): void {
    const dice = new Dice(roll);
    this.#count(does);
    if (does === 'recreate') {
      world.recreate(storeName, roll);
      return;
    }
    if (does === 'grant') {
      this.#grant(world, dice);
      return;
    }
    const member = this.#members[who % writers];
    if (member === undefined || member.device.isAsleep) return;
    try {
      write(member, does, { pen: this.#pen, dice });
      turn(this.#members[who % this.#members.length] ?? member, does, dice);
    } catch (error) {
      // What its maker is told at once is nobody else's affair.
      if (error instanceof RejectedError) return;
      world.problem(`calm: ${member.subject} ${does}: ${String(error)}`);
    }
  }

  #grant(world: World, dice: Dice): void {
    if (this.#isOpen) return;
    const rights = dice.pick(changing);
    this.#granted.get(dice.pick(guests))?.push({ at: world.now, rights });
  }

  async #check(world: World): Promise<void> {
    const finale = new Finale(world, this.#members, {
      pen: this.#pen,
      dice: world.dice.fork(),
      grant: () => this.#grant(world, this.#dice),
    });
    // Most ways of spoiling show before.
    if (this.#spoiling.lasts) await finale.play();
    const judge = new Judge(await world.logs(storeName), this.#calmAt);
    for (const member of this.#members) {
      const verdict = verdictOn(judge, member, this.#pen.authors);
      for (const problem of verdict.problems) world.problem(problem);
      for (const what of ['told', 'excused', 'shown', 'delivered'] as const) {
        this.#count(what, verdict[what]);
      }
      for (const error of member.device.errors.filter((each) => !isExpected(each))) {
        world.problem(`calm: ${member.subject}: ${String(error)}`);
      }
    }
  }

  #count(what: string, by = 1): void {
    this.traffic[what] = (this.traffic[what] ?? 0) + by;
  }
}

/** Runs the worlds of some seeds; stops at the first in which something is wrong. */
export async function runCollections(
  seeds: Seeds,
  terms: CollectionTerms = {},
): Promise<{ readonly failure: Failure | null; readonly traffic: CollectionTraffic }> {
  const worlds = new CollectionWorlds(terms);
  const failure = await simulate(worlds.simulation, seeds);
  return { failure, traffic: worlds.traffic };
}

/** What is wrong in the world of a seed that is spoiled. */
export async function runSpoiled(
  seed: number,
  mutant: CollectionMutant,
): Promise<readonly string[]> {
  const isOpen = 'isOpen' in collectionMutants[mutant];
  const { problems } = await playSeed(new CollectionWorlds({ mutant, isOpen }).simulation, seed);
  return problems;
}

/** Refusals are told to whoever wrote; what cannot be read is told of (records.md §14.2.5). */
function isExpected(error: unknown): boolean {
  return error instanceof RejectedError || String(error).includes('odd');
}
