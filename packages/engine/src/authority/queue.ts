import type { Work } from './work.ts';

/** What waits for its turn, in order of arrival. */
export class Queue {
  #works: Work[] = [];
  #first = 0;

  get length(): number {
    return this.#works.length - this.#first;
  }

  get first(): Work | undefined {
    return this.#works[this.#first];
  }

  push(work: Work): void {
    this.#works.push(work);
  }

  /** Takes up to so many off the front. */
  take(max: number): Work[] {
    const taken = this.#works.slice(this.#first, this.#first + max);
    this.#first += taken.length;
    if (this.#first * 2 > this.#works.length) {
      this.#works = this.#works.slice(this.#first);
      this.#first = 0;
    }
    return taken;
  }

  /** Puts back to the front what was taken, in its order. */
  putBack(works: readonly Work[]): void {
    this.#works = [...works, ...this.#works.slice(this.#first)];
    this.#first = 0;
  }
}
