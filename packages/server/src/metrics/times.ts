const REMEMBERED = 512;

/** When the latest commits of a store were stored: what a client's word that it has them is held against. */
export class CommitTimes {
  // They grow as commits come: most stores that are open are not written to.
  readonly #seqs: number[] = [];
  readonly #times: number[] = [];
  #count = 0;

  /** Everything up to `seq` is stored at `now`. Seqs grow. */
  stored(seq: number, now: number): void {
    const at = this.#count % REMEMBERED;
    this.#seqs[at] = seq;
    this.#times[at] = now;
    this.#count += 1;
  }

  /** When a seq was stored; null where that is forgotten, or yet to come. */
  at(seq: number): number | null {
    const oldest = Math.max(0, this.#count - REMEMBERED);
    let found: number | null = null;
    for (let index = this.#count - 1; index >= oldest; index--) {
      if ((this.#seqs[index % REMEMBERED] ?? 0) < seq) return found;
      found = this.#times[index % REMEMBERED] ?? null;
    }
    // Whether it came with the oldest that is remembered, or before, is forgotten.
    return oldest === 0 ? found : null;
  }
}
