import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Child } from '../child.ts';
import { Dice } from '../src/dice.ts';
import { leavesOf, Reader } from '../kill/reader.ts';
import { openSite, type Site } from '../kill/site.ts';
import { type Judge, type Testimony, verdictOf } from '../kill/verdict.ts';
import { isRejection, Writer } from '../kill/writer.ts';
import type { Problem } from '../validators/history.ts';
import type { Traffic } from '../validators/traffic.ts';
import { within } from '../within.ts';
import { fairClimate, FaultyProxy } from './proxy.ts';
import { type Fault, scheduleOf } from './schedule.ts';
import type { PageReport } from './page.ts';
import { Tab } from './tab.ts';

/** How long, under which seed, and whether with a browser. */
export type ChaosPlan = {
  readonly seconds: number;
  readonly seed: number;
  readonly browser: boolean;
  /** Hears of each fault as it comes. */
  readonly progress?: (at: number, text: string) => void;
  /** Default: {@link verdictOf}. */
  readonly judge?: Judge;
};

/** What became of it. */
export type ChaosReport = {
  readonly problems: readonly Problem[];
  readonly traffic: Traffic;
  /** How often each fault came. */
  readonly faults: { readonly [kind: string]: number };
  readonly connections: number;
};

const writers = 4;
const readers = 2;
const writeEveryMs = 25;
const pageWriteEveryMs = 100;
const connectEveryMs = 2000;
const patienceMs = 120_000;

/**
 * Real clients in Node and Chromium use a real server, which is killed and restarted, through a network that does its worst;
 * then what all of them were told is held against the log (stores.md S54, S80, S112).
 */
export async function runChaos(plan: ChaosPlan): Promise<ChaosReport> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-chaos-'));
  const ordeal = new Chaos(directory, plan);
  try {
    return await ordeal.run();
  } finally {
    await ordeal.end();
    rmSync(directory, { recursive: true, force: true });
  }
}

class Chaos {
  readonly #directory: string;
  readonly #plan: ChaosPlan;
  readonly #dice: Dice;
  readonly #errors: unknown[] = [];
  readonly #writers: Writer[] = [];
  readonly #readers: Reader[] = [];
  readonly #faults: { [kind: string]: number } = {};
  readonly #timers: NodeJS.Timeout[] = [];
  /** What is going on and ends by itself: a server that restarts, a tab that is frozen. */
  readonly #pending = { server: Promise.resolve(), tab: Promise.resolve() };
  #tab: Tab | null = null;
  #proxy: FaultyProxy | null = null;
  #child: Child;
  #serverPort = 0;

  constructor(directory: string, plan: ChaosPlan) {
    this.#directory = directory;
    this.#plan = plan;
    this.#dice = new Dice(plan.seed);
    this.#child = new Child(directory);
  }

  async run(): Promise<ChaosReport> {
    this.#serverPort = await this.#child.listening();
    const proxy = await FaultyProxy.listen(this.#serverPort, this.#dice.fork());
    this.#proxy = proxy;
    await this.#open(proxy.port);
    await this.#suffer(proxy);
    await this.#rest(proxy);
    return await this.#verdict(proxy.count);
  }

  async end(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#sites().map(({ client }) => client.close()));
    await this.#tab?.close();
    await this.#proxy?.close();
    await this.#child.kill();
  }

  async #open(port: number): Promise<void> {
    for (let i = 1; i <= readers; i++) {
      this.#readers.push(await Reader.open(`reader-${i}`, port, this.#errors));
    }
    for (let i = 1; i <= writers; i++) {
      const site = openSite(`writer-${i}`, port, this.#errors);
      this.#writers.push(new Writer(`writer-${i}`, { site, dice: this.#dice.fork() }));
    }
    if (this.#plan.browser) {
      this.#tab = await Tab.open(port, this.#dice.below(2 ** 30), pageWriteEveryMs);
    }
  }

  async #suffer(proxy: FaultyProxy): Promise<void> {
    this.#timers.push(
      setInterval(() => this.#dice.pick(this.#writers).write(), writeEveryMs),
      // As a platform does that sees the network come back; else clients wait longer and longer.
      setInterval(() => this.#connect(), connectEveryMs),
    );
    const start = performance.now();
    for (const fault of scheduleOf(this.#plan.seed, this.#plan.seconds * 1000)) {
      await pause(Math.max(0, fault.at - (performance.now() - start)));
      this.#faults[fault.does] = (this.#faults[fault.does] ?? 0) + 1;
      this.#plan.progress?.(fault.at, JSON.stringify(fault));
      this.#strike(fault, proxy);
    }
  }

  #strike(fault: Fault, proxy: FaultyProxy): void {
    if ('which' in fault) {
      strikeLine(fault, proxy);
      return;
    }
    switch (fault.does) {
      case 'cutAll':
        proxy.cutAll();
        return;
      case 'climate':
        proxy.climate = fault.climate;
        this.#timers.push(setTimeout(() => (proxy.climate = fairClimate), fault.ms));
        return;
      case 'kill':
        this.#after('server', () => this.#restart(fault.ms));
        return;
      case 'freeze':
      case 'offline':
        this.#after('tab', async () => this.#tab?.[fault.does](fault.ms));
        return;
      case 'bookmark':
        for (const reader of this.#readers) reader.bookmark();
    }
  }

  /** One after the other: a server is not killed while it is being started. */
  #after(who: 'server' | 'tab', run: () => Promise<void>): void {
    this.#pending[who] = this.#pending[who].then(run);
  }

  async #restart(pauseMs: number): Promise<void> {
    await this.#child.kill();
    await pause(pauseMs);
    this.#child = new Child(this.#directory, this.#serverPort);
    await this.#child.listening();
  }

  #connect(): void {
    for (const { client } of this.#sites()) void client.connect();
  }

  /** The weather clears: everything is answered, and every replica is where the last write is. */
  async #rest(proxy: FaultyProxy): Promise<void> {
    await Promise.all([this.#pending.server, this.#pending.tab]);
    for (const timer of this.#timers) clearInterval(timer);
    proxy.climate = fairClimate;
    // Half-open ones among them, so that nobody waits for the dead.
    proxy.cutAll();
    await this.#tab?.stop();
    await this.#tab?.connect();
    this.#connect();
    await within(patienceMs, Promise.all(this.#writers.map((writer) => writer.settled())));
    await within(patienceMs, this.#tab?.settled() ?? Promise.resolve(0));
    await within(patienceMs, this.#allCaughtUp());
    // The last round of delivery, that of a sampling watch included.
    await pause(300);
    for (const reader of this.#readers) reader.bookmark();
    await this.#tab?.bookmark();
  }

  async #allCaughtUp(): Promise<void> {
    for (;;) {
      const seqs = this.#sites().map(({ store }) => store.status.get().seq);
      if (this.#tab !== null) seqs.push(await this.#tab.seq());
      if (Math.min(...seqs) === Math.max(...seqs)) return;
      await pause(50);
    }
  }

  async #verdict(connections: number): Promise<ChaosReport> {
    const page = (await this.#tab?.report()) ?? null;
    const { stderr } = this.#child;
    await this.#child.kill();
    const { judge = verdictOf } = this.#plan;
    const { problems, traffic } = await judge(this.#directory, this.#testimony(page));
    const errors = [
      ...this.#errors.filter((each) => !isRejection(each)).map(String),
      ...(page?.errors ?? []),
      ...(stderr === '' ? [] : [stderr]),
    ];
    return {
      problems: [
        ...errors.map((text) => ({ word: 'calm', text })),
        ...this.#readers.flatMap((reader) => reader.problems),
        ...(page?.problems ?? []),
        ...problems,
      ],
      traffic,
      faults: this.#faults,
      connections,
    };
  }

  #testimony(page: PageReport | null): Testimony {
    const everybody = [...this.#readers, ...this.#writers];
    return {
      histories: [...everybody.map((each) => each.history()), ...(page?.histories ?? [])],
      shown: [
        ...everybody.map(({ name, site }) => [name, leavesOf(site.store)] as const),
        ...(page?.shown ?? []).map((leaves) => ['the page', leaves] as const),
      ],
    };
  }

  #sites(): readonly Site[] {
    return [...this.#writers, ...this.#readers].map(({ site }) => site);
  }
}

function strikeLine(
  fault: Extract<Fault, { readonly which: number }>,
  { lines }: FaultyProxy,
): void {
  const line = lines[fault.which % Math.max(1, lines.length)];
  if (fault.does === 'stall') line?.stall(fault.ms);
  else line?.[fault.does]();
}
