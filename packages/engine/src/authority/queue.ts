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

  /** Puts back what was taken, some in their order, each before what came later. */
  putBack(works: readonly Work[]): void {
    const rest = this.#works.slice(this.#first);
    const last = works.at(-1)?.arrival ?? 0;
    const isBefore = (rest[0]?.arrival ?? Infinity) > last;
    const all = [...works, ...rest];
    this.#works = isBefore ? all : all.toSorted((a, b) => a.arrival - b.arrival);
    this.#first = 0;
  }
}
