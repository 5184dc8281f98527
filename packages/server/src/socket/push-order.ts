/** The pushes of a channel that have no answer yet, in the order in which they came. */
export class PushOrder {
  readonly #open = new Set<number>();
  readonly #waiting = new Map<number, () => void>();

  /** A push came. */
  came(slot: number): void {
    this.#open.add(slot);
  }

  /** Runs this as soon as all pushes before that one are answered, and it is prepared. Preparations never reject. */
  whenFirst<T>(slot: number, prepared: T | Promise<T>, run: (prepared: T) => void): void {
    if (prepared instanceof Promise) {
      void prepared.then((ready) => this.whenFirst(slot, ready, run));
      return;
    }
    this.#waiting.set(slot, () => run(prepared));
    this.#runFirst();
  }

  /** A push is answered. */
  answered(slot: number): void {
    this.#open.delete(slot);
    if (this.#waiting.size > 0) this.#runFirst();
  }

  #runFirst(): void {
    const [first] = this.#open;
    const run = first === undefined ? undefined : this.#waiting.get(first);
    if (first === undefined || run === undefined) return;
    this.#waiting.delete(first);
    run();
  }
}
