import { Dice } from '../src/dice.ts';

/** Dice that are others in each millisecond: what happens before, and is left out, changes little of what is rolled after. */
export class TimelyDice extends Dice {
  readonly #seed: number;
  readonly #now: () => number;
  #at = -1;
  #dice: Dice;

  constructor(seed: number, now: () => number) {
    super(seed);
    this.#seed = seed;
    this.#now = now;
    this.#dice = new Dice(seed);
  }

  override next(): number {
    const now = Math.floor(this.#now());
    if (now !== this.#at) {
      this.#at = now;
      this.#dice = new Dice(this.#seed ^ Math.imul(now + 1, 0x9e3779b1));
    }
    return this.#dice.next();
  }
}
