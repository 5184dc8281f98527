import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Child } from '../child.ts';
import { Dice } from '../src/dice.ts';
import type { Problem } from '../validators/history.ts';
import { within } from '../within.ts';
import type { Traffic } from '../validators/traffic.ts';
import { leavesOf, Reader } from './reader.ts';
import { openSite, type Site } from './site.ts';
import { type Judge, verdictOf } from './verdict.ts';
import { isRejection, Writer } from './writer.ts';

/** What is to be done to a server. */
export type KillPlan = {
  readonly kills: number;
  readonly seed: number;
  /** Longest life of a server process once it listens. */
  readonly lifeMs?: number;
  /** Hears how many are done. */
  readonly progress?: (done: number) => void;
  /** Default: {@link verdictOf}. */
  readonly judge?: Judge;
};

/** What became of it. */
export type KillReport = {
  readonly problems: readonly Problem[];
  readonly traffic: Traffic;
  readonly kills: number;
  /** Of them, those that came before the server listened. */
  readonly killsAtStart: number;
};

const writers = 8;
const readers = 2;
const writeEveryMs = 4;
const bookmarkEveryMs = 200;
const visitorsMax = 10;
const patienceMs = 120_000;

/**
 * Kills a server over and over while eight clients write and others watch, then holds what all of them were told against
 * the log (stores.md S112).
 */
export async function runKills(plan: KillPlan): Promise<KillReport> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-kill-'));
  try {
    return await new Ordeal(directory, plan).run();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

class Ordeal {
  readonly #directory: string;
  readonly #plan: KillPlan;
  readonly #dice: Dice;
  readonly #errors: unknown[] = [];
  readonly #writers: Writer[] = [];
  readonly #readers: Reader[] = [];
  /** Come late, and get the state as a snapshot. */
  readonly #visitors: Reader[] = [];
  #child: Child;
  #port = 0;
  #killsAtStart = 0;

  constructor(directory: string, plan: KillPlan) {
    this.#directory = directory;
    this.#plan = plan;
    this.#dice = new Dice(plan.seed);
    this.#child = new Child(directory);
  }

  async run(): Promise<KillReport> {
    const timers: NodeJS.Timeout[] = [];
    try {
      this.#port = await this.#child.listening();
      await this.#openSites();
      timers.push(
        setInterval(() => this.#writeSome(), writeEveryMs),
        setInterval(() => this.#dice.pick(this.#readers).bookmark(), bookmarkEveryMs),
      );
      for (let kill = 0; kill < this.#plan.kills; kill++) {
        await this.#killOnce(kill);
        this.#plan.progress?.(kill + 1);
      }
      for (const timer of timers) clearInterval(timer);
      await this.#rest();
      return await this.#verdict();
    } finally {
      for (const timer of timers) clearInterval(timer);
      await Promise.all(this.#sites().map(({ client }) => client.close()));
      await this.#child.kill();
    }
  }

  async #openSites(): Promise<void> {
    for (let i = 1; i <= writers; i++) {
      const site = openSite(`writer-${i}`, this.#port, this.#errors);
      this.#writers.push(new Writer(`writer-${i}`, { site, dice: this.#dice.fork() }));
    }
    for (let i = 1; i <= readers; i++) {
      this.#readers.push(await Reader.open(`reader-${i}`, this.#port, this.#errors));
    }
    await Promise.all(this.#writers.map(({ site }) => site.store.ready));
  }

  async #killOnce(kill: number): Promise<void> {
    const killsPerVisitor = Math.max(5, Math.ceil(this.#plan.kills / visitorsMax));
    if (kill % killsPerVisitor === killsPerVisitor - 1) await this.#receiveVisitor(kill);
    await pause(this.#dice.below(this.#plan.lifeMs ?? 500));
    await this.#child.kill();
    // Some do not live to see their first client.
    if (this.#dice.chance(0.1)) {
      const stillborn = new Child(this.#directory, this.#port);
      await pause(this.#dice.below(400));
      await stillborn.kill();
      this.#killsAtStart += 1;
    }
    await this.#restart();
  }

  #writeSome(): void {
    const count = this.#dice.below(4);
    for (let i = 0; i < count; i++) this.#dice.pick(this.#writers).write();
  }

  async #restart(): Promise<void> {
    this.#child = new Child(this.#directory, this.#port);
    await this.#child.listening();
    for (const { client } of this.#sites()) void client.connect();
  }

  async #receiveVisitor(kill: number): Promise<void> {
    this.#visitors.push(await Reader.open(`visitor-${kill}`, this.#port, this.#errors));
  }

  /** Everything is answered, and every replica is where the last write is. */
  async #rest(): Promise<void> {
    await within(patienceMs, Promise.all(this.#writers.map((writer) => writer.settled())));
    const last = Math.max(...this.#sites().map(({ store }) => store.status.get().seq));
    const isThere = ({ store }: Site): boolean => store.status.get().seq >= last;
    for (const end = Date.now() + patienceMs; !this.#sites().every(isThere);) {
      if (Date.now() > end) throw new Error('a replica does not catch up');
      await pause(20);
    }
    // The last round of delivery, that of a sampling watch included.
    await pause(200);
    for (const reader of [...this.#readers, ...this.#visitors]) reader.bookmark();
  }

  async #verdict(): Promise<KillReport> {
    const watching = [...this.#readers, ...this.#visitors];
    const everybody = [...this.#writers, ...watching];
    const shown = everybody.map(({ name, site }) => [name, leavesOf(site.store)] as const);
    const histories = everybody.map((each) => each.history());
    await this.#child.kill();
    const { judge = verdictOf } = this.#plan;
    const { problems, traffic } = await judge(this.#directory, { histories, shown });
    const errors = this.#errors.filter((each) => !isRejection(each));
    return {
      problems: [
        ...errors.map((error) => ({ word: 'calm', text: String(error) })),
        ...watching.flatMap((reader) => reader.problems),
        ...problems,
      ],
      traffic,
      kills: this.#plan.kills,
      killsAtStart: this.#killsAtStart,
    };
  }

  #sites(): readonly Site[] {
    return [...this.#writers, ...this.#readers, ...this.#visitors].map(({ site }) => site);
  }
}
