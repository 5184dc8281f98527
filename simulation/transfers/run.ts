import { records } from '@holdfast/client/records';
import { asPath, isObject } from '@holdfast/protocol';
import type { Principal, Server, ServerRecord } from '@holdfast/server';
import type { Tree } from '@holdfast/engine/data';
import { browserOf, BrowserTab } from '../browser/tab.ts';
import { insider } from '../collections/card.ts';
import { waitWhile } from '../patience.ts';
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
import { Account, coinsAtFirst, ids, Receipt, storeName } from './account.ts';
import { type TransferMutant, transferMutants } from './mutants.ts';
import { isBarred, Notary } from './notary.ts';
import { Person, type PersonDeed } from './person.ts';
import { isTillDeed, Till, type TillDeed } from './till.ts';

type Deed = PersonDeed | TillDeed | 'freeze' | 'reload' | 'crash';

const tabNames = ['tab1', 'tab2', 'tab3'] as const;
const soloNames = ['bob', 'cleo'] as const;
/** Who sits in front of all tabs. */
const user = 'ada';
const lengthMs = 20_000;
const freezeMs = 6000;
const reloadMs = 200;
const patienceMs = 60_000;
const lasting = new Set(Object.keys(transferMutants)) as ReadonlySet<TransferMutant>;

/** How much went on in worlds of transfers. */
export type TransferFigures = {
  readonly transfers: number;
  readonly paid: number;
  readonly given: number;
  readonly refused: number;
  readonly tallied: number;
  /** How often a rule took its time, failed, or never answered. */
  readonly asked: number;
};

/** How a world of transfers is other than most. */
export type TransferTerms = {
  readonly mutant?: TransferMutant | null;
  /** Whether a rule is asked about each transfer of a client, which may take its time. */
  readonly isAsked?: boolean;
};

type Seated = { readonly person: Person; readonly tab: BrowserTab | null };

/**
 * Coins go from account to account: by people, some of them in tabs of one browser, whose tokens end, and by code of the
 * server, all at the same accounts.
 */
export class TransferWorlds extends Worlds<Deed, TransferMutant> {
  figures: TransferFigures = { transfers: 0, paid: 0, given: 0, refused: 0, tallied: 0, asked: 0 };
  readonly #attach: (world: World) => void;
  readonly #accounts: WeakMap<Server, ServerRecord<typeof Account>>;
  #seated: readonly Seated[] = [];
  readonly #notary: Notary | null;
  #till: Till | null = null;
  #isCalm = false;

  constructor({ mutant = null, isAsked = false }: TransferTerms = {}) {
    let world: World | null = null;
    const notary = isAsked ? new Notary(() => this.spoils('a rule is not minded')) : null;
    const accounts = new WeakMap<Server, ServerRecord<typeof Account>>();
    super(
      {
        faults: { ...badWeather, sleep: 2, crash: 3, forget: 0.5, closeServer: 3, compactAmid: 3 },
        tokenMs: 11_000,
        store: storeName,
        lengthMs,
        server: {
          authenticate: async ({ token }) => (world === null ? null : principalOf(world, token)),
        },
        prepare: (server) => {
          accounts.set(server, server.record(Account, { mutations: Account.mutations }));
          if (notary === null) server.record(Receipt);
          else server.record(Receipt, { write: (_ctx, { params }) => notary.judge(params.id) });
        },
        deeds: weighed<Deed>({
          give: 14,
          tally: 8,
          paint: 4,
          repaint: 3,
          pay: 14,
          rush: 2,
          stain: 3,
          freeze: 2,
          reload: 2,
          crash: 2,
        }),
        people: tabNames.length + soloNames.length,
        deedsMin: 80,
      },
      new Spoiling(mutant, { lasting, most: 0 }),
    );
    this.#attach = (now) => (world = now);
    this.#accounts = accounts;
    this.#notary = notary;
  }

  protected async begin(world: World): Promise<void> {
    this.#attach(world);
    this.#isCalm = false;
    this.#notary?.begin(world);
    this.#till = new Till(world, {
      accounts: (server) => this.#accounts.get(server),
      spoils: this.spoils,
    });
    const browser = browserOf(world, () => this.#isCalm);
    const options = { records: records([Account, Receipt]) };
    const isTorn = (): boolean => this.spoils('a leaf is written without its row');
    const tabs = tabNames.map((name, at) => {
      const isApart = at === 1 && this.spoils('a tab sits apart');
      const tab = new BrowserTab(name, browser, { ...options, isApart });
      return { tab, person: new Person(tab.take, isTorn) };
    });
    const solos = soloNames.map((name) => ({
      tab: null,
      person: new Person((more) => world.device(name, { ...options, ...more }), isTorn),
    }));
    this.#seated = [...tabs, ...solos];
    await this.#till.open();
  }

  protected perform(world: World, { does, who, roll }: Step<Deed>): void {
    const seated = this.#seated[who];
    if (seated === undefined) return;
    if (isTillDeed(does)) this.#till?.act(does, new Dice(roll));
    else if (does === 'crash') world.crash(seated.person.name);
    else if (!seated.person.device.isAsleep && seated.tab?.isAwake !== false) {
      this.#act(world, seated, { does, dice: new Dice(roll) });
    }
  }

  #act(
    world: World,
    { person, tab }: Seated,
    { does, dice }: { readonly does: PersonDeed | 'freeze' | 'reload'; readonly dice: Dice },
  ): void {
    if (does === 'freeze') tab?.freeze(dice.below(freezeMs));
    else if (does !== 'reload') person.act(does, dice);
    // Its page is open again when the weather clears.
    else if (world.now < lengthMs - reloadMs) tab?.reload();
  }

  protected async check(world: World): Promise<void> {
    this.#isCalm = true;
    // What the server has changed last is told of.
    await world.sleep(5000);
    await world.rest();
    await this.#takeOver(world);
    const log = (await world.log(storeName)).map(({ op }) => op);
    const truth = new Truth(log);
    this.#judgeStates(world, truth);
    const last = truth.stateAt(truth.head);
    this.#judgePayments(world, truth);
    this.#judgeRules(world, last);
    const told = this.#seated.flatMap(({ person }) => person.told);
    const spoilt = this.spoils('a write is told of twice')
      ? told.map((each) => ({ ...each, outcomes: [...each.outcomes, 'committed'] }))
      : told;
    for (const problem of settled(spoilt, log)) world.problem(problem);
    for (const { person } of this.#seated) this.#compare(world, person, last);
    this.checkErrors(world);
  }

  /** In clear weather the tab that leads crashes, and everybody gives once more. */
  async #takeOver(world: World): Promise<void> {
    const dice = world.dice.fork();
    const leader = this.#seated.find(({ tab }) => (tab?.device.connections ?? 0) > 0);
    if (leader !== undefined) world.crash(leader.person.name);
    for (const { person } of this.#seated) person.act('give', dice);
    this.#till?.act('rush', dice);
    await world.sleep(5000);
    await world.rest();
    const connected = (): number =>
      this.#seated.filter(({ tab }) => (tab?.device.connections ?? 0) > 0).length;
    await waitWhile(world, () => connected() !== 1, { patienceMs, stepMs: 200 });
    if (connected() !== 1) world.problem(`alone: ${connected()} tabs have a connection`);
  }

  /** After each commit all that is in an account is what was there at first, and what the receipts say. */
  #judgeStates(world: World, truth: Truth): void {
    const states = truth.statesAt(truth.commits.map(({ last }) => last));
    for (const [seq, state] of states) {
      const wrong = wrongIn(state);
      if (wrong === null) continue;
      world.problem(`ledger: after ${seq} ${wrong}`);
      return;
    }
  }

  /** What code of the server was told of its payments is what became of them. */
  #judgePayments(world: World, truth: Truth): void {
    const isLost = this.spoils('a payment that was made is not there');
    const isPaid = this.spoils('what was refused is paid all the same');
    const isOpen = this.spoils('a payment never ends');
    const last = truth.stateAt(truth.head);
    let [paid, refused] = [0, 0];
    for (const { id, server, outcome } of this.#till?.payments ?? []) {
      const isThere = last.read(asPath(`receipts/${id}`)) !== undefined;
      if (outcome === null || isOpen) {
        // Whoever asked a process that is gone hears nothing more.
        if (server === world.site.server) world.problem(`ended: ${id} has no outcome`);
      } else if ('left' in outcome) {
        paid += 1;
        if (!isThere || isLost) world.problem(`paid: ${id} was made, and is not there`);
      } else {
        refused += 1;
        if (isThere || isPaid) world.problem(`paid: ${id} is there, and was ${outcome.code}`);
      }
    }
    const receipts = receiptsIn(last);
    const given = receipts.filter(({ id }) => !id.startsWith('till')).length;
    this.figures = {
      transfers: this.figures.transfers + receipts.length,
      paid: this.figures.paid + paid,
      given: this.figures.given + given,
      refused: this.figures.refused + refused,
      tallied: this.#seated.reduce((sum, { person }) => sum + person.tallied, this.figures.tallied),
      asked: this.figures.asked,
    };
  }

  /** What a rule does not let pass is not there, however that took its time, failed, or never came. */
  #judgeRules(world: World, state: Tree): void {
    if (this.#notary === null) return;
    this.figures = { ...this.figures, asked: this.figures.asked + this.#notary.late };
    for (const { id } of receiptsIn(state).filter((each) => isBarred(each.id))) {
      world.problem(`ruled: ${id} is there, which a rule forbids`);
    }
  }

  #compare(world: World, { name, handles }: Person, state: Tree): void {
    for (const [at, handle] of handles.entries()) {
      const stored = state.read(asPath(`accounts/${ids[at]}`))?.value;
      const { value, status, pendingIntents } = handle.state.get();
      const shown = this.spoils('an account is shown as another') ? { coins: -1 } : value;
      const found = [shown ?? null, status, pendingIntents];
      for (const problem of converged(`${name}, ${handle.key}`, found, [stored, 'ok', 0])) {
        world.problem(problem);
      }
    }
  }
}

type Noted = {
  readonly id: string;
  readonly from: unknown;
  readonly to: unknown;
  readonly coins: number;
};

function receiptsIn(state: Tree): readonly Noted[] {
  const all = state.read(asPath('receipts'))?.value;
  if (!isObject(all)) return [];
  return Object.entries(all).flatMap(([id, each]) =>
    isObject(each)
      ? [{ id, from: each['from'], to: each['to'], coins: Number(each['coins']) }]
      : [],
  );
}

/** What is wrong with the accounts of a state; null: nothing. */
function wrongIn(state: Tree): string | null {
  const receipts = receiptsIn(state);
  for (const id of ids) {
    const account = state.read(asPath(`accounts/${id}`))?.value;
    if (!isObject(account)) continue;
    // What was moved together with leaves beside the accounts is noted there.
    let right = coinsAtFirst + Number(state.read(asPath(`tally/${id}`))?.value ?? 0);
    for (const { from, to, coins } of receipts) {
      if (from === id) right -= coins;
      if (to === id) right += coins;
    }
    if (account['coins'] === right && right >= 0) continue;
    return `${id} has ${textOf(account['coins'])} coins instead of ${right}`;
  }
  return null;
}

function principalOf(world: World, token: string | null): Principal | null {
  if (!world.site.admits(token)) return null;
  const name = token?.replace(/\.\d+$/, '') ?? '';
  return { ...insider, subject: name.startsWith('tab') ? user : name };
}

/** Plays the worlds of some seeds; stops at the first in which something is wrong. */
export function runTransfers(
  seeds: Seeds,
  terms: TransferTerms = {},
): Promise<Played<TransferFigures>> {
  return new TransferWorlds(terms).play(seeds);
}
