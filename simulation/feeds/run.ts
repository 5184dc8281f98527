import { matches, segmentsOf } from '@holdfast/protocol';
import { parsed } from '../parts/border.ts';
import { waitWhile } from '../patience.ts';
import { Spoiling } from '../spoiling.ts';
import { badWeather } from '../src/faults.ts';
import type { Seeds } from '../src/simulate.ts';
import type { World } from '../src/world.ts';
import { type Step, weighed } from '../steps.ts';
import { judge } from '../validators/judge.ts';
import { leavesOf, Truth } from '../validators/truth.ts';
import { firstDifference } from '../validators/words.ts';
import { type Played, Worlds } from '../worlds.ts';
import { writersOf } from '../writers.ts';
import { Feed } from './feed.ts';
import type { FeedMutant } from './mutants.ts';

type Deed = 'write' | 'hang up';

const storeName = 'acme/app';
const patienceMs = 120_000;
const spoilsMax = 50;
const people = ['ann', 'bob'];
const setting = {
  faults: { ...badWeather, compact: 6, compactAmid: 6, closeServer: 3, cut: 20 },
  store: storeName,
  lengthMs: 40_000,
  deeds: weighed<Deed>({ write: 9, 'hang up': 1 }),
  people: people.length,
  deedsMin: 100,
};
const patterns = ['**', '**', 'pair/**', 'n/*', 'own/*/1', 'none/**'];

/** How much went on in worlds of feeds. */
export type FeedFigures = {
  readonly told: number;
  readonly connections: number;
  readonly resets: number;
};

/** Stores that are followed by server-sent events, on a network and a server that break, and a log that forgets. */
export class FeedWorlds extends Worlds<Deed, FeedMutant> {
  figures: FeedFigures = { told: 0, connections: 0, resets: 0 };
  #write: ReturnType<typeof writersOf> | null = null;
  #feeds: Feed[] = [];

  constructor(mutant: FeedMutant | null = null) {
    super(setting, new Spoiling(mutant, { most: spoilsMax }));
  }

  protected begin(world: World): void {
    this.#write = writersOf(world, people, storeName);
    // Half of them are behind connections of their own.
    this.#feeds = patterns.map((pattern, at) => {
      const device = at % 2 === 0 ? world.device('eve') : world.device(people[0] ?? '');
      const { spoils } = this;
      const includeCurrent = at !== 1;
      return new Feed(world, device, { store: storeName, pattern, includeCurrent, spoils });
    });
  }

  protected perform(_world: World, { does, who, roll }: Step<Deed>): void {
    if (does === 'hang up') this.#feeds[roll % this.#feeds.length]?.hangUp();
    else this.#write?.(who, roll);
  }

  protected async check(world: World): Promise<void> {
    const truth = new Truth((await world.log(storeName)).map(({ op }) => op));
    const isBehind = (): boolean => this.#feeds.some(({ cursor }) => cursor < truth.head);
    await waitWhile(world, isBehind, { patienceMs });
    for (const feed of this.#feeds) {
      if (feed.cursor !== truth.head) {
        world.problem(`reliable: ${feed.name} is at ${feed.cursor} of ${truth.head}`);
      }
      this.#compare(world, feed, truth);
    }
    const histories = this.#feeds.map((feed) => feed.history());
    for (const { word, text } of judge(histories, truth, { strangers: true })) {
      world.problem(`${word}: ${text}`);
    }
    this.#count(histories.reduce((sum, { watches }) => sum + (watches[0]?.events.length ?? 0), 0));
    for (const feed of this.#feeds) feed.end();
    this.checkErrors(world);
    await world.sleep(1000);
  }

  /** What is known at the end is what is there. */
  #compare(world: World, feed: Feed, truth: Truth): void {
    const [pattern] = parsed([feed.terms.pattern]);
    const shown = feed.leaves();
    if (pattern === undefined || shown === null) return;
    const wanted = leavesOf(truth.stateAt(truth.head)).filter(([path]) =>
      matches(pattern, segmentsOf(path)),
    );
    const wrong = firstDifference(shown, wanted);
    if (wrong !== null) world.problem(`shown: ${feed.name}: ${wrong}`);
  }

  #count(told: number): void {
    const { figures } = this;
    const sum = (of: (feed: Feed) => number): number =>
      this.#feeds.reduce((all, feed) => all + of(feed), 0);
    this.figures = {
      told: figures.told + told,
      connections: figures.connections + sum(({ connections }) => connections),
      resets: figures.resets + sum(({ resets }) => resets),
    };
  }
}

/** Plays the worlds of some seeds; stops at the first in which something is wrong. */
export function runFeeds(
  seeds: Seeds,
  mutant: FeedMutant | null = null,
): Promise<Played<FeedFigures>> {
  return new FeedWorlds(mutant).play(seeds);
}
