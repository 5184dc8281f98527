import { World } from '../../packages/engine/test/authority/world.ts';
import { Dice } from '../src/dice.ts';
import type { Failure, Seeds } from '../src/simulate.ts';
import { playStories, type Story } from '../stories.ts';

/** Somebody does something, or something goes wrong; which, the roll decides. */
type Step = { readonly roll: number };

const steps = 600;

/** Several authorities over one log, whose commits are lost track of: the writes of a client stay in order, once each. */
export async function runAuthorities(seeds: Seeds): Promise<{ readonly failure: Failure | null }> {
  return { failure: await playStories(storyOf, seeds) };
}

function storyOf(seed: number): Story<Step> {
  const dice = new Dice(seed);
  const plan = {
    seed,
    nodes: 1 + dice.below(3),
    clients: 1 + dice.below(5),
    intents: 1 + dice.below(25),
    faults: {
      unknown: dice.below(300),
      failed: dice.below(200),
      unreadable: dice.below(300),
      crash: dice.below(10),
      reconnect: dice.below(20),
      limited: dice.below(150),
    },
  };
  return {
    steps: Array.from({ length: steps }, () => ({ roll: dice.below(2 ** 31) })),
    play: (some) => {
      const world = new World(plan);
      world.live(some.map(({ roll }) => roll));
      const { problems, transcript } = world;
      return {
        problems: [...problems, ...disorderOf(world), ...untrueOf(world)],
        transcript: [JSON.stringify(plan), ...transcript],
      };
    },
  };
}

function disorderOf({ log, clients }: World): readonly string[] {
  return clients.flatMap((client) => {
    const counters = log.ops
      .filter(({ deviceId, clientOpId }) => deviceId === client.id && !clientOpId.includes('#'))
      .map(({ clientOpId }) => Number(clientOpId.slice(clientOpId.lastIndexOf(':') + 1)))
      .filter((counter) => !client.roaming.has(counter));
    const wrong = counters.find((counter, at) => counter < (counters[at - 1] ?? 0));
    return wrong === undefined ? [] : [`inOrder: ${client.opId(wrong)} comes after later ones`];
  });
}

/** What was told to have happened is in the log at that place, what was refused for good is nowhere. */
function untrueOf({ log, clients }: World): readonly string[] {
  const seqs = new Map(log.ops.map(({ clientOpId, seq }) => [clientOpId, seq]));
  return clients.flatMap((client) =>
    [...client.outcomes].flatMap(([counter, outcome]) => {
      const told = 'store_seq' in outcome ? outcome.store_seq : undefined;
      const opId = client.opId(counter);
      const isTrue = client.isLoose(counter) || seqs.get(opId) === told;
      return isTrue ? [] : [`once: ${opId} was told ${told}, and is at ${seqs.get(opId)}`];
    }),
  );
}
