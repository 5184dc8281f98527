import { asPath, type Json } from '@holdfast/protocol';
import { app, type Server } from '@holdfast/server';
import { converged, settled } from '../records/checks.ts';
import { Spoiling } from '../spoiling.ts';
import { Dice } from '../src/dice.ts';
import { badWeather } from '../src/faults.ts';
import type { Seeds } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { type Step, weighed } from '../steps.ts';
import { textOf } from '../text.ts';
import { Truth } from '../validators/truth.ts';
import { type Played, Worlds } from '../worlds.ts';
import { Clerk } from './clerk.ts';
import { type DeployMutant, deployMutants } from './mutants.ts';
import { First, ids, isLaterTask, isTask, Later } from './task.ts';
import { User, type UserDeed } from './user.ts';

type Deed = UserDeed | 'upgrade' | 'tend';

const storeName = 'acme/app';
const names = ['ann', 'bob', 'cleo'] as const;
const lengthMs = 20_000;
const downMsMax = 2000;
const versionPath = asPath('_hf:schema/task');
const lasting = new Set(Object.keys(deployMutants)) as ReadonlySet<DeployMutant>;

/** How much went on in worlds of deploys. */
export type DeployFigures = {
  readonly commits: number;
  readonly written: number;
  readonly migrated: number;
};

/** A server and clients that go over to the next major of a record, each at its time, amid whatever they do. */
export class DeployWorlds extends Worlds<Deed, DeployMutant> {
  figures: DeployFigures = { commits: 0, written: 0, migrated: 0 };
  readonly #deployed: { isLater: boolean };
  readonly #later: WeakSet<Server>;
  #users: readonly User[] = [];
  #clerk: Clerk | null = null;

  constructor(mutant: DeployMutant | null = null) {
    const deployed = { isLater: false };
    const later = new WeakSet<Server>();
    super(
      {
        faults: { ...badWeather, crash: 6, closeServer: 3 },
        tokenMs: 11_000,
        store: storeName,
        lengthMs,
        // Each server has the version of its start.
        server: {
          get app() {
            return app({ records: [deployed.isLater ? Later : First] });
          },
        },
        prepare: (server) => {
          if (deployed.isLater) later.add(server);
        },
        deeds: weighed<Deed>({ set: 8, patch: 8, remove: 2, transact: 4, upgrade: 1, tend: 5 }),
        people: names.length,
        deedsMin: 60,
      },
      new Spoiling(mutant, { lasting, most: 0 }),
    );
    this.#deployed = deployed;
    this.#later = later;
  }

  protected begin(world: World): void {
    this.#users = names.map((name) => new User(world, name));
    const isLater = (server: Server): boolean => this.#later.has(server);
    this.#clerk = new Clerk(world, { isLater, spoils: this.spoils });
    const dice = world.dice.fork();
    world.later(lengthMs / 4 + dice.below(lengthMs / 2), () => this.#deploy(world, dice));
  }

  #deploy(world: World, dice: Dice): void {
    this.#deployed.isLater = true;
    world.note('server', 'is to be of the next major');
    if (dice.chance(0.5)) world.site.crash(dice.below(downMsMax));
    else world.site.shut(dice.below(downMsMax));
  }

  protected perform(world: World, { does, who, roll }: Step<Deed>): void {
    if (does === 'tend') {
      this.#clerk?.act(new Dice(roll));
      return;
    }
    const user = this.#users[who];
    if (user === undefined || user.device.isAsleep) return;
    // Servers come first.
    if (does !== 'upgrade') user.act(does, new Dice(roll));
    else if (this.#runs(world.site.server)) user.upgrade(world);
  }

  #runs(server: Server | null): boolean {
    return this.#deployed.isLater && server !== null;
  }

  protected async check(world: World): Promise<void> {
    try {
      await this.#look(world);
      await this.#clerk?.judge();
    } finally {
      // The first server of the next world starts before that begins.
      this.#deployed.isLater = false;
    }
  }

  async #look(world: World): Promise<void> {
    for (const user of this.#users) if (!user.isLater) user.upgrade(world);
    await world.rest();
    await world.sleep(5000);
    const dice = world.dice.fork();
    const before = this.#users.map((user) => user.told.length);
    for (const user of this.#users) user.act('set', dice);
    await world.sleep(5000);
    await world.rest();
    for (const [at, user] of this.#users.entries()) this.#judgeLast(world, user, before[at] ?? 0);
    const log = (await world.log(storeName)).map(({ op }) => op);
    const truth = new Truth(log);
    this.#judgeStates(world, truth);
    const told = this.#users.flatMap((user) => user.told);
    const spoilt = this.spoils('a write is told of twice')
      ? told.map((each) => ({ ...each, outcomes: [...each.outcomes, 'committed'] }))
      : told;
    for (const problem of settled(spoilt, log)) world.problem(problem);
    for (const user of this.#users) this.#compare(world, user, truth);
    this.checkErrors(world);
    const { commits, written, migrated } = this.figures;
    const migrations = log.filter(({ path }) => path === versionPath).length;
    this.figures = {
      commits: commits + truth.commits.length,
      written: written + told.length,
      migrated: migrated + (migrations > 1 ? 1 : 0),
    };
  }

  /** In clear weather everybody may write. */
  #judgeLast(world: World, { device, told }: User, from: number): void {
    const isBarred = this.spoils('nobody may write any more');
    for (const { opId, outcomes } of told.slice(from)) {
      if (outcomes[0] === 'committed' && !isBarred) continue;
      world.problem(`writable: ${opId} of ${device.name} ended as ${outcomes[0] ?? 'nothing'}`);
    }
  }

  /** After each commit all objects are of the version that the store says they are of. */
  #judgeStates(world: World, truth: Truth): void {
    const states = truth.statesAt(truth.commits.map(({ last }) => last));
    for (const [seq, state] of states) {
      const version = state.leaf(versionPath)?.value;
      const is = version === '2.0' ? isLaterTask : isTask;
      for (const id of ids) {
        const object = state.read(asPath(`tasks/${id}`))?.value;
        const isSpoilt = this.spoils('one object is left as it was') && version === '2.0';
        if (object === undefined || (is(object) && !isSpoilt)) continue;
        world.problem(`uniform: after ${seq} ${id} is ${textOf(object)} in ${textOf(version)}`);
        return;
      }
    }
    const last = truth.stateAt(truth.head).leaf(versionPath)?.value;
    if (last !== '2.0') world.problem(`uniform: in the end the version is ${textOf(last)}`);
  }

  #compare(world: World, { device, handles }: User, truth: Truth): void {
    const state = truth.stateAt(truth.head);
    for (const [at, handle] of handles.entries()) {
      const stored: Json | undefined = state.read(asPath(`tasks/${ids[at]}`))?.value;
      const { value, status, pendingIntents } = handle.state.get();
      const shown = this.spoils('an object is another') ? 'another' : (value ?? null);
      const wanted = [stored ?? null, stored === undefined ? 'gone' : 'ok', 0];
      const found = [shown, status, pendingIntents];
      for (const problem of converged(`${device.name}, ${handle.key}`, found, wanted)) {
        world.problem(problem);
      }
    }
  }
}

/** Plays the worlds of some seeds; stops at the first in which something is wrong. */
export function runDeploys(
  seeds: Seeds,
  mutant: DeployMutant | null = null,
): Promise<Played<DeployFigures>> {
  return new DeployWorlds(mutant).play(seeds);
}
