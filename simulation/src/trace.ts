/** What happened in a world, in a few letters: the same again, to the last message, has the same. */
export class Trace {
  #hash = 0x811c9dc5;
  #count = 0;
  readonly #number = new Float64Array(1);
  readonly #halves = new Uint32Array(this.#number.buffer);

  /** A time, or a length. */
  add(number: number): void {
    this.#number[0] = number;
    for (const half of this.#halves) this.#hash = Math.imul(this.#hash ^ half, 0x01000193);
    this.#count += 1;
  }

  get text(): string {
    return `${this.#count}-${(this.#hash >>> 0).toString(16)}`;
  }
}
