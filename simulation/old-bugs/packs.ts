import type { Json } from '@holdfast/protocol';
import { messagePackCodec } from '@holdfast/protocol/codec/messagepack';
import type { Dice } from '../src/dice.ts';
import { type Failure, type Seeds, simulate, type Simulation } from '../src/simulate.ts';
import { textOf } from '../text.ts';

const storeName = 'acme/app';
const rounds = 12;

/** Frames of every length, as MessagePack: what is read is what was written. */
const packs: Simulation = {
  faults: { cut: 6 },
  program: async (world) => {
    const [writer, reader] = ['writer', 'reader'].map((name) =>
      world.device(name, { codec: messagePackCodec() }),
    );
    const written = new Map<string, Json>();
    for (let round = 0; round < rounds; round++) {
      const value = valueOf(world.dice);
      written.set(`v/${round}`, value);
      writer?.store(storeName).put(`v/${round}`, value);
      await world.sleep(world.dice.below(500));
    }
    await world.rest();
    for (const [path, value] of written) {
      const read = reader?.store(storeName).get(path);
      if (textOf(read) !== textOf(value)) world.problem(`packed: ${path} is another value`);
    }
  },
};

/** Many small parts, so that whatever room there is ends at any of them. */
function valueOf(dice: Dice): Json {
  return Array.from({ length: dice.below(4000) }, () => dice.pick([null, true, 1, 'a', [], {}]));
}

/** Runs the worlds of some seeds; stops at the first in which something is wrong. */
export async function runPacks(seeds: Seeds): Promise<{ readonly failure: Failure | null }> {
  return { failure: await simulate(packs, seeds) };
}
