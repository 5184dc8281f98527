import { type Principal, scopes, type ServerOptions } from '@holdfast/server';
import { asStoreName, type Pattern } from '@holdfast/protocol';
import { type BlobHash, isBlobHash } from '@holdfast/server/blobs';
import { isRejection } from '../kill/writer.ts';
import { coversPath, parsed } from '../parts/border.ts';
import { Spoiling } from '../spoiling.ts';
import { Dice } from '../src/dice.ts';
import { badWeather } from '../src/faults.ts';
import type { GroundKind } from '../src/ground.ts';
import type { Seeds } from '../src/simulate.ts';
import type { Logged, World } from '../src/world.ts';
import { type Step, weighed } from '../steps.ts';
import { type Played, Worlds } from '../worlds.ts';
import { missing, type Wanted, wrongOf } from './checks.ts';
import type { HoldingMutant } from './mutants.ts';
import { type Naming, namingsIn, type Rights } from './past.ts';
import { type Deed, Person, type Persona, storeOf } from './person.ts';

const personas: readonly Persona[] = [
  { name: 'ann', org: 'acme' },
  { name: 'bob', org: 'acme' },
  { name: 'guest', org: 'acme' },
  { name: 'eve', org: 'beta' },
];
/** What the guest may read and write, one after the other. */
const rules = [['own/**', 'open/**'], ['own/**']];
const everything = parsed(['**']);
const dayMs = 24 * 3_600_000;
/** A little more than a day. */
const ageMs = dayMs + 3_600_000;
const hourMs = 2000;
const lookMs = 250;
/** How much later the rules are learned of where that is what is wrong. */
const lagMs = 20_000;
const spoilsMax = 5;
const lasting: ReadonlySet<HoldingMutant> = new Set<HoldingMutant>([
  'nothing is ever collected',
  'somebody is of two orgs',
  'who knows a hash may name it',
  'the rules are forgotten',
  'the rules are learned of late',
]);

const setting = {
  faults: { ...badWeather, jumpServer: 0, crash: 2, forget: 1, compact: 20, closeServer: 2 },
  store: 'acme/app',
  others: ['beta/app'],
  lengthMs: 40_000,
  clearMs: 60_000,
  deleteMs: 1000,
  deeds: weighed<Deed | 'age' | 'rule'>({
    put: 7,
    get: 4,
    peek: 6,
    name: 3,
    delete: 4,
    back: 2,
    age: 2,
    rule: 1,
  }),
  people: personas.length,
  deedsMin: 120,
};

/** How much went on in worlds of holdings. */
export type HoldingFigures = {
  readonly stored: number;
  readonly read: number;
  readonly turnedAway: number;
  readonly named: number;
  readonly restored: number;
  readonly collected: number;
};

/** How a world of holdings is other than most. */
export type HoldingTerms = {
  readonly mutant?: HoldingMutant | null;
  /** What servers keep stores in; default: memory. */
  readonly storage?: GroundKind;
  /** Whether the clock of the servers is set by an hour, a day, a year, of which nothing is to become old; default: no. */
  readonly leaps?: boolean;
};

/**
 * Two orgs that put, share, take back and forget the same contents, one of them with a guest whose rights come and go, while
 * what nobody names is collected.
 */
export class HoldingWorlds extends Worlds<Deed | 'age' | 'rule', HoldingMutant> {
  figures: HoldingFigures = {
    stored: 0,
    read: 0,
    turnedAway: 0,
    named: 0,
    restored: 0,
    collected: 0,
  };
  readonly #by: By;
  #people: readonly Person[] = [];
  /** Newest first. */
  #rights: readonly Rights[] = [];
  /** The contents that were there and named by something, and when that was: by the wall clock, or by none where that is set. */
  #seen = new Map<BlobHash, number>();
  /** What the log of each store has named, and how long it was then. */
  readonly #known = new Map<
    string,
    { readonly count: number; readonly namings: readonly Naming[] }
  >();
  #isOver = false;

  readonly #leaps: boolean;

  constructor({ mutant = null, storage = 'memory', leaps = false }: HoldingTerms = {}) {
    const by: By = { world: null, told: () => null };
    const server: Partial<ServerOptions> = {
      authenticate: async ({ token, params }) => {
        if (by.world?.site.admits(token) !== true) return null;
        return by.told(token?.split('.')[0] ?? '', params.has('vsn'));
      },
    };
    const terms = { lasting, most: spoilsMax, chance: 0.5 };
    const hours = mutant === 'nothing is ever collected' ? Infinity : hourMs;
    const faults = { ...setting.faults, leapServer: leaps ? 24 : 0 };
    const settles = leaps && mutant !== 'what nobody names goes when a clock is set';
    super(
      { ...setting, faults, server, hourMs: hours, settles, storage },
      new Spoiling(mutant, terms),
    );
    this.#leaps = leaps;
    this.#by = by;
    by.told = (name, isSocket) => this.#principalOf(name, isSocket);
  }

  protected begin(world: World): void {
    this.#by.world = world;
    this.#isOver = false;
    this.#seen = new Map();
    this.#known.clear();
    this.#rights = [];
    this.#setRights(world);
    this.#people = personas.map((persona) => new Person(world, persona, this.spoils));
    void this.#watch(world);
  }

  protected perform(world: World, { does, who, roll }: Step<Deed | 'age' | 'rule'>): void {
    if (does === 'age') world.site.jump(ageMs);
    else if (does === 'rule') this.#setRights(world);
    else this.#people[who]?.act(does, new Dice(roll));
  }

  protected async check(world: World): Promise<void> {
    const all = await this.#namings(world);
    for (const person of this.#people) {
      const namings = all.get(person.store) ?? [];
      await this.#judge(world, person, namings);
      await this.#compare(world, person, namings);
    }
    // What is left after two days is what somebody names: where clocks are not believed at once there was no such day.
    for (let days = 2; days > 0; days--) {
      world.site.jump(ageMs);
      await world.sleep(2 * hourMs);
    }
    this.#isOver = true;
    await this.#look(world, { isLast: !this.#leaps });
    this.checkErrors(world, (error) => isRejection(error) || isLoss(error));
    this.#count();
  }

  #setRights(world: World): void {
    const patterns = parsed(rules[this.#rights.length % rules.length] ?? []);
    this.#rights = [{ at: world.now, patterns }, ...this.#rights];
  }

  /** What is named is written over sockets, and read by requests. */
  #principalOf(name: string, isSocket: boolean): Principal | null {
    const org = personas.find((each) => each.name === name)?.org;
    if (org === undefined) return null;
    const isOfTwo = isSocket
      ? this.spoils('who knows a hash may name it')
      : this.spoils('somebody is of two orgs');
    return {
      subject: name,
      orgs: isOfTwo ? ['acme', 'beta'] : [org],
      scopes: new Set(scopes),
      storeAccess: { mode: 'all' },
      expiresAt: null,
      tokenId: null,
      ...(name === 'guest' && !this.spoils('the rules are forgotten') && this.#ruled()),
    };
  }

  #ruled(): Pick<Principal, 'pathRules'> {
    const lag = this.spoils('the rules are learned of late') ? lagMs : 0;
    const told = (this.#by.world?.now ?? 0) - lag;
    const { patterns } = this.#rights.find(({ at }) => at <= told) ?? this.#rights.at(-1) ?? none;
    const allow = ['read', 'write'] as const;
    return { pathRules: patterns.map(({ source }) => ({ pattern: source, allow })) };
  }

  /** What somebody may read, and might before. */
  #rightsOf({ name }: Person): readonly Rights[] {
    return name === 'guest' ? this.#rights : [{ at: 0, patterns: everything }];
  }

  /** Looks now and then, as long as this world goes on. */
  async #watch(world: World): Promise<void> {
    while (!this.#isOver) {
      await this.#look(world);
      await world.sleep(lookMs);
    }
  }

  /** What is wanted is there, and what is not goes when its day is over. */
  async #look(world: World, { isLast = false } = {}): Promise<void> {
    const wanted = await this.#wanted(world);
    await this.#spoil(world, wanted);
    const kept = new Map<BlobHash, number>();
    for await (const { name, size } of world.blobs.list()) {
      if (isBlobHash(name)) kept.set(name, size);
      else if (isLast) world.problem(`collected: the upload ${name} is still there`);
    }
    for (const problem of missing(wanted, kept)) world.problem(problem);
    const named = new Set(wanted.retained.map(({ hash }) => hash));
    const free = [...kept.keys()].filter((hash) => !named.has(hash));
    if (isLast && free.length > 0) world.problem(`collected: nothing names ${free.join(', ')}`);
    this.#note(world, { kept, named });
  }

  /** Nothing goes before its day is over. */
  #note(
    world: World,
    blobs: { readonly kept: ReadonlyMap<BlobHash, number>; readonly named: Iterable<BlobHash> },
  ): void {
    const now = this.#leaps ? world.now : world.site.wall();
    for (const [hash, at] of this.#seen) {
      if (blobs.kept.has(hash)) continue;
      this.#seen.delete(hash);
      this.figures = { ...this.figures, collected: this.figures.collected + 1 };
      const afterMs = now - at;
      if (afterMs < dayMs) world.problem(`grace: ${hash} went ${afterMs} ms after it was named`);
    }
    for (const hash of blobs.named) this.#seen.set(hash, now);
  }

  async #spoil(world: World, { current, retained }: Wanted): Promise<void> {
    const names = new Set(current.map(({ hash }) => hash));
    const [entry] = current;
    const past = retained.find(({ hash }) => !names.has(hash));
    const isFree = (hash: BlobHash): boolean => retained.every((each) => each.hash !== hash);
    const free = [...this.#seen.keys()].find(isFree);
    if (entry !== undefined && this.spoils('bytes of an entry are lost')) {
      await world.blobs.delete(entry.hash);
    }
    if (past !== undefined && this.spoils('bytes that a way back needs are lost')) {
      await world.blobs.delete(past.hash);
    }
    if (free !== undefined && this.spoils('what nobody names is deleted at once')) {
      await world.blobs.delete(free);
    }
  }

  /** What is named in all stores: now, and at each seq to which there is a way back. */
  async #wanted(world: World): Promise<Wanted> {
    const current: Naming[] = [];
    const retained: Naming[] = [];
    for (const [store, namings] of await this.#namings(world)) {
      const row = await world.storage.stores.find(asStoreName(store));
      const oldest = (await world.storage.open(row?.id ?? ''))?.oldestSeq ?? 1;
      current.push(...namings.filter(({ untilSeq }) => untilSeq === Infinity));
      retained.push(...namings.filter(({ untilSeq }) => untilSeq >= oldest));
    }
    return { current, retained };
  }

  async #namings(world: World): Promise<ReadonlyMap<string, readonly Naming[]>> {
    const all = new Map<string, readonly Naming[]>();
    for (const { org } of personas) {
      const store = storeOf(org);
      if (!all.has(store)) all.set(store, this.#namingsOf(store, await world.log(store)));
    }
    return all;
  }

  #namingsOf(store: string, log: readonly Logged[]): readonly Naming[] {
    const known = this.#known.get(store);
    if (known?.count === log.length) return known.namings;
    const namings = namingsIn(log);
    this.#known.set(store, { count: log.length, namings });
    return namings;
  }

  /** Nobody was given, or has named, what was not for them. */
  async #judge(world: World, person: Person, namings: readonly Naming[]): Promise<void> {
    const log = await world.log(person.store);
    const people = this.#people.filter(({ store }) => store === person.store);
    const problems = wrongOf(person, { log, namings, people }, this.#rightsOf(person));
    for (const problem of problems) world.problem(problem);
  }

  /** Everybody can read what is for them, and is shown no more. */
  async #compare(world: World, person: Person, namings: readonly Naming[]): Promise<void> {
    const patterns: readonly Pattern[] = this.#rightsOf(person)[0]?.patterns ?? [];
    const wanted = namings
      .filter(({ path, untilSeq }) => untilSeq === Infinity && coversPath(patterns, path))
      .map(({ path, hash }) => `${path} ${hash}`)
      .toSorted();
    const shown = await person.readAll();
    if (wanted.join() === shown.toSorted().join()) return;
    world.problem(`converged: ${person.name} reads ${shown.join()} instead of ${wanted.join()}`);
  }

  #count(): void {
    const sum = (of: (person: Person) => number): number =>
      this.#people.reduce((all, person) => all + of(person), 0);
    const { stored, read, turnedAway, named, restored, collected } = this.figures;
    this.figures = {
      stored: stored + sum((each) => each.uploads.filter(({ seq }) => seq !== null).length),
      read: read + sum((each) => each.downloads.length),
      turnedAway: turnedAway + sum((each) => each.turnedAway),
      named: named + sum((each) => each.named),
      restored: restored + sum((each) => each.restored),
      collected,
    };
  }
}

type By = { world: World | null; told(name: string, isSocket: boolean): Principal | null };

const none: Rights = { at: 0, patterns: [] };

/** What somebody is told who may no longer read, or write, a part. */
function isLoss(error: unknown): boolean {
  return error instanceof Error && error.message.includes('path_not_allowed');
}

/** Plays the worlds of some seeds; stops at the first in which something is wrong. */
export function runHoldings(
  seeds: Seeds,
  terms: HoldingTerms = {},
): Promise<Played<HoldingFigures>> {
  return new HoldingWorlds(terms).play(seeds);
}
