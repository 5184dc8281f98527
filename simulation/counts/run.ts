import { badWeather } from '../src/faults.ts';
import { type Failure, type Seeds, simulate, type Simulation } from '../src/simulate.ts';
import type { World } from '../src/world.ts';

const storeName = 'acme/app';
const names = ['ann', 'bob', 'cleo'];
const rounds = 30;

/** What a client shows of a number that is only ever added to never falls, be the own part of it answered or not. */
const counting: Simulation = {
  faults: { ...badWeather, cut: 30, cutAmid: 12, failDisk: 0, compact: 12 },
  program: async (world) => {
    for (const name of names) watch(world, name);
    for (let round = 0; round < rounds; round++) {
      for (const name of names) world.device(name).store(storeName).increment('count');
      await world.sleep(world.dice.below(1000));
    }
  },
  check: (world) => {
    for (const { name } of world.devices) {
      const shown = world.device(name).store(storeName).get('count');
      if (shown === rounds * names.length) continue;
      world.problem(`counted: ${name} shows ${JSON.stringify(shown)}`);
    }
  },
};

function watch(world: World, name: string): void {
  let highest = 0;
  const store = world.device(name).store(storeName);
  store.on('count', ({ value }) => {
    const count = Number(value ?? 0);
    if (count < highest) world.problem(`grows: ${name} shows ${count} after ${highest}`);
    highest = count;
  });
}

/** Runs the worlds of some seeds; stops at the first in which something is wrong. */
export async function runCounts(seeds: Seeds): Promise<{ readonly failure: Failure | null }> {
  return { failure: await simulate(counting, seeds) };
}
