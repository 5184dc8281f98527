import { type Json, jsonCodec, type Path, type Seq } from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import { asStoreName } from '@holdfast/protocol';
import { isRejection } from '../kill/writer.ts';
import { Dice } from '../src/dice.ts';
import { windowBytes } from '../src/cable.ts';
import { badWeather } from '../src/faults.ts';
import type { GroundKind } from '../src/ground.ts';
import { type Failure, type Seeds, simulate, type Simulation } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { judge } from '../validators/judge.ts';
import { exclusive } from '../validators/leases.ts';
import { addTraffic, noTraffic, type Traffic, trafficOf } from '../validators/traffic.ts';
import { Truth } from '../validators/truth.ts';
import { Actor, storeName } from './actor.ts';
import { endAmidWrites } from './ending.ts';
import { Historian } from './historian.ts';
import type { HostMutant } from './mutants.ts';

type Step = {
  readonly at: number;
  readonly does: 'write' | 'bookmark' | 'fenced' | 'ask';
  readonly who: number;
  readonly roll: number;
};

const lengthMs = 10_000;
const actors = 3;
const unsentBytesMax = 256 * 1024;
/** How little may wait for who reads slowly, and be on its way, where there is little room. */
const narrow = { softBytes: 1024, hardBytes: 8192, windowBytes: 512 };

const narrowLimits = { socket_soft_bytes: narrow.softBytes, socket_hard_bytes: narrow.hardBytes };

/** How a world of hosts is other than most. */
export type HostTerms = {
  /** What servers and clients keep things in. Default: memory. */
  readonly storage?: GroundKind;
  /** Whether its clients ask for the past, and have it back; and its servers are closed in good order, too. */
  readonly looksBack?: boolean;
  /** Whether messages are compressed. */
  readonly deflates?: boolean;
  /** Whether little may wait for who reads slowly, so that some do fall behind. */
  readonly isNarrow?: boolean;
  /** Whether clocks are set by an hour, a day, a year, while a server runs and while it is down. */
  readonly leaps?: boolean;
  readonly mutant?: HostMutant;
};

/** Real servers and real clients in one process, under seeded faults, with the checkers of everything else. */
export class Hosts {
  readonly #kind: GroundKind;
  readonly #looksBack: boolean;
  readonly #deflates: boolean;
  readonly #isNarrow: boolean;
  readonly #leaps: boolean;
  readonly #mutant: HostMutant | null;
  traffic: Traffic = noTraffic;
  crashes = 0;
  /** How much was told of the past. */
  told = 0;
  /** How many messages came compressed. */
  unpacked = 0;
  /** The most bytes that have waited for one socket. */
  waited = 0;
  #actors: Actor[] = [];
  #historian: Historian | null = null;

  constructor(terms: HostTerms = {}) {
    const { storage = 'memory', looksBack = false, deflates = false, isNarrow = false } = terms;
    this.#kind = storage;
    this.#looksBack = looksBack;
    this.#deflates = deflates;
    this.#isNarrow = isNarrow;
    this.#leaps = terms.leaps ?? false;
    this.#mutant = terms.mutant ?? null;
  }

  get simulation(): Simulation<Step> {
    const { faults, server } = this.#simulation;
    return {
      ...this.#simulation,
      server: {
        ...server,
        deflate: this.#deflates,
        ...(this.#isNarrow && { limits: narrowLimits }),
      },
      storage: this.#kind,
      settles: this.#leaps,
      isFooled: this.#mutant === 'a server takes a clock that is set for the time',
      ...(this.#isNarrow && { faults: { ...faults, slow: 40 } }),
      ...(this.#leaps && { faults: { ...faults, leap: 12, leapServer: 24, crashServer: 16 } }),
      ...(this.#looksBack && {
        faults: { ...faults, closeServer: 8, compact: 6, compactAmid: 12 },
      }),
    };
  }

  readonly #simulation: Simulation<Step> = {
    faults: { ...badWeather, crash: 6, forget: 2 },
    lengthMs,
    stores: [storeName],
    server: { limits: { socket_soft_bytes: 4096, socket_hard_bytes: unsentBytesMax } },
    script: {
      steps: (dice) => (this.#looksBack ? stepsOf(dice).map(asking) : stepsOf(dice)),
      perform: (world, step) => this.#perform(world, step),
    },
    program: async (world) => {
      this.#historian = new Historian((text) => world.problem(`calm: ${text}`), this.#mutant);
      this.#actors = Array.from(
        { length: actors },
        (_, index) =>
          new Actor(world, `dev-${index}`, {
            codec: index % 2 === 0 ? jsonCodec : messagePackCodec(),
            keepsIn: this.#kind,
            deflates: this.#deflates,
            windowBytes: this.#isNarrow ? narrow.windowBytes : windowBytes,
            losesCache: this.#mutant === 'a cache is lost that was to be kept',
          }),
      );
      await world.sleep(lengthMs);
      world.calm();
      while (this.#actors.some(({ isBusy }) => isBusy)) await world.sleep(100);
    },
    check: (world) => this.#check(world),
  };

  #perform(world: World, { does, who, roll }: Step): void {
    const actor = this.#actors[who];
    if (does === 'write') actor?.write(roll);
    else if (does === 'bookmark') actor?.bookmark();
    else if (does === 'fenced') void actor?.fenced(roll);
    else if (actor !== undefined) this.#lookBack(actor, roll);
    this.#measure(world);
  }

  #lookBack({ device }: Actor, roll: number): void {
    if (!device.isAsleep) this.#historian?.ask(device.store(storeName), new Dice(roll));
  }

  #measure(world: World): void {
    const { sockets = 0, unsentBytes = 0 } = world.site.server?.describe() ?? {};
    const each = this.#isNarrow ? narrow.hardBytes : unsentBytesMax;
    const most = this.#mutant === 'nothing may wait for a socket' ? 0 : 2 * each;
    this.waited = Math.max(this.waited, unsentBytes / Math.max(1, sockets));
    if (unsentBytes > sockets * most) {
      world.problem(`bounded: ${unsentBytes} bytes wait for ${sockets} sockets`);
    }
  }

  async #check(world: World): Promise<void> {
    if (this.#looksBack) {
      const dies = this.#mutant === 'a server that is to close dies instead';
      await endAmidWrites(world, this.#actors, { dice: world.dice.fork(), dies });
    }
    // The last round of delivery, that of a sampling watch included.
    await world.sleep(1000);
    for (const actor of this.#actors) actor.bookmark();
    const log = await world.log(storeName);
    const truth = new Truth(log.map(({ op }) => op));
    const histories = this.#actors.flatMap((actor) => actor.histories());
    const problems = [
      ...judge(histories, truth, { strangers: true }),
      ...exclusive(truth, (seq) => log[seq - 1]?.at ?? 0, world.site.startsAnew),
    ];
    for (const { word, text } of problems) world.problem(`${word}: ${text}`);
    await this.#compare(world, truth);
    this.#judgePast(world, truth);
    for (const { device, kept } of this.#actors) this.#ask(world, device, { kept, truth });
    this.traffic = addTraffic(this.traffic, trafficOf(histories, truth));
    this.crashes += world.site.crashes;
    this.unpacked += world.work.unpacked;
  }

  #judgePast(world: World, truth: Truth): void {
    const isWhole = world.compactions === 0;
    for (const problem of this.#historian?.judge(truth, isWhole) ?? []) world.problem(problem);
    this.told += this.#historian?.count ?? 0;
  }

  /** Everybody shows what the log says, revisions and all. */
  async #compare(world: World, truth: Truth): Promise<void> {
    const wanted = JSON.stringify([...truth.stateAt(truth.head).entries()].map(brief));
    const row = await world.storage.stores.find(asStoreName(storeName));
    const stored: Brief[] = [];
    for await (const { entries } of world.storage.load(row?.id ?? '')) {
      stored.push(...entries.map(brief));
    }
    const shown = this.#actors.map(({ device }) => {
      const { items } = device.store(storeName).entries('**', { limit: 10_000 });
      const isShort = this.#mutant === 'a replica lacks an entry in the end';
      return [device.name, items.slice(isShort ? 1 : 0).map(brief)] as const;
    });
    for (const [who, entries] of [['the storage', stored] as const, ...shown]) {
      const found = JSON.stringify(entries);
      if (found !== wanted) world.problem(`converged: ${who} has ${found} instead of ${wanted}`);
    }
  }

  /** What was taken is committed, or refused to somebody's face. */
  #ask(
    world: World,
    { name, errors }: Actor['device'],
    { kept, truth }: { readonly kept: Iterable<string>; readonly truth: Truth },
  ): void {
    for (const opId of kept) {
      if (truth.of(opId).length > 0) continue;
      world.problem(`kept: ${name} had ${opId} in its cache, and it is nowhere`);
    }
    for (const error of errors.filter((each) => !isRejection(each))) {
      world.problem(`calm: ${name}: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }
}

/** Runs the worlds of some seeds; stops at the first in which something is wrong. */
export async function runHosts(
  seeds: Seeds,
  terms: HostTerms = {},
): Promise<{
  readonly failure: Failure | null;
  readonly traffic: Traffic;
  readonly crashes: number;
  readonly told: number;
  readonly unpacked: number;
  readonly waited: number;
}> {
  const hosts = new Hosts(terms);
  const failure = await simulate(hosts.simulation, seeds);
  const { traffic, crashes, told, unpacked, waited } = hosts;
  return { failure, traffic, crashes, told, unpacked, waited };
}

/** Some of who writes looks back instead. */
function asking(step: Step): Step {
  return step.does === 'write' && step.roll % 5 === 0 ? { ...step, does: 'ask' } : step;
}

function stepsOf(dice: Dice): readonly Step[] {
  const count = 60 + dice.below(100);
  return Array.from({ length: count }, () => {
    const [at, who, roll] = [dice.below(lengthMs), dice.below(actors), dice.below(2 ** 30)];
    const kind = dice.below(20);
    const does = kind < 17 ? 'write' : kind < 18 ? 'bookmark' : 'fenced';
    return { at, does, who, roll } as const;
  }).toSorted((a, b) => a.at - b.at);
}

type Brief = readonly [Path, Json, Seq];

function brief(entry: {
  readonly path: Path;
  readonly value: Json;
  readonly revision: Seq;
}): Brief {
  return [entry.path, entry.value, entry.revision];
}
