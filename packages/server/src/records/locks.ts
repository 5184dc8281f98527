/** Whoever wants the same has it one after the other, in the order in which they came. */
export class Locks {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Whether somebody has it, or waits for it. */
  isTaken(key: string): boolean {
    return this.#last.has(key);
  }

  /** Runs once all of these can be had. All take them in the same order, so that no two wait for each other. */
  take<T>(keys: readonly string[], run: () => Promise<T>): Promise<T> {
    return keys.toSorted().reduceRight((next, key) => () => this.#takeOne(key, next), run)();
  }

  async #takeOne<T>(key: string, run: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const mine = after(before, run);
    this.#last.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === mine) this.#last.delete(key);
    }
  }
}

async function after<T>(before: Promise<unknown> | undefined, run: () => Promise<T>): Promise<T> {
  // How it ended is for whoever had it.
  await before?.catch(() => undefined);
  return run();
}
