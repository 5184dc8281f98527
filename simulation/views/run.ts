import { isObject } from '@holdfast/protocol';
import { Dice } from '../src/dice.ts';
import { waitWhile } from '../patience.ts';
import { Spoiling } from '../spoiling.ts';
import { badWeather } from '../src/faults.ts';
import { type Failure, type Seeds, simulate, playSeed, type Simulation } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { type Step, stepsOf } from '../steps.ts';
import { Truth } from '../validators/truth.ts';
import { boardsFor, broken, storeName } from './board.ts';
import { Desks } from './desks.ts';
import { Fuses } from './fuses.ts';
import type { ViewMutant } from './mutants.ts';
import { lastOf, unlike } from './fresh.ts';
import { Page, type Wall } from './page.ts';

/** What happened in worlds of views: enough of each, or nothing was tried. */
export type ViewTraffic = { readonly [what: string]: number };

const lengthMs = 12_000;
const patienceMs = 120_000;
/** How long a board is kept whose client is lost. */
const lingerMs = 3000;
/** How long a command ponders at most. */
const pauseMs = 600;
const people = ['ann', 'bob', 'cleo'];
const deeds = [
  'write',
  'write',
  'write',
  'say',
  'say',
  'say',
  'flip',
  'flip',
  'ponder',
  'fail',
  'break',
  'params',
  'params',
  'leave',
];
const script = { lengthMs, deeds, people: people.length };
/** No command fails for what another task has done. */
const answersForAnother = new RegExp(`command \\w+ of .* failed .*: ${broken}`);
/** How often more a world is spoiled: one that is spoiled for good comes to no end. */
const spoilsMax = 3;

/** Real servers with views and real clients of them in one process, under seeded faults, read along by their checkers. */
export class ViewWorlds {
  readonly traffic: { [what: string]: number } = {};
  readonly #spoiling: Spoiling<ViewMutant>;
  #world: World | null = null;
  #pages: Page[] = [];
  readonly #ran = new Set<string>();
  #complain: Wall['complain'] = () => undefined;
  #desks: Desks | null = null;
  #fuses = new Fuses(() => undefined);
  #instances = 0;

  constructor(mutant: ViewMutant | null = null) {
    this.#spoiling = new Spoiling(mutant, { most: spoilsMax });
  }

  get simulation(): Simulation<Step<string>> {
    return {
      faults: { ...badWeather, failDisk: 0, crash: 3, forget: 1, slow: 40 },
      lengthMs,
      stores: [storeName],
      server: {
        app: boardsFor({
          newInstance: () => (this.#instances += 1),
          ran: (instance, key) => this.#run(instance, key),
          given: (id, n) => this.#desks?.given(id, n),
          fuses: () => this.#fuses,
          pause: () => this.#pause(),
          store: storeName,
        }),
        limits: { socket_soft_bytes: 2048, socket_hard_bytes: 1024 * 1024 },
        viewLimits: { linger_ms: lingerMs, log_count: 8, held_bytes: 16_384 },
        onJoin: (_principal, payload) => {
          this.#desks?.joins(payload);
          if (isObject(payload)) this.#fuses.putOut(String(payload['id']));
          return true;
        },
        telemetry: (event) => {
          const isMissed = this.#spoiling.mutant === 'whoever comes back is not known';
          if (!isMissed || event.name !== 'resume') this.#desks?.heard(event);
          this.#count(event.name === 'resume' ? `resume ${event.outcome}` : event.name);
        },
      },
      script: {
        steps: (dice) => stepsOf(dice, { ...script, count: 80 + dice.below(120) }),
        perform: (_world, step) => this.#perform(step),
      },
      program: async (world) => {
        this.#begin(world);
        await world.sleep(lengthMs);
      },
      check: (world) => this.#check(world),
    };
  }

  #begin(world: World): void {
    let at = 0;
    this.#instances = 0;
    this.#ran.clear();
    this.#world = world;
    this.#spoiling.begin(new Dice(world.seed));
    this.#complain = (word, text) => world.problem(`${word}: ${text}`);
    const desks = new Desks({
      now: () => world.now,
      ends: () => world.site.crashes,
      complain: (text) => world.problem(`kept: ${text}`),
      lingerMs,
    });
    this.#desks = desks;
    this.#fuses = new Fuses((ms, run) => world.later(ms, run));
    const wall: Wall = {
      known: (token) => desks.known(token),
      world,
      complain: this.#complain,
      spoils: (mutant) => (this.#spoiling.takes(mutant) ? mutant : null),
      next: () => (at += 1),
    };
    this.#pages = people.map((name) => new Page(wall, name));
    for (const page of this.#pages) for (const rootId of page.readers.keys()) page.page(rootId);
  }

  async #pause(): Promise<void> {
    const world = this.#world;
    await world?.sleep(world.dice.below(pauseMs));
  }

  /** No instance runs a command of the same key twice. */
  #run(instance: number, key: string): void {
    if (this.#spoiling.takes('a command fails for what another task did')) throw new Error(broken);
    const run = `${instance} ${key}`;
    if (this.#ran.has(run)) this.#complain('once', `${key} ran twice`);
    this.#ran.add(run);
  }

  #perform({ does, who, roll }: Step<string>): void {
    const page = this.#pages[who];
    if (page !== undefined && !page.device.isAsleep) page.act(does, new Dice(roll));
  }

  async #check(world: World): Promise<void> {
    const truth = new Truth((await world.log(storeName)).map(({ op }) => op));
    const last = lastOf(truth);
    const isBehind = (): boolean => this.#pages.some((page) => !page.isAt(last));
    await waitWhile(world, isBehind, { patienceMs });
    for (const page of this.#pages) {
      if (!page.isAt(last)) {
        const views = JSON.stringify(page.device.client.inspect());
        world.problem(`converged: ${page.device.name} is not at ${last}: ${views}`);
      }
      for (const error of page.device.errors) world.problem(`calm: ${String(error)}`);
      for (const reader of page.readers.values()) {
        this.#count('envelopes read', reader.envelopes);
        this.#count('resumes read', reader.resumes);
      }
    }
    const readers = this.#pages.flatMap((page) => [...page.readers.values()]);
    for (const problem of unlike(truth, readers)) world.problem(problem);
    const blamed = world.transcript.filter((line) => answersForAnother.test(line));
    for (const line of blamed) world.problem(`whole: it answers for another: ${line}`);
    for (const page of this.#pages) page.leave();
  }

  #count(what: string, by = 1): void {
    this.traffic[what] = (this.traffic[what] ?? 0) + by;
  }
}

/** Runs the worlds of some seeds; stops at the first in which something is wrong. */
export async function runViews(
  seeds: Seeds,
): Promise<{ readonly failure: Failure | null; readonly traffic: ViewTraffic }> {
  const worlds = new ViewWorlds();
  const failure = await simulate(worlds.simulation, seeds);
  return { failure, traffic: worlds.traffic };
}

/** What is wrong in the world of a seed that is spoiled. */
export async function runSpoiled(seed: number, mutant: ViewMutant): Promise<readonly string[]> {
  const { problems } = await playSeed(new ViewWorlds(mutant).simulation, seed);
  return problems;
}
