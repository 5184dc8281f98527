import { type Json, jsonCodec, type Path, type Seq } from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import { asStoreName } from '@holdfast/protocol';
import { isRejection } from '../kill/writer.ts';
import type { Dice } from '../src/dice.ts';
import { badWeather } from '../src/faults.ts';
import type { GroundKind } from '../src/ground.ts';
import { type Failure, type Seeds, simulate, type Simulation } from '../src/simulate.ts';
import type { Logged, World } from '../src/world.ts';
import { judge } from '../validators/judge.ts';
import { exclusive } from '../validators/leases.ts';
import { addTraffic, noTraffic, type Traffic, trafficOf } from '../validators/traffic.ts';
import { Truth } from '../validators/truth.ts';
import { Actor, storeName } from './actor.ts';

type Step = {
  readonly at: number;
  readonly does: 'write' | 'bookmark' | 'fenced';
  readonly who: number;
  readonly roll: number;
};

const lengthMs = 10_000;
const actors = 3;
const unsentBytesMax = 256 * 1024;

/** Real servers and real clients in one process, under seeded faults, with the checkers of everything else. */
export class Hosts {
  readonly #kind: GroundKind;
  traffic: Traffic = noTraffic;
  crashes = 0;
  #actors: Actor[] = [];

  constructor(kind: GroundKind) {
    this.#kind = kind;
  }

  get simulation(): Simulation<Step> {
    return { ...this.#simulation, storage: this.#kind };
  }

  readonly #simulation: Simulation<Step> = {
    faults: { ...badWeather, crash: 6, forget: 2 },
    lengthMs,
    stores: [storeName],
    server: { limits: { socket_soft_bytes: 4096, socket_hard_bytes: unsentBytesMax } },
    script: { steps: stepsOf, perform: (world, step) => this.#perform(world, step) },
    program: async (world) => {
      this.#actors = Array.from(
        { length: actors },
        (_, index) =>
          new Actor(world, `dev-${index}`, {
            codec: index % 2 === 0 ? jsonCodec : messagePackCodec(),
            keepsIn: this.#kind,
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
    else void actor?.fenced(roll);
    const { sockets = 0, unsentBytes = 0 } = world.site.server?.describe() ?? {};
    if (unsentBytes > sockets * 2 * unsentBytesMax) {
      world.problem(`bounded: ${unsentBytes} bytes wait for ${sockets} sockets`);
    }
  }

  async #check(world: World): Promise<void> {
    // The last round of delivery, that of a sampling watch included.
    await world.sleep(1000);
    for (const actor of this.#actors) actor.bookmark();
    const log = await world.log(storeName);
    const truth = new Truth(log.map(({ op }) => op));
    const histories = this.#actors.flatMap((actor) => actor.histories());
    const problems = [
      ...judge(histories, truth, { strangers: true }),
      ...exclusive(truth, clockOf(world, log)),
    ];
    for (const { word, text } of problems) world.problem(`${word}: ${text}`);
    await this.#compare(world, truth);
    for (const { device, kept } of this.#actors) this.#ask(world, device, { kept, truth });
    this.traffic = addTraffic(this.traffic, trafficOf(histories, truth));
    this.crashes += world.site.crashes;
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
      return [device.name, items.map(brief)] as const;
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

/** Which worlds to run. */
export type HostSeeds = Seeds & { readonly storage?: GroundKind };

/** Runs the worlds of some seeds; stops at the first in which something is wrong. */
export async function runHosts({ storage = 'memory', ...seeds }: HostSeeds): Promise<{
  readonly failure: Failure | null;
  readonly traffic: Traffic;
  readonly crashes: number;
}> {
  const hosts = new Hosts(storage);
  const failure = await simulate(hosts.simulation, seeds);
  return { failure, traffic: hosts.traffic, crashes: hosts.crashes };
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

/** When ops were stored; null where a server may have started with another wall clock than the one before. */
function clockOf({ site }: World, log: readonly Logged[]): ((seq: Seq) => number) | null {
  return site.crashes > 0 && site.hasJumped ? null : (seq) => log[seq - 1]?.at ?? 0;
}

type Brief = readonly [Path, Json, Seq];

function brief(entry: {
  readonly path: Path;
  readonly value: Json;
  readonly revision: Seq;
}): Brief {
  return [entry.path, entry.value, entry.revision];
}
