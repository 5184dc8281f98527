import type { Seq } from '@holdfast/protocol';
import { isTabDeed, seatAt, type TabDeed, TabRow } from '../browser/row.ts';
import { Spoiling } from '../spoiling.ts';
import { Dice } from '../src/dice.ts';
import { badWeather } from '../src/faults.ts';
import type { Seeds } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { type Step, weighed } from '../steps.ts';
import { exclusive } from '../validators/leases.ts';
import { leavesOf, Truth } from '../validators/truth.ts';
import { firstDifference } from '../validators/words.ts';
import { type Played, Worlds } from '../worlds.ts';
import { type Deal, wrongIn } from './checks.ts';
import type { GuardMutant } from './mutants.ts';
import { storeName, Trader } from './trader.ts';

type Deed = 'trade' | 'claim' | TabDeed;

const names = ['ann', 'bob', 'cleo'];
const spoilsMax = 10;
const lasting: ReadonlySet<GuardMutant> = new Set(['a value is another']);
const setting = {
  faults: { ...badWeather, jumpServer: 0, crash: 3, forget: 1 },
  store: storeName,
  lengthMs: 20_000,
  // Whoever waits for the lease has had it by then.
  clearMs: 60_000,
  deeds: weighed<Deed>({ trade: 9, claim: 1, freeze: 0, reload: 0 }),
  people: names.length,
  deedsMin: 80,
};

const deedsInTabs = weighed<Deed>({ trade: 27, claim: 6, freeze: 2, reload: 1 });

/** How much went on in worlds of guards. */
export type GuardFigures = {
  readonly committed: number;
  readonly refused: number;
  readonly held: number;
  readonly waited: number;
};

/** How a world of guards is other than most. */
export type GuardTerms = { readonly mutant?: GuardMutant | null; readonly inTabs?: boolean };

/** Those who write in transactions that rely on what they see, in bad weather, and wait for one lease. */
export class GuardWorlds extends Worlds<Deed, GuardMutant> {
  figures: GuardFigures = { committed: 0, refused: 0, held: 0, waited: 0 };
  readonly #row: TabRow | null;
  #traders: Trader[] = [];

  /** `inTabs`: all but one of them sit in tabs of one browser, which freeze, too, and are left and opened again. */
  constructor({ mutant = null, inTabs = false }: GuardTerms = {}) {
    const row = inTabs ? new TabRow() : null;
    const inRow = row === null ? null : { ...row.setting, deeds: deedsInTabs };
    super({ ...setting, ...inRow }, new Spoiling(mutant, { lasting, most: spoilsMax }));
    this.#row = row;
  }

  protected begin(world: World): void {
    this.#row?.begin(world, setting.lengthMs);
    this.#traders = (this.#row?.people ?? names).map((name) => {
      const seat = this.#row?.seat(world, name) ?? seatAt(world, name);
      return new Trader(world, seat, this.spoils);
    });
  }

  protected perform(_world: World, { does, who, roll }: Step<Deed>): void {
    const dice = new Dice(roll);
    if (isTabDeed(does)) this.#row?.act(who, does, dice);
    else this.#traders[who]?.act(does, dice);
  }

  protected async check(world: World): Promise<void> {
    const log = await world.log(storeName);
    const truth = new Truth(log.map(({ op }) => op));
    const storedAt = (seq: Seq): number => log[seq - 1]?.at ?? 0;
    const deals = this.#traders.flatMap((trader) => trader.deals);
    const told = deals.map((deal) => this.#misreported(deal));
    for (const problem of wrongIn(told, { truth, storedAt })) world.problem(problem);
    for (const { word, text } of exclusive(truth, storedAt)) world.problem(`${word}: ${text}`);
    for (const trader of this.#traders) this.#look(world, trader, truth);
    this.checkErrors(world);
    this.#count(deals);
  }

  #misreported(deal: Deal): Deal {
    const { receipt } = deal;
    const { status } = receipt.outcome ?? {};
    if (status === 'refused' && this.spoils('somebody is refused for nothing')) {
      return { ...deal, guards: [] };
    }
    if (status === 'committed' && this.spoils('what is acknowledged is not there')) {
      const { outcome, committed, durable, state } = receipt;
      const another = { ...receipt, opId: `${receipt.opId}0`, outcome, committed, durable, state };
      return { ...deal, receipt: another };
    }
    return deal;
  }

  #look(world: World, { device, store, isClaiming }: Trader, truth: Truth): void {
    if (isClaiming) world.problem(`landed: ${device.name} still waits for the lease`);
    const shown = store
      .entries('**', { limit: 10_000 })
      .items.map(
        ({ path, value }) => [path, this.spoils('a value is another') ? 'another' : value] as const,
      );
    const wrong = firstDifference(shown, leavesOf(truth.stateAt(truth.head)));
    if (wrong !== null) world.problem(`converged: ${device.name}: ${wrong}`);
  }

  #count(deals: readonly Deal[]): void {
    const count = (status: string): number =>
      deals.filter(({ receipt }) => receipt.outcome?.status === status).length;
    const sum = (of: (trader: Trader) => number): number =>
      this.#traders.reduce((all, trader) => all + of(trader), 0);
    const { committed, refused, held, waited } = this.figures;
    this.figures = {
      committed: committed + count('committed'),
      refused: refused + count('refused'),
      held: held + sum((trader) => trader.held),
      waited: waited + sum((trader) => trader.waited),
    };
  }
}

/** Plays the worlds of some seeds; stops at the first in which something is wrong. */
export function runGuards(seeds: Seeds, terms: GuardTerms = {}): Promise<Played<GuardFigures>> {
  return new GuardWorlds(terms).play(seeds);
}
