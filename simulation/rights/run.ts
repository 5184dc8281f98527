import { asPath, type OpId, refuse } from '@holdfast/protocol';
import { type Principal, scopes } from '@holdfast/server';
import type { DeadLetter } from '@holdfast/client';
import { forgetAnswers } from '../amnesia.ts';
import { browserOf, BrowserTab } from '../browser/tab.ts';
import { parsed } from '../parts/border.ts';
import { Spoiling } from '../spoiling.ts';
import { Dice } from '../src/dice.ts';
import { badWeather } from '../src/faults.ts';
import type { Seeds } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { type Step, weighed } from '../steps.ts';
import { textOf } from '../text.ts';
import { leavesOf, Truth } from '../validators/truth.ts';
import { type Played, Worlds } from '../worlds.ts';
import { Fates, wrongIn } from './fates.ts';
import { always, everything, Grants, nothing, parts, places, rightsMs } from './grants.ts';
import { type RightsMutant, rightsMutants } from './mutants.ts';
import { type Opened, Page, type Shown, storeName, within } from './page.ts';

const weights = {
  write: 20,
  tell: 10,
  grant: 2,
  retry: 6,
  discard: 2,
  takeBack: 3,
  open: 6,
  flick: 4,
  freeze: 1,
  reload: 1,
};
type Deed = keyof typeof weights;

const tabNames = ['tab1', 'tab2', 'tab3'] as const;
const lengthMs = 30_000;
const freezeMs = 6000;
/** Longer than a connection has to last for a new one to be tried at once. */
const calmMs = 61_000;
/** Until a change of rights is seen, and everybody is back. */
const promptMs = rightsMs + 7000;
const lateMs = 30_000;
const swift = [nothing, everything];
const swiftMs = rightsMs + 1000;
const lasting: ReadonlySet<RightsMutant> = new Set(Object.keys(rightsMutants) as RightsMutant[]);
const setting = {
  faults: { ...badWeather, crash: 4, closeServer: 3 },
  store: storeName,
  lengthMs,
  deeds: weighed<Deed>(weights),
  people: tabNames.length + 1,
  deedsMin: 100,
};

/** How much went on in worlds of rights. */
export type RightsFigures = {
  readonly written: number;
  readonly committed: number;
  readonly letters: number;
  readonly grants: number;
  readonly parts: number;
};

/** Tabs of a browser, and a machine, of somebody whose rights come and go, who decides in one about what another was refused. */
export class RightsWorlds extends Worlds<Deed, RightsMutant> {
  figures: RightsFigures = { written: 0, committed: 0, letters: 0, grants: 0, parts: 0 };
  readonly #attach: (world: World) => void;
  #grants = new Grants();
  #fates = new Fates();
  #pages: readonly Page[] = [];
  readonly #tabs = new Map<string, BrowserTab>();
  #isCalm = false;
  #told = 0;

  constructor(mutant: RightsMutant | null = null) {
    let world: World | null = null;
    const authenticate = async ({ token }: { readonly token: string | null }) =>
      world === null ? null : this.#principal(world, token ?? '');
    super({ ...setting, server: { authenticate } }, new Spoiling(mutant, { lasting, most: 0 }));
    this.#attach = (now) => (world = now);
  }

  protected begin(world: World): void {
    this.#attach(world);
    if (this.spoils('answers are forgotten')) forgetAnswers(world.storage);
    this.#grants = new Grants();
    this.#fates = new Fates();
    this.#isCalm = false;
    this.#told = 0;
    const of = { fates: this.#fates, ready: (opened: Opened) => this.#checkWhole(world, opened) };
    const browser = browserOf(world, () => this.#isCalm);
    const rows = tabNames.map((name) => {
      const more = { isApart: false, scope: always, account: () => 'ada' };
      const tab = new BrowserTab(name, browser, more);
      this.#tabs.set(name, tab);
      return new Page(world, (tenant) => tab.take(tenant), of);
    });
    const more = { keepsIn: 'sqlite', scope: always } as const;
    const phone = new Page(world, (tenant) => world.device('phone', { ...more, ...tenant }), of);
    this.#pages = [...rows, phone];
    for (const path of places) world.device('owner').store(storeName).put(path, 'first');
    // Whoever may read nothing has nothing to rest with.
    world.later(lengthMs - 0.5, () => this.#grant(world, everything));
  }

  protected perform(world: World, { does, who, roll }: Step<Deed>): void {
    const dice = new Dice(roll);
    const page = this.#pages[who];
    if (page === undefined) return;
    const tab = this.#tabs.get(page.device.name);
    if (does === 'grant') this.#grant(world, dice.below(nothing + 1));
    else if (does === 'tell') this.#tell(world, dice);
    else if (does === 'freeze') tab?.freeze(dice.below(freezeMs));
    else if (does === 'reload') tab?.reload();
    else if (tab?.isLeft !== true) page.act(does, dice);
  }

  #grant(world: World, level: number): void {
    this.#grants.give(level, world.now);
    this.#count({ grants: 1 });
  }

  #tell(world: World, dice: Dice): void {
    this.#told += 1;
    const store = world.device('owner').store(storeName);
    if (dice.chance(0.1)) store.delete(dice.pick(places));
    else store.put(dice.pick(places), `owner ${this.#told}`);
  }

  /** What is there is all that there is, as of the seq that it is told of. */
  #checkWhole(world: World, opened: Opened): void {
    const { part, store, since } = opened;
    const { seq, pending } = store.status.get();
    const [pattern] = parsed([part]);
    const page = this.#pages.find(({ open }) => open.includes(opened));
    if (page === undefined || pattern === undefined || pending > 0) return;
    if (!this.#grants.hadSince(pattern, Math.min(since, world.now) - 2 * rightsMs)) return;
    const isEarly = this.spoils('a part is shown before it is here');
    const shown = isEarly ? [] : page.shown(opened);
    void this.#truth(world).then((truth) => {
      const wanted = within(part, leavesOf(truth.stateAt(seq)));
      if (textOf(shown) === textOf(wanted)) return;
      const both = `${textOf(shown)} instead of ${textOf(wanted)}`;
      world.problem(`whole: ${page.device.name} shows ${both} of ${part} at ${seq}`);
    });
    this.#count({ parts: 1 });
  }

  async #truth(world: World): Promise<Truth> {
    return new Truth((await world.log(storeName)).map(({ op }) => op));
  }

  protected async check(world: World): Promise<void> {
    this.#isCalm = true;
    for (const { device } of this.#pages) world.crash(device.name);
    await world.rest();
    await world.sleep(calmMs);
    for (const level of [world.dice.below(nothing), nothing, world.dice.below(nothing)]) {
      await this.#live(world, level);
    }
    this.#grant(world, everything);
    await world.sleep(promptMs);
    await world.rest();
    await this.#judge(world);
  }

  /** Somebody has other rights; what may be read then is shown soon, and nothing else is kept. */
  async #live(world: World, level: number): Promise<void> {
    for (const page of this.#pages) for (const part of parts) page.look(part);
    // Some more changes of rights, within a minute, let nobody wait for longer.
    for (const each of [...swift, level]) {
      await world.sleep(swiftMs);
      this.#grant(world, each);
    }
    await world.sleep(promptMs);
    await this.#compare(world, `under ${level}`);
    for (const { device } of this.#pages) device.cutOff(true);
    const opened = await this.#startOffline(world, level);
    for (const { device } of this.#pages) device.cutOff(false);
    await world.sleep(lateMs);
    await this.#compare(world, `again under ${level}`);
    const isSilent = this.spoils('a page is told nothing of a part');
    for (const { page, of } of opened) {
      if (of.isTold && !isSilent) continue;
      world.problem(`told: ${page.device.name} waits for ${of.part} under ${level}`);
    }
  }

  /** Of what the caches have kept nothing is shown that may not be read any more. */
  async #startOffline(world: World, level: number) {
    for (const { device } of this.#pages) world.crash(device.name);
    const opened = this.#pages.flatMap((page) =>
      parts.map((part) => ({ page, of: page.look(part) })),
    );
    await world.sleep(1000);
    const isKept = this.spoils('what is hidden stays in the cache');
    for (const { page, of } of opened) {
      const shown: Shown = isKept ? [[asPath('hidden'), 1]] : page.shown(of);
      const wrong = shown.find(([path]) => !this.#grants.mayRead(path));
      if (wrong === undefined) continue;
      world.problem(`hidden: ${page.device.name} is shown ${wrong[0]} offline under ${level}`);
    }
    return opened;
  }

  /** All that may be read is shown, and nothing else. */
  async #compare(world: World, when: string): Promise<void> {
    const truth = await this.#truth(world);
    const isSpoilt = this.spoils('a value is another');
    const state = leavesOf(truth.stateAt(truth.head)).filter(([path]) =>
      this.#grants.mayRead(path),
    );
    for (const page of this.#pages) {
      for (const opened of page.open) {
        const wanted = within(opened.part, state);
        const shown: Shown = page
          .shown(opened)
          .map(([path, value]) => [path, isSpoilt ? 'another' : value]);
        if (textOf(shown) === textOf(wanted)) continue;
        const both = `${textOf(shown)} instead of ${textOf(wanted)}`;
        world.problem(`converged: ${when} ${page.device.name} shows ${both} of ${opened.part}`);
      }
    }
  }

  async #judge(world: World): Promise<void> {
    // What was decided last is stored a moment later.
    await world.sleep(1000);
    for (const { device } of this.#pages) world.crash(device.name);
    await world.rest();
    await world.sleep(1000);
    const truth = await this.#truth(world);
    const letters = new Map(
      this.#pages.flatMap((page) => page.letters.map((each) => [each.opId, each])),
    );
    this.#spoil(truth, letters);
    const log = this.spoils('a write gets lost that was kept') ? new Truth([]) : truth;
    for (const problem of wrongIn(this.#fates, log, letters)) world.problem(problem);
    const lists = this.#pages.slice(0, tabNames.length).map((page) =>
      page.letters
        .map(({ opId }) => opId)
        .toSorted()
        .join(' '),
    );
    if (new Set(lists).size > 1) world.problem(`listed: tabs list ${lists.join(' | ')}`);
    const committed = this.#fates.all().filter(({ opId }) => truth.of(opId).length > 0).length;
    this.#count({ written: this.#fates.count, committed, letters: letters.size });
    this.checkErrors(world);
  }

  #spoil(truth: Truth, letters: Map<OpId, DeadLetter>): void {
    const done = this.#fates
      .all()
      .find(({ opId, retries }) => retries === 0 && truth.of(opId).length > 0);
    const [letter] = letters.values();
    if (done === undefined) return;
    if (this.spoils('a write is taken back by word alone')) done.takenBackAt = 0;
    if (letter !== undefined && this.spoils('what is committed is a letter, too')) {
      letters.set(done.opId, { ...letter, refusal: refuse('path_not_allowed') });
    }
  }

  #principal(world: World, token: string): Principal | null {
    if (!world.site.admits(token)) return null;
    const name = token.replace(/\.\d+$/, '');
    const isOwner = name === 'owner';
    const lag = this.spoils('rights come late') ? 2 * promptMs : 0;
    return {
      subject: isOwner ? name : 'ada',
      orgs: ['acme'],
      scopes: new Set(scopes),
      storeAccess: { mode: 'all' },
      expiresAt: null,
      tokenId: null,
      ...(!isOwner && { pathRules: this.#grants.rulesAt(world.now - lag) }),
    };
  }

  #count(more: Partial<RightsFigures>): void {
    const sums = Object.entries(this.figures).map(([what, sum]) => [
      what,
      sum + (more[what as keyof RightsFigures] ?? 0),
    ]);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the same keys
    this.figures = Object.fromEntries(sums) as RightsFigures;
  }
}

/** Plays the worlds of some seeds; stops at the first in which something is wrong. */
export function runRights(
  seeds: Seeds,
  mutant: RightsMutant | null = null,
): Promise<Played<RightsFigures>> {
  return new RightsWorlds(mutant).play(seeds);
}
