import { type Cache, memoryCache } from '@holdfast/client';
import { asStoreName, type Entry } from '@holdfast/protocol';
import type { Dice } from '../src/dice.ts';
import { Agenda } from '../src/agenda.ts';
import type { Run } from '../src/trial.ts';
import type { Step } from '../steps.ts';
import { Truth } from '../validators/truth.ts';
import { Host } from '../world/host.ts';
import { Log } from '../world/log.ts';
import type { Mutant } from '../world/mutants.ts';
import type { Room, Weather } from '../world/room.ts';
import type { Wire } from '../world/wire.ts';
import { Origin } from './origin.ts';
import { TimelyDice } from './timely-dice.ts';
import type { TabDeed } from './script.ts';
import { type Street, Tab } from './tab.ts';

/** That something happened at all. */
export type Figures = { writes: number; takeovers: number; behind: number };

/** What tabs keep things in, and how their world is spoiled. */
export type TabTerms = { readonly cacheOf?: () => Cache; readonly mutant?: Mutant | null };

const stepMs = 1;
const patienceMs = 180_000;
const tabsMax = 5;
const transcriptLines = 2000;
const storeName = asStoreName('acme/app');

/** Tabs of one browser, a server, and a person who is not kind to them. */
export class Neighbourhood implements Run {
  readonly agenda = new Agenda();
  readonly dice: Dice;
  readonly log: Log;
  readonly tabs: Tab[] = [];
  readonly cache: Cache;
  readonly street: Street;
  readonly problems: string[] = [];
  readonly transcript: string[] = [];
  readonly figures: Figures = { writes: 0, takeovers: 0, behind: 0 };
  readonly #weather: Weather;
  readonly #mutant: Mutant | null;
  #isCalm = false;
  #ids = 0;
  #lastLeader: Tab | null = null;

  constructor(
    seed: number,
    weather: Partial<Weather> = {},
    { cacheOf = memoryCache, mutant = null }: TabTerms = {},
  ) {
    this.dice = new TimelyDice(seed ^ 0x7ab5, () => this.agenda.now);
    this.cache = cacheOf();
    this.#mutant = mutant;
    this.#weather = { ...fair, ...weather };
    const room = this.#room();
    this.log = new Log(mutant === null ? null : room);
    const host = new Host(
      'host',
      { room, log: this.log, shared: false, asks: false },
      () => undefined,
    );
    this.street = {
      room,
      host,
      origin: new Origin({
        now: () => this.agenda.now,
        later: (ms, run) => this.agenda.later(ms, run),
        delay: (ms) => room.delay(ms),
        loses: () => room.happens('lost'),
      }),
      cache: this.cache,
      cacheMs: this.dice.chance(0.5) ? 5 : 200,
      wires: new Set<Wire>(),
      nextId: () => {
        this.#ids += 1;
        return `id${String(this.#ids).padStart(10, '0')}`;
      },
    };
  }

  get awake(): readonly Tab[] {
    return this.tabs.filter(({ life, isClosing }) => life.isAwake && !isClosing);
  }

  get alive(): readonly Tab[] {
    return this.tabs.filter(({ life }) => life.isAlive);
  }

  /** The tab with the connection, where one has it. */
  get leader(): Tab | null {
    return this.awake.find(({ hasWire }) => hasWire) ?? null;
  }

  /** What has happened when, in a few letters. */
  get trace(): string {
    return this.agenda.trace.text;
  }

  note(who: string, text: string): void {
    if (this.transcript.length >= transcriptLines) return;
    this.transcript.push(`${this.agenda.now.toFixed(0).padStart(7)} ${who}: ${text}`);
  }

  /** `word`: which of the promises to a person with tabs is broken. */
  problem(word: string, text: string): void {
    this.problems.push(`at ${this.agenda.now.toFixed(0)} ms: ${word}: ${text}`);
  }

  open(): Tab {
    const tab = new Tab(`tab-${this.tabs.length + 1}`, this.street);
    this.tabs.push(tab);
    return tab;
  }

  /** Lets time pass, with all that follows from it. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.agenda.advance(stepMs);
      await new Promise((resolve) => setImmediate(resolve));
      const { leader } = this;
      if (leader === null || leader === this.#lastLeader) continue;
      if (this.#lastLeader !== null) this.figures.takeovers += 1;
      this.#lastLeader = leader;
      this.note(leader.name, 'has the connection');
    }
  }

  /** Passes time until it is true; says how long that took, or null if it never is. */
  async until(isTrue: () => boolean, patience = patienceMs): Promise<number | null> {
    for (let waited = 0; waited < patience; waited += stepMs) {
      if (isTrue()) return waited;
      await this.pass(stepMs);
    }
    return null;
  }

  /** What it is, the roll decides. */
  write(tab: Tab, roll: number): void {
    this.figures.writes += 1;
    const n = this.figures.writes;
    if (roll % 10 < 3) tab.write((store) => store.increment('n', 1));
    else tab.write((store) => store.put(`w/${n}`, tab.name));
  }

  /** One thing that befalls the tabs: one of those that are awake, or the one that is opened where none is. */
  befall({ does, who, roll }: Step<TabDeed>): void {
    const tab = this.awake[who % this.awake.length] ?? this.open();
    switch (does) {
      case 'open':
        if (this.alive.length < tabsMax) this.open();
        return;
      case 'write':
        this.write(tab, roll);
        return;
      case 'freeze':
        tab.life.freeze();
        return;
      case 'thaw':
        this.#thawOne(who);
        return;
      case 'end':
        tab.life.end();
        return;
      case 'close':
      case 'cut':
        tab[does]();
        return;
      case 'crash':
        this.street.host.crash();
        return;
      case 'nothing':
    }
  }

  #thawOne(who: number): void {
    const frozen = this.alive.filter(({ life }) => !life.isAwake);
    frozen[who % frozen.length]?.life.thaw();
  }

  /** The weather clears, and everybody is awake; everything is to come to rest. */
  async rest(): Promise<void> {
    this.#isCalm = true;
    for (const { life } of this.alive) life.thaw();
    await this.pass(100);
    if (this.alive.length === 0) this.open();
    // What was lost on the way to a replica shows only with what comes after it, or with the next join.
    for (const tab of this.alive) tab.cut();
    const rested = await this.until(() => this.#isAtRest());
    if (rested === null) this.#restless();
    await this.pass(5000);
    this.#judge();
  }

  #isAtRest(): boolean {
    const isSynced = this.alive.every(({ store }) => {
      const { synced, seq } = store.status.get();
      return synced && seq === this.log.head;
    });
    return isSynced && this.street.wires.size === 1 && this.#lacking().length === 0;
  }

  #restless(): void {
    const where = this.alive.map(({ name, hasWire, store, client }) => {
      const { connection } = client.status.get();
      const { seq, pending } = store.status.get();
      return `${name}${hasWire ? '*' : ''} ${connection} at ${seq}, ${pending} pending`;
    });
    const lacking = this.#lacking().join(' ');
    this.problem(
      'rest',
      `who has come so far: head ${this.log.head}, ${this.street.wires.size} wires; ${where.join('; ')}; lacks ${lacking}`,
    );
  }

  /** Writes that were safe, and are not in the log. */
  #lacking(): readonly string[] {
    const logged = new Set(this.log.ops.map(({ clientOpId }) => clientOpId));
    return this.tabs
      .flatMap(({ writes }) => writes)
      .filter(
        ({ isDurable, committedAt, by }) => isDurable || committedAt !== null || by.life.isAlive,
      )
      .flatMap(({ receipt: { opId } }) => (logged.has(opId) ? [] : [opId]));
  }

  #judge(): void {
    this.#judgeLog();
    this.#judgeCache();
    const truth = JSON.stringify(
      [...this.log.load().entries()].map(({ path, value }) => [path, value]),
    );
    for (const { name, writes, errors, store } of this.alive) {
      for (const { committedAt, refusedFor, receipt } of writes) {
        const what = `${receipt.opId} of ${name}`;
        if (refusedFor !== null) this.problem('refused', `${what}: ${refusedFor}`);
        if (committedAt === null) {
          this.problem('told', `${what} has no outcome, being ${receipt.state}`);
        }
      }
      if (errors.length > 0) this.problem('calm', `${name}: ${errors.join(', ')}`);
      const { items } = store.entries('**');
      const shown = JSON.stringify(items.map(({ path, value }) => [path, value]));
      if (shown !== truth) this.problem('shown', `${name} shows ${shown} instead of ${truth}`);
    }
  }

  /** Each write is there once, and those of a tab in their order. */
  #judgeLog(): void {
    const seen = new Set<string>();
    const last = new Map<string, number>();
    for (const { clientOpId } of this.log.ops) {
      if (clientOpId.includes('#')) continue;
      if (seen.has(clientOpId)) this.problem('once', `${clientOpId} was committed twice`);
      seen.add(clientOpId);
      const [, session = '', counter = ''] = clientOpId.split(':');
      if (Number(counter) < (last.get(session) ?? 0)) {
        this.problem('inOrder', `${clientOpId} was committed after one that was made later`);
      }
      last.set(session, Number(counter));
    }
  }

  /** What the cache has is what the log says, as of the seq that it names. */
  #judgeCache(): void {
    const image = this.cache.load(storeName);
    if (image === null || image instanceof Promise) return;
    const left = image.outbox.length;
    if (left > 0) this.problem('kept', `${left} writes are left in the cache`);
    const truth = new Truth(this.log.ops);
    this.figures.behind += this.log.head - image.seq;
    const [found, wanted] = [textOf(image.entries), textOf(truth.stateAt(image.seq).entries())];
    if (found === wanted) return;
    this.problem('cached', `the cache holds ${found} instead of ${wanted}`);
  }

  #room(): Room {
    return {
      agenda: this.agenda,
      dice: this.dice,
      happens: (misfortune) => !this.#isCalm && this.dice.chance(this.#weather[misfortune]),
      isSpoiled: (mutant) => mutant === this.#mutant && !this.#isCalm && this.dice.chance(0.05),
      delay: (ms) => this.dice.next() * ms,
      note: (who, text) => this.note(who, text),
      problem: (word, text) => this.problem(word, text),
    };
  }
}

function textOf(entries: Iterable<Entry>): string {
  const lines = [...entries].map(({ path, value, revision }) =>
    JSON.stringify([path, value, revision]),
  );
  return lines.toSorted().join('\n');
}

const fair: Weather = { failed: 0, unknown: 0, limited: 0, lost: 0, snapshot: 0, deaf: 0 };
