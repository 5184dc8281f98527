import {
  matches,
  parseGlob,
  isRefusal,
  type OpId,
  type Path,
  segmentsOf,
} from '@holdfast/protocol';
import type { Principal } from '@holdfast/server';
import { forgetAnswers } from '../amnesia.ts';
import { browserOf, BrowserTab } from '../browser/tab.ts';
import { insider } from '../collections/card.ts';
import { waitWhile } from '../patience.ts';
import { Spoiling } from '../spoiling.ts';
import { Dice } from '../src/dice.ts';
import { badWeather } from '../src/faults.ts';
import type { Seeds } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { type Step, weighed } from '../steps.ts';
import { textOf } from '../text.ts';
import { leavesOf, Truth } from '../validators/truth.ts';
import { type Played, Worlds } from '../worlds.ts';
import {
  closeMsMax,
  type Desk,
  Machine,
  people,
  type Seat,
  type Somebody,
  storeName,
} from './machine.ts';
import { type AccountMutant, accountMutants } from './mutants.ts';

type Deed = 'write' | 'change' | 'swap' | 'freeze';

const machines = [
  { name: 'desk', keepsIn: 'memory' },
  { name: 'phone', keepsIn: 'sqlite' },
] as const;
const tabNames = ['tab1', 'tab2', 'tab3'] as const;
const freezeMs = 6000;
const weights = { write: 12, change: 2, swap: 2 };
const lasting: ReadonlySet<AccountMutant> = new Set(Object.keys(accountMutants) as AccountMutant[]);
const setting = {
  faults: { ...badWeather, crash: 4, forget: 0.5, closeServer: 3 },
  store: storeName,
  lengthMs: 20_000,
  deeds: weighed<Deed>({ ...weights, freeze: 0 }),
  people: machines.length,
  deedsMin: 80,
};

const inRow = {
  faults: { ...setting.faults, forget: 0 },
  deeds: weighed<Deed>({ ...weights, freeze: 1 }),
  people: tabNames.length + 1,
};

/** How a world of accounts is other than most. */
export type AccountTerms = { readonly mutant?: AccountMutant | null; readonly inTabs?: boolean };

/** How much went on in worlds of accounts. */
export type AccountFigures = {
  readonly written: number;
  readonly committed: number;
  readonly lives: number;
};

/** Machines at which several people sit, one after the other, each with an account, while what they wrote waits. */
export class AccountWorlds extends Worlds<Deed, AccountMutant> {
  figures: AccountFigures = { written: 0, committed: 0, lives: 0 };
  readonly #attach: (world: World) => void;
  readonly #isInTabs: boolean;
  #machines: readonly Machine[] = [];
  readonly #tabs = new Map<string, BrowserTab>();
  #isCalm = false;

  /** `inTabs`: all but one of them are tabs of one browser, each with whoever has signed in in it. */
  constructor({ mutant = null, inTabs = false }: AccountTerms = {}) {
    let world: World | null = null;
    const server = {
      authenticate: async ({ token }: { readonly token: string | null }) =>
        world === null ? null : principalOf(world, token ?? ''),
    };
    super({ ...setting, ...(inTabs && inRow), server }, new Spoiling(mutant, { lasting, most: 0 }));
    this.#isInTabs = inTabs;
    this.#attach = (now) => (world = now);
  }

  protected begin(world: World): void {
    this.#attach(world);
    this.#isCalm = false;
    if (this.spoils('answers are forgotten')) forgetAnswers(world.storage);
    const desk: Desk = {
      complain: (word, text) => world.problem(`${word}: ${text}`),
      spoils: this.spoils,
      writtenBy: (who) => this.#writtenBy(who),
    };
    this.#machines = [];
    const seats = this.#isInTabs ? machines.slice(1) : machines;
    const apart = seats.map(
      ({ name, keepsIn }): Seat =>
        (options, { tenant }) =>
          world.device(name, { keepsIn, ...options, ...tenant }),
    );
    const tabs = this.#isInTabs ? this.#row(world) : [];
    this.#machines = [...tabs, ...apart].map((seat) => new Machine(world, seat, desk));
  }

  /** Tabs of one browser. */
  #row(world: World): readonly Seat[] {
    const browser = browserOf(world, () => this.#isCalm);
    return tabNames.map((name): Seat => (options, { account, tenant }) => {
      const tab = new BrowserTab(name, browser, { ...options, isApart: false, account });
      this.#tabs.set(name, tab);
      return tab.take(tenant);
    });
  }

  #writtenBy(who: Somebody): ReadonlySet<OpId> {
    const all = this.#machines.flatMap(({ written }) => written);
    return new Set(all.filter(({ by }) => by === who).map(({ opId }) => opId));
  }

  protected perform(world: World, { does, who, roll }: Step<Deed>): void {
    // Somebody is there when the weather clears.
    const isLate = does === 'change' && world.now + closeMsMax > setting.lengthMs;
    const machine = this.#machines[who];
    const dice = new Dice(roll);
    if (machine === undefined) return;
    if (does === 'freeze') this.#tabs.get(machine.device.name)?.freeze(dice.below(freezeMs));
    else machine.act(isLate ? 'swap' : does, dice);
  }

  protected async check(world: World): Promise<void> {
    this.#isCalm = true;
    // Everybody comes once more to each machine, and sends what it has left there.
    for (const who of people) {
      for (const machine of this.#machines) machine.sitDown(who);
      await world.rest();
    }
    const log = (await world.log(storeName)).map(({ op }) => op);
    const truth = new Truth(this.spoils('a write gets lost that was kept') ? log.slice(0, 1) : log);
    for (const { clientOpId, value, principal } of log) {
      const [by] = textOf(value).slice(1).split(' ');
      if (by !== principal) world.problem(`signed: ${clientOpId} of ${by} is by ${principal}`);
    }
    for (const machine of this.#machines) this.#judge(world, machine, truth);
    for (const who of people) {
      for (const machine of this.#machines) machine.sitDown(who);
      await world.rest();
      await this.#compare(world, who, truth);
    }
    this.checkErrors(world);
  }

  #judge(world: World, { device, written }: Machine, truth: Truth): void {
    for (const { opId, by, isKept, outcome } of written) {
      const count = truth.of(opId).length;
      if (count > 1) world.problem(`once: ${opId} was committed ${count} times`);
      if (count === 0 && (outcome === 'committed' || (isKept && outcome === null))) {
        world.problem(`kept: ${opId}, by ${by} at ${device.name}, is nowhere`);
      }
    }
    const { written: sum, committed, lives } = this.figures;
    this.figures = {
      written: sum + written.length,
      committed: committed + written.filter(({ opId }) => truth.of(opId).length > 0).length,
      lives: lives + device.lives,
    };
  }

  /** Who sits there sees all that there is to see, and nothing else. */
  async #compare(world: World, who: Somebody, truth: Truth): Promise<void> {
    const wanted = textOf(
      leavesOf(truth.stateAt(truth.head)).filter(([path]) => mayRead(who, path)),
    );
    for (const { device } of this.#machines) {
      const shown = (): string => {
        const { items } = device.store(storeName).entries('**', { limit: 1000 });
        const isSpoilt = this.spoils('a value is another');
        return textOf(items.map(({ path, value }) => [path, isSpoilt ? 'another' : value]));
      };
      await waitWhile(world, () => shown() !== wanted, { patienceMs: 10_000 });
      if (shown() === wanted) continue;
      world.problem(`converged: ${who} at ${device.name} sees ${shown()} instead of ${wanted}`);
    }
  }
}

function rulesOf(who: string): readonly string[] {
  return [`own/${who}/**`, 'shared/**'];
}

function mayRead(who: Somebody, path: Path): boolean {
  return rulesOf(who).some((rule) => {
    const pattern = parseGlob(rule);
    return !isRefusal(pattern) && matches(pattern, segmentsOf(path));
  });
}

/** A token names who shows it, and the machine that it was given to. */
function principalOf(world: World, token: string): Principal | null {
  const [who = '', of = ''] = token.split('@');
  if (!world.site.admits(of)) return null;
  const allow = ['read', 'write'] as const;
  const pathRules = rulesOf(who).map((pattern) => ({ pattern, allow }));
  return { ...insider, subject: who, pathRules };
}

/** Plays the worlds of some seeds; stops at the first in which something is wrong. */
export async function runAccounts(
  seeds: Seeds,
  terms: AccountTerms = {},
): Promise<Played<AccountFigures>> {
  return new AccountWorlds(terms).play(seeds);
}
