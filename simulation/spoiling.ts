import { Dice } from './src/dice.ts';

/** How a world is spoiled. */
type Terms<Mutant> = {
  /** Ways that last, and show when the weather has cleared. */
  readonly lasting?: ReadonlySet<Mutant>;
  /** How often at most in one world. */
  readonly most: number;
  /** At how many of the chances to do so; default: one in five. */
  readonly chance?: number;
};

/**
 * The way in which a world is spoiled; null: in none. One that does not last happens now and then, a few times: a world that
 * is spoiled without end comes to none.
 */
export class Spoiling<Mutant extends string> {
  readonly mutant: Mutant | null;
  readonly #terms: Terms<Mutant>;
  #dice = new Dice(1);
  #left = 0;

  constructor(mutant: Mutant | null, terms: Terms<Mutant>) {
    this.mutant = mutant;
    this.#terms = terms;
  }

  /** Whether its world has to be played to the end: it lasts, or there is nothing to find. */
  get lasts(): boolean {
    return this.mutant === null || this.#isLasting(this.mutant);
  }

  /** Another world. */
  begin(dice: Dice): void {
    this.#dice = dice;
    this.#left = this.#terms.most;
  }

  /** Whether something is spoiled now in a way. */
  takes(mutant: string): boolean {
    if (this.mutant === null || mutant !== this.mutant) return false;
    if (this.#isLasting(this.mutant)) return true;
    if (this.#left === 0 || !this.#dice.chance(this.#terms.chance ?? 0.2)) return false;
    this.#left -= 1;
    return true;
  }

  #isLasting(mutant: Mutant): boolean {
    return this.#terms.lasting?.has(mutant) === true;
  }
}
