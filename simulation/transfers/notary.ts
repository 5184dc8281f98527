import { Dice } from '../src/dice.ts';
import type { World } from '../src/world.ts';

const lateMs = 1500;
/** What code of the server makes no rule is asked about. */
const ownPrefix = 'till-';

/** Whether a rule forbids a transfer. */
export function isBarred(id: string): boolean {
  return !id.startsWith(ownPrefix) && /[05]$/.test(id);
}

/** The rule that is asked about transfers, and takes its time, or fails, or never answers. */
export class Notary {
  /** How often it did not answer at once. */
  late = 0;
  readonly #isSpoiled: () => boolean;
  #world: World | null = null;
  #dice = new Dice(1);

  constructor(isSpoiled: () => boolean) {
    this.#isSpoiled = isSpoiled;
  }

  /** Another world. */
  begin(world: World): void {
    this.late = 0;
    this.#world = world;
    this.#dice = new Dice(world.seed);
  }

  judge(id: string): boolean | Promise<boolean> {
    const world = this.#world;
    const verdict = this.#isSpoiled() || !isBarred(id);
    if (world === null || this.#dice.chance(0.3)) return verdict;
    this.late += 1;
    const roll = this.#dice.next();
    const ms = this.#dice.below(lateMs);
    if (roll < 0.1) return new Promise(() => undefined);
    const isFailing = roll < 0.3;
    return world.sleep(ms).then(() => {
      if (isFailing) throw new Error('simulated');
      return verdict;
    });
  }
}
