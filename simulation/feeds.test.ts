import { expect, it } from 'vitest';
import { type FeedMutant, feedMutants } from './feeds/mutants.ts';
import { FeedWorlds, runFeeds } from './feeds/run.ts';
import { failureText, playSeed } from './src/simulate.ts';

const seeds = Number(process.env['FEED_SEEDS'] ?? 4);
const spoiledMax = 6;

it(
  'S107 whoever follows a store by server-sent events hears all of it, once and in order, whatever breaks and whatever the log forgets',
  { timeout: 480_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, figures } = await runFeeds({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    expect(figures.told).toBeGreaterThan(50 * seeds);
    expect(figures.connections).toBeGreaterThan(10 * seeds);
    expect(figures.resets).toBeGreaterThan(0);
  },
);

it('the same seed gives the same world, to the last message, where answers are streams', async () => {
  const [first, again] = [
    await playSeed(new FeedWorlds().simulation, 1),
    await playSeed(new FeedWorlds().simulation, 1),
  ];
  expect(first.transcript.length).toBeGreaterThan(20);
  expect(again).toEqual(first);
});

it.each(Object.entries(feedMutants) as [FeedMutant, string][])(
  'its checkers notice that %s (%s)',
  { timeout: 240_000 },
  async (mutant, word) => {
    const some = { from: 1, count: spoiledMax, shrinks: false };
    const { failure } = await runFeeds(some, mutant);
    expect(failure?.problems.join('\n')).toContain(` ms: ${word}: `);
  },
);
