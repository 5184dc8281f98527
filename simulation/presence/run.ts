import type { Principal } from '@holdfast/server';
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
import { type Played, Worlds } from '../worlds.ts';
import { Guest, type GuestDeed, type Shown, storeName } from './guest.ts';
import { type PresenceMutant, presenceMutants } from './mutants.ts';

type Deed = GuestDeed | 'freeze' | 'reload' | 'crash' | 'bar';

const tabNames = ['tab1', 'tab2', 'tab3'] as const;
const soloNames = ['bob', 'cleo', 'dan'] as const;
/** Who sits in front of all tabs. */
const user = 'ada';
const lengthMs = 20_000;
const freezeMs = 6000;
const reloadMs = 200;
const patienceMs = 60_000;
/** What is shown is seen by everybody within this time in clear weather. */
const seenMs = 1500;
/** Within this time a change of rights has taken effect (stores.md §11.3). */
const rightsMs = 5000;
/** After a lost connection somebody is shown for so long (stores.md §10.8.3), and gone a while later. */
const graceMs = 5000;
const lateMs = 2500;
const movesMin = 6;
const lasting = new Set(Object.keys(presenceMutants)) as ReadonlySet<PresenceMutant>;
const setting = {
  faults: { ...badWeather, sleep: 2, crash: 2 },
  // Long enough to be worked with, and short enough to end meanwhile (stores.md C18).
  tokenMs: 11_000,
  store: storeName,
  lengthMs,
  deeds: weighed<Deed>({
    set: 20,
    burst: 6,
    clear: 5,
    leave: 4,
    come: 8,
    freeze: 2,
    reload: 2,
    crash: 2,
    bar: 3,
  }),
  people: tabNames.length + soloNames.length,
  deedsMin: 60,
};

/** How much went on in worlds of presence. */
export type PresenceFigures = {
  readonly looks: number;
  readonly moves: number;
  readonly survived: number;
};

type Seated = { readonly guest: Guest; readonly tab: BrowserTab | null };

/** People on a topic, some of them in tabs of one browser, who come, go, freeze, crash, are cut off, and may not take part for a while. */
export class PresenceWorlds extends Worlds<Deed, PresenceMutant> {
  figures: PresenceFigures = { looks: 0, moves: 0, survived: 0 };
  readonly #attach: (world: World) => void;
  #seated: readonly Seated[] = [];
  #dice = new Dice(1);
  #count = 0;
  #isCalm = false;
  /** Who may not take part for now. */
  readonly #barred = new Set<string>();

  constructor(mutant: PresenceMutant | null = null) {
    const spoiling = new Spoiling(mutant, { lasting, most: 0 });
    let world: World | null = null;
    const server = {
      authenticate: async ({ token }: { readonly token: string | null }) =>
        world === null ? null : this.#principalOf(world, token),
    };
    super({ ...setting, server }, spoiling);
    this.#attach = (now) => (world = now);
  }

  protected begin(world: World): void {
    this.#attach(world);
    this.#dice = new Dice(world.seed);
    this.#count = 0;
    this.#isCalm = false;
    this.#barred.clear();
    const browser = browserOf(world, () => this.#isCalm);
    const of = { now: () => world.now, next: () => (this.#count += 1) };
    const tabs = tabNames.map((name) => {
      const tab = new BrowserTab(name, browser, { isApart: false });
      return { tab, guest: new Guest(tab.take, of) };
    });
    const solos = soloNames.map((name) => {
      const guest = new Guest((options) => world.device(name, options), of);
      return { tab: null, guest };
    });
    this.#seated = [...tabs, ...solos];
  }

  protected perform(world: World, { does, who, roll }: Step<Deed>): void {
    const seated = this.#seated[who];
    if (seated === undefined) return;
    const { guest, tab } = seated;
    const dice = new Dice(roll);
    if (does === 'crash') world.crash(guest.name);
    else if (does === 'bar') this.#bar(guest, !this.#barred.has(subjectOf(guest.name)));
    else if (guest.device.isAsleep || tab?.isAwake === false) return;
    else if (does === 'freeze') {
      if (tab === null) guest.device.sleep(dice.below(freezeMs));
      else tab.freeze(dice.below(freezeMs));
    } else if (does === 'reload') {
      // Its page is open again when the weather clears.
      if (world.now < lengthMs - reloadMs) tab?.reload();
    } else guest.act(does, dice);
  }

  protected async check(world: World): Promise<void> {
    this.#isCalm = true;
    if (this.#dice.chance(0.5)) this.#barred.clear();
    await this.#agree(world, 'when the weather has cleared');
    const moves = movesMin + this.#dice.below(6);
    for (let left = moves; left > 0 && world.problems.length === 0; left--) {
      await this.#move(world);
    }
    if (world.problems.length === 0) await this.#agree(world, 'in the end');
    this.checkErrors(world);
    const looks = this.#seated.reduce((sum, { guest }) => sum + guest.looksSince(0).length, 0);
    this.figures = {
      ...this.figures,
      looks: this.figures.looks + looks,
      moves: this.figures.moves + moves,
    };
  }

  #principalOf(world: World, token: string | null): Principal | null {
    if (!world.site.admits(token)) return null;
    const name = token?.replace(/\.\d+$/, '') ?? '';
    const subject = subjectOf(name);
    const isBarred = name === 'dan' && this.spoils('somebody is not let on the topic');
    return { ...insider, subject, presence: !isBarred && this.#mayCome(subject) };
  }

  #mayCome(subject: string): boolean {
    return !this.#barred.has(subject) || this.spoils('a right is not taken back');
  }

  #bar(guest: Guest, isBarred: boolean): void {
    const subject = subjectOf(guest.name);
    if (isBarred) this.#barred.add(subject);
    else this.#barred.delete(subject);
  }

  #isBarred({ name }: Guest): boolean {
    return this.#barred.has(subjectOf(name));
  }

  /** In clear weather one thing happens, and everybody sees it as it is to be seen. */
  async #move(world: World): Promise<void> {
    const { guest, tab } = this.#dice.pick(this.#seated);
    const move = this.#dice.pick(['show', 'leave', 'cut', 'crash', 'server', 'bar'] as const);
    this.#bar(guest, false);
    guest.come();
    guest.set();
    await this.#agree(world, `${guest.name} shows itself`);
    const { own } = guest;
    if (world.problems.length > 0 || own === null) return;
    const since = world.now;
    world.note(guest.name, `in clear weather: ${move}`);
    if (move === 'show') {
      guest.act('burst', this.#dice);
      await world.sleep(seenMs);
    } else if (move === 'leave') {
      if (!this.spoils('who leaves tells nobody')) guest.leave();
      await world.sleep(seenMs);
      this.#isGone(world, own, `${guest.name} has left`);
    } else if (move === 'bar') await this.#waver(world, guest);
    else if (move === 'cut') {
      await this.#cut(world, guest, own);
    } else if (move === 'crash' && tab === null) {
      world.crash(guest.name);
      await world.sleep(graceMs - 500);
      this.#hasStayed(world, own, since);
      await world.sleep(500 + lateMs);
      this.#isGone(world, own, `${guest.name} has crashed`);
    } else if (move === 'crash') world.crash(guest.name);
    else if (this.#dice.chance(0.5)) world.site.shut(this.#dice.below(500));
    else world.site.crash(this.#dice.below(500));
    await this.#agree(world, `after ${move} of ${guest.name}`);
  }

  /** The right to take part comes and goes, and in the end it may be gone. */
  async #waver(world: World, guest: Guest): Promise<void> {
    for (let left = this.#dice.below(3); left > 0; left--) {
      this.#bar(guest, true);
      await world.sleep(this.#dice.below(1500));
      this.#bar(guest, false);
      await world.sleep(this.#dice.below(1500));
    }
    this.#bar(guest, this.#dice.chance(0.7));
    await world.sleep(rightsMs);
  }

  /** Who comes back in time has never gone. */
  async #cut(world: World, guest: Guest, own: string): Promise<void> {
    const since = world.now;
    guest.device.cut();
    await waitWhile(world, () => !guest.isJoined || world.now < since + 500, {
      patienceMs,
      stepMs: 100,
    });
    const isInTime = world.now < since + graceMs - lateMs;
    if (!isInTime) return;
    await world.sleep(graceMs + lateMs);
    this.figures = { ...this.figures, survived: this.figures.survived + 1 };
    this.#hasStayed(world, own, since);
  }

  #hasStayed(world: World, own: string, since: number): void {
    const isSpoilt = this.spoils('who is cut off is gone at once');
    for (const { guest } of this.#seated) {
      const missed = guest.looksSince(since).find(({ shown }) => !shown.has(own) || isSpoilt);
      if (!guest.isHere || this.#isBarred(guest) || missed === undefined) continue;
      world.problem(
        `grace: ${guest.name} saw ${own} go at ${missed.at.toFixed(0)}, lost at ${since.toFixed(0)}`,
      );
    }
  }

  #isGone(world: World, own: string, why: string): void {
    for (const { guest } of this.#seated) {
      if (this.#shownTo(guest).has(own)) world.problem(`gone: ${why}, ${guest.name} sees ${own}`);
    }
  }

  /** Everybody who is on the topic sees those who show something, and what they show last. */
  async #agree(world: World, when: string): Promise<void> {
    const wrong = (): string | null => {
      for (const { guest } of this.#seated) {
        const found = guest.isHere ? this.#wrongWith(guest) : null;
        if (found !== null) return `${found}, as ${guest.name} sees it`;
      }
      return null;
    };
    await waitWhile(world, () => wrong() !== null, { patienceMs, stepMs: 250 });
    const text = wrong();
    if (text === null) return;
    const [word, ...rest] = text.split(': ');
    world.problem(`${word}: ${when}, ${rest.join(': ')}`);
  }

  #wrongWith(guest: Guest): string | null {
    if (this.#isBarred(guest)) {
      const [shown] = guest.shown.keys();
      return shown === undefined ? null : `hidden: ${shown} is shown to who may see nobody`;
    }
    const wanted = this.#wanted();
    if (wanted === null || !guest.isJoined) return `settled: somebody is not on the topic`;
    const shown = this.#shownTo(guest);
    for (const [name, state] of wanted) {
      const found = shown.get(name);
      if (found === undefined) return `dropped: ${name} is missing`;
      if (textOf(found) !== textOf(state)) {
        return `last: ${name} shows ${textOf(found)} instead of ${textOf(state)}`;
      }
    }
    const ghost = [...shown.keys()].find((name) => !wanted.has(name));
    return ghost === undefined ? null : `ghost: ${ghost} is not there`;
  }

  /** What everybody says of themselves; null: somebody does not know it yet. */
  #wanted(): Shown | null {
    const wanted = new Map();
    for (const { guest } of this.#seated) {
      if (guest.state === null || this.#isBarred(guest)) continue;
      const { own } = guest;
      if (own === null || own.startsWith('/')) return null;
      wanted.set(own, guest.state);
    }
    return wanted;
  }

  #shownTo(guest: Guest): Shown {
    const shown = new Map(guest.shown);
    const [first] = shown.keys();
    if (this.spoils('who has left is shown again')) shown.set('ada/of before', {});
    if (first === undefined) return shown;
    if (this.spoils('somebody is left out')) shown.delete(first);
    if (this.spoils('a state is an older one')) shown.set(first, { n: -1 });
    return shown;
  }
}

/** Whose a page is. */
function subjectOf(name: string): string {
  return name.startsWith('tab') ? user : name;
}

/** Plays the worlds of some seeds; stops at the first in which something is wrong. */
export async function runPresence(
  seeds: Seeds,
  mutant: PresenceMutant | null = null,
): Promise<Played<PresenceFigures>> {
  return new PresenceWorlds(mutant).play(seeds);
}
