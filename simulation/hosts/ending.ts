import type { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';
import { Truth } from '../validators/truth.ts';
import { type Actor, storeName } from './actor.ts';

/** Everybody writes within this time, and the server is closed in the midst of it. */
const spreadMs = 120;
/** There is no server for longer than it takes to hear of everything that has been sent. */
const downMs = 6000;

/**
 * A server that is closed finishes what it has taken, and answers it (P46): in good weather whoever wrote knows by then what
 * became of all that is stored. `dies`: it crashes instead, which must be seen.
 */
export async function endAmidWrites(
  world: World,
  actors: readonly Actor[],
  { dice, dies }: { readonly dice: Dice; readonly dies: boolean },
): Promise<void> {
  for (const actor of actors) {
    for (let count = 0; count < 4; count++) {
      const roll = dice.below(2 ** 30);
      world.later(dice.below(spreadMs), () => actor.write(roll));
    }
  }
  await world.sleep(dice.below(spreadMs));
  if (dies) world.site.crash(downMs);
  else world.site.shut(downMs);
  await world.sleep(downMs - 500);
  const truth = new Truth((await world.log(storeName)).map(({ op }) => op));
  const unknown = actors
    .flatMap((actor) => actor.histories().slice(-1))
    .flatMap(({ made }) => made.filter(({ outcome }) => outcome === 'unknown'));
  for (const { opId } of unknown) {
    if (truth.of(opId).length === 0) continue;
    world.problem(`answered: ${opId} is stored, and who made it was not told before the end`);
  }
  await world.rest();
}
