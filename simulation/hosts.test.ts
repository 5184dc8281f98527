import { expect, it, test } from 'vitest';
import { runCounts } from './counts/run.ts';
import { runHosts } from './hosts/run.ts';
import { badWeather } from './src/faults.ts';
import { failureText, simulate, simulateSeed } from './src/simulate.ts';
import { busy } from './validators/traffic.ts';
import { leavesOf, Truth } from './validators/truth.ts';

const seeds = Number(process.env['HOST_SEEDS'] ?? 200);

it(
  'S54 S74 S80 S112 real servers and clients under seeded faults of networks, disks, clocks and processes keep every promise (P16, P17, P35, P41)',
  { timeout: 720_000 },
  async () => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? seeds : 1;
    const { failure, traffic, crashes } = await runHosts({ from: Number(asked ?? 1), count });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked !== undefined) return;
    const minimum = {
      ops: 30 * seeds,
      commitsOfSeveral: 3 * seeds,
      writesCommitted: 20 * seeds,
      writesRefused: seeds,
      foreignEvents: 100 * seeds,
      conflations: seeds,
      resumes: 3 * seeds,
      resyncs: seeds / 5,
      bookmarks: seeds,
    };
    expect(busy(traffic, minimum)).toEqual([]);
    expect(crashes).toBeGreaterThan(seeds / 2);
  },
);

it(
  'S54 S80 S112 servers and clients on SQLite files, which are copied as they lie when a process dies, keep them as well (P1, P70, P71)',
  { timeout: 720_000 },
  async () => {
    const count = Math.ceil(seeds / 8);
    const { failure, crashes } = await runHosts({ from: 1, count }, { storage: 'sqlite' });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    expect(crashes).toBeGreaterThan(count / 2);
  },
);

it(
  'S54 S80 messages that are compressed, whichever way they go, say what others say (stores.md §7.1.1)',
  { timeout: 720_000 },
  async () => {
    const count = Math.ceil(seeds / 16);
    const { failure, traffic, unpacked } = await runHosts({ from: 1, count }, { deflates: true });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    expect(traffic.foreignEvents).toBeGreaterThan(50 * count);
    expect(unpacked).toBeGreaterThan(100 * count);
  },
);

it(
  'S54 S61 clients that read slowly, where little may wait for them, hold up nobody, and miss nothing that they are to be told (P26)',
  { timeout: 720_000 },
  async () => {
    const count = Math.ceil(seeds / 16);
    const { failure, traffic, waited } = await runHosts({ from: 1, count }, { isNarrow: true });
    expect(failure === null ? null : failureText(failure)).toBeNull();
    expect(traffic.foreignEvents).toBeGreaterThan(50 * count);
    // More than the soft limit, so that some have fallen behind.
    expect(waited).toBeGreaterThan(1024);
  },
);

it.each([
  ['in memory', 'memory', Math.ceil(seeds / 8)],
  ['on SQLite files', 'sqlite', Math.ceil(seeds / 50)],
] as const)(
  'S54 S80 clocks that are set by an hour, a day or a year, of clients and of servers, also while these are down, break no promise, %s (P16, P17, P41)',
  { timeout: 720_000 },
  async (_, storage, some) => {
    const asked = process.env['SEED'];
    const count = asked === undefined ? some : 1;
    const { failure, crashes } = await runHosts(
      { from: Number(asked ?? 1), count },
      { leaps: true, storage },
    );
    expect(failure === null ? null : failureText(failure)).toBeNull();
    if (asked === undefined) expect(crashes).toBeGreaterThan(count);
  },
);

test(
  'S57 a store that is made anew under its name leaves nobody with anything of the old one (P24)',
  { timeout: 240_000 },
  async () => {
    const failure = await simulate(
      {
        faults: { ...badWeather, crash: 6 },
        async program(world) {
          for (let round = 0; round < 20; round++) {
            for (const name of ['ann', 'bob', 'cleo']) {
              world.device(name).store('acme/app').put(`${name}/${round}`, round);
            }
            if (round === 10) world.recreate('acme/app', world.dice.below(3000));
            await world.sleep(500);
          }
        },
        async check(world) {
          const truth = new Truth((await world.log('acme/app')).map(({ op }) => op));
          const wanted = leavesOf(truth.stateAt(truth.head));
          for (const device of world.devices) {
            const { items } = device.store('acme/app').entries('**', { limit: 1000 });
            expect(items.map(({ path, value }) => [path, value])).toEqual(wanted);
            expect(device.store('acme/app').status.get().incarnation).toBe('anew-1');
          }
        },
      },
      { from: 1, count: 40 },
    );
    expect(failure === null ? null : failureText(failure)).toBeNull();
  },
);

test('what a client shows of a number that is only ever added to never falls', async () => {
  const { failure } = await runCounts({ from: 1, count: 5 });
  expect(failure === null ? null : failureText(failure)).toBeNull();
});

/** A program that counts wrongly wherever two devices count at once. */
const lossy = {
  faults: badWeather,
  async program(world) {
    for (let round = 0; round < 10; round++) {
      for (const name of ['ann', 'bob']) {
        const store = world.device(name).store('acme/app');
        store.put('count', Number(store.get('count') ?? 0) + 1);
      }
      await world.sleep(500);
    }
  },
  check(world) {
    const count = world.device('ann').store('acme/app').get('count');
    if (count !== 20) throw new Error(`counted to ${JSON.stringify(count)} instead of 20`);
  },
} satisfies Parameters<typeof simulate>[0];

test('a program that loses what others do is found out, with a seed, and with no fault that it does not take', async () => {
  const failure = await simulate(lossy, { from: 1, count: 20 });
  expect(failure?.problems.join()).toContain('instead of 20');
  expect(failure?.faults).toEqual([]);
});

test('the same seed gives the same world, to the last message', async () => {
  const [first, again] = [await simulateSeed(lossy, 5), await simulateSeed(lossy, 5)];
  expect(first?.transcript.length).toBeGreaterThan(1);
  expect(again?.transcript).toEqual(first?.transcript);
});

test('the same program without its mistake holds in every world', async () => {
  const counting = {
    ...lossy,
    async program(world: Parameters<typeof lossy.program>[0]) {
      for (let round = 0; round < 10; round++) {
        for (const name of ['ann', 'bob']) world.device(name).store('acme/app').increment('count');
        await world.sleep(500);
      }
    },
  };
  const failure = await simulate(counting, { from: 1, count: 20 });
  expect(failure === null ? null : failureText(failure)).toBeNull();
});
