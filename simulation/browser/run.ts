import { records } from '@holdfast/client/records';
import { views } from '@holdfast/client/views';
import { RejectedError } from '@holdfast/protocol';
import type { Principal, Server } from '@holdfast/server';
import {
  all,
  Card,
  Careless,
  insider,
  mayRead,
  type Rights,
  storeName,
} from '../collections/card.ts';
import { type Granted, Judge, rightsMs } from '../collections/judge.ts';
import { Member } from '../collections/member.ts';
import { Pen, turn, write } from '../collections/script.ts';
import { settle } from '../collections/settled.ts';
import { waitWhile } from '../patience.ts';
import { Spoiling } from '../spoiling.ts';
import { verdictOn } from '../collections/verdict.ts';
import { Dice } from '../src/dice.ts';
import { badWeather } from '../src/faults.ts';
import { type Failure, playSeed, type Seeds, simulate, type Simulation } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { Truth } from '../validators/truth.ts';
import { boardsFor } from '../views/board.ts';
import { lastOf, unlike } from '../views/fresh.ts';
import { Page, scribble, type Wall } from '../views/page.ts';
import type { BrowserMutant } from './mutants.ts';
import { type ActDeed, isPageDeed, type Step, scriptOf } from './script.ts';
import { browserOf, BrowserTab } from './tab.ts';

/** How much of what has happened. */
export type BrowserTraffic = { readonly [what: string]: number };

type Seated = { readonly tab: BrowserTab; readonly page: Page; readonly member: Member };

const boardStore = 'acme/board';
const lengthMs = 12_000;
const spoiledMs = 6000;
const patienceMs = 60_000;
const freezeMs = 6000;
const pauseMs = 600;
/** Longer than whatever nobody uses is kept. */
const releaseMs = 150_000;
const names = ['tab1', 'tab2', 'tab3'] as const;
/** Who sits in front of the tabs; of its rights only the level changes. */
const user = 'ada';
const levels: readonly Rights[] = [0, 1, 2].map((level) => ({ level, ids: null, fields: null }));
/** How often something is spoiled at most. */
const spoilsMax = 3;
const lasting: ReadonlySet<BrowserMutant> = new Set([
  'a row is left out',
  'notes are shown to all',
  'a tab sits apart',
  'a query is left open',
]);

/** Tabs of a browser with views and live queries, over the connection of the one that leads, which may freeze or die. */
export class BrowserWorlds {
  readonly traffic: { [what: string]: number } = {};
  readonly #spoiling: Spoiling<BrowserMutant>;
  #world: World | null = null;
  #seated: readonly Seated[] = [];
  #writer: Member | null = null;
  #granted: Granted[] = [];
  #pen = new Pen();
  #dice = new Dice(1);
  #at = 0;
  #instances = 0;
  #calmAt = Infinity;
  #leader: string | null = null;

  constructor(mutant: BrowserMutant | null = null) {
    this.#spoiling = new Spoiling(mutant, { lasting, most: spoilsMax });
  }

  get simulation(): Simulation<Step> {
    const endMs = this.#spoiling.mutant === null ? lengthMs : spoiledMs;
    return {
      faults: { ...badWeather, sleep: 0, jump: 0, jumpServer: 0, failDisk: 0, revoke: 0 },
      lengthMs: endMs,
      stores: [storeName, boardStore],
      server: {
        authenticate: async ({ token }) => this.#principal(token),
        app: boardsFor({
          newInstance: () => (this.#instances += 1),
          ran: () => undefined,
          pause: () => this.#pause(),
          store: boardStore,
        }),
        viewLimits: { linger_ms: 3000 },
      },
      prepare: (server) => this.#declare(server),
      script: {
        steps: (dice) => scriptOf(dice, endMs),
        perform: (world, step) => this.#perform(world, step),
      },
      program: async (world) => {
        this.#begin(world);
        await world.sleep(endMs);
        while (this.#seated.some(({ tab }) => tab.isLeft)) await world.sleep(10);
        world.calm();
        this.#calmAt = world.now;
      },
      check: (world) => this.#check(world),
    };
  }

  #begin(world: World): void {
    this.#world = world;
    this.#dice = new Dice(world.seed);
    this.#pen = new Pen();
    this.#spoiling.begin(this.#dice);
    this.#at = 0;
    this.#instances = 0;
    this.#calmAt = Infinity;
    this.#leader = null;
    this.#granted = [{ at: 0, rights: all }];
    const browser = browserOf(world, () => this.#calmAt < Infinity);
    const wall: Wall = {
      world,
      complain: (word, text) => world.problem(`${word}: ${text}`),
      spoils: (mutant) => (this.#spoiling.takes(mutant) ? mutant : null),
      next: () => (this.#at += 1),
    };
    // Values are those of views.
    const spoil = (mutant: string): boolean =>
      mutant !== 'a value is another' && this.#spoiling.takes(mutant);
    this.#seated = names.map((name) => {
      const isApart = name === 'tab2' && this.#spoiling.takes('a tab sits apart');
      const scope = ['own/**'];
      const more = { views: views(), records: records([Card]), scope, isApart };
      const tab = new BrowserTab(name, browser, more);
      const granted = this.#granted;
      const of = { name, subject: user, holding: 'asks', granted, seat: tab.take } as const;
      const member = new Member(world, of, spoil);
      const page = new Page(wall, name, tab.take);
      for (const rootId of page.readers.keys()) page.page(rootId);
      return { tab, member, page };
    });
    const granted = [{ at: 0, rights: all }];
    this.#writer = new Member(world, { name: 'zoe', holding: 'whole', granted }, () => false);
    this.#follow(world);
  }

  /** Counts how often another tab leads. */
  #follow(world: World): void {
    const leader = this.#seated.find(({ tab }) => tab.device.connections > 0)?.tab.device.name;
    if (leader !== undefined && leader !== this.#leader) {
      if (this.#leader !== null) this.#count('takeover');
      this.#leader = leader;
    }
    if (this.#calmAt === Infinity) world.later(100, () => this.#follow(world));
  }

  async #pause(): Promise<void> {
    const world = this.#world;
    await world?.sleep(world.dice.below(pauseMs));
  }

  #declare(server: Server): void {
    const def = this.#spoiling.mutant === 'notes are shown to all' ? Careless : Card;
    server.record(def, { read: ({ principal }, _ref, card) => mayRead(principal, card) });
  }

  #principal(token: string | null): Principal | null {
    if (this.#world?.site.admits(token) !== true) return null;
    const name = token?.replace(/\.\d+$/, '') ?? '';
    const isUser = name.startsWith('tab');
    const { rights = all } = (isUser ? this.#granted.at(-1) : null) ?? {};
    return { ...insider, subject: isUser ? user : name, claims: { level: rights.level } };
  }

  #perform(world: World, { does, who, roll }: Step): void {
    const dice = new Dice(roll);
    const seated = this.#seated[who % this.#seated.length];
    if (seated === undefined) return;
    this.#count(does);
    if (does === 'grant') this.#grant(world, dice);
    else if (does === 'board') this.#scribble(dice);
    else if (does === 'crash') seated.tab.crash();
    else if (seated.tab.isAwake) this.#act(world, { seated, does, dice, isTab: who % 4 > 0 });
  }

  #act(
    world: World,
    {
      seated: { tab, page, member },
      does,
      dice,
      isTab,
    }: {
      readonly seated: Seated;
      readonly does: ActDeed;
      readonly dice: Dice;
      readonly isTab: boolean;
    },
  ): void {
    if (does === 'freeze') tab.freeze(dice.below(freezeMs));
    else if (does === 'reload') tab.reload();
    else if (isPageDeed(does)) page.act(does, dice);
    else {
      const writer = isTab ? member : (this.#writer ?? member);
      try {
        write(writer, does, { pen: this.#pen, dice });
        turn(member, does, dice);
      } catch (error) {
        // What its maker is told at once is nobody else's affair.
        if (error instanceof RejectedError) return;
        world.problem(`calm: ${tab.device.name} ${does}: ${String(error)}`);
      }
    }
  }

  #grant(world: World, dice: Dice): void {
    this.#granted.push({ at: world.now, rights: dice.pick(levels) });
  }

  #scribble(dice: Dice): void {
    const store = this.#writer?.device.store(boardStore);
    if (store !== undefined) scribble(store, (this.#at += 1), dice);
  }

  async #check(world: World): Promise<void> {
    await this.#settle(world, 'in the end');
    if (this.#spoiling.lasts) await this.#goOn(world);
    const judge = new Judge(await world.logs(storeName), this.#calmAt);
    const readers = this.#seated.flatMap(({ page }) => [...page.readers.values()]);
    const log = await world.log(boardStore);
    for (const problem of unlike(new Truth(log.map(({ op }) => op)), readers)) {
      world.problem(problem);
    }
    for (const reader of readers) this.#count('envelopes', reader.envelopes);
    for (const { member } of this.#seated) {
      const verdict = verdictOn(judge, member, this.#pen.authors);
      for (const problem of verdict.problems) world.problem(problem);
      for (const what of ['told', 'shown', 'delivered'] as const) this.#count(what, verdict[what]);
      for (const error of member.device.errors) {
        if (error instanceof RejectedError) continue;
        world.problem(`calm: ${member.options.name}: ${String(error)}`);
      }
    }
  }

  /** The weather has cleared: rights change, and the tab that leads is no more. */
  async #goOn(world: World): Promise<void> {
    this.#grant(world, this.#dice);
    await world.sleep(2 * rightsMs);
    await this.#settle(world, 'under other rights');
    this.#seated.find(({ tab }) => tab.device.connections > 0)?.tab.crash();
    this.#scribble(this.#dice);
    await this.#settle(world, 'when another leads');
    // Some are closed with all that is open in them.
    if (this.#spoiling.mutant !== null || this.#dice.chance(0.5)) await this.#release(world);
  }

  /** Everybody shows what there is, over one connection. */
  async #settle(world: World, when: string): Promise<void> {
    const members = this.#seated.map(({ member }) => member);
    await settle(world, members, when);
    const log = await world.log(boardStore);
    const last = lastOf(new Truth(log.map(({ op }) => op)));
    const behind = (): readonly Page[] =>
      this.#seated.flatMap(({ page }) => (page.isAt(last) ? [] : [page]));
    await waitWhile(world, () => behind().length > 0, { patienceMs, stepMs: 200 });
    for (const { device } of behind()) {
      const seen = JSON.stringify(device.client.inspect());
      world.problem(`converged: ${when}, ${device.name} is not at ${last}: ${seen}`);
    }
    const connected = (): readonly string[] =>
      this.#seated.flatMap(({ tab: { device } }) => (device.connections > 0 ? device.name : []));
    await waitWhile(world, () => connected().length !== 1, { patienceMs, stepMs: 200 });
    if (connected().length === 1) return;
    world.problem(`alone: ${when}, those with a connection are ${connected().join(', ')}`);
  }

  /** Nobody looks any more. */
  async #release(world: World): Promise<void> {
    for (const { member, page } of this.#seated) {
      page.leave();
      member.closeAll();
    }
    this.#writer?.closeAll();
    await world.sleep(releaseMs);
    const { queries = 0, views: open = [] } = world.site.server?.describe() ?? {};
    if (queries + open.length === 0) return;
    world.problem(`released: ${queries} queries and ${open.length} views are still there`);
  }

  #count(what: string, by = 1): void {
    this.traffic[what] = (this.traffic[what] ?? 0) + by;
  }
}

/** Runs the worlds of some seeds; stops at the first in which something is wrong. */
export async function runBrowsers(
  seeds: Seeds,
): Promise<{ readonly failure: Failure | null; readonly traffic: BrowserTraffic }> {
  const worlds = new BrowserWorlds();
  const failure = await simulate(worlds.simulation, seeds);
  return { failure, traffic: worlds.traffic };
}

/** What is wrong in the world of a seed that is spoiled. */
export async function runSpoiled(seed: number, mutant: BrowserMutant): Promise<readonly string[]> {
  const { problems } = await playSeed(new BrowserWorlds(mutant).simulation, seed);
  return problems;
}
