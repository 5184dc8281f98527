type Alarm = { readonly at: number; readonly ring: () => void };

/** What is to happen at which time; the instance has one wish to be woken, for the first of it. */
export class Alarms {
  readonly #alarms = new Set<Alarm>();
  #next = Infinity;

  /** The first time that something is to happen, or earlier. */
  get next(): number {
    return this.#next;
  }

  /** Returns what takes it back. */
  set(at: number, ring: () => void): () => void {
    const alarm = { at, ring };
    this.#alarms.add(alarm);
    this.#next = Math.min(this.#next, at);
    return () => {
      this.#alarms.delete(alarm);
    };
  }

  /** Has everything happen whose time has come, in its order. */
  ring(now: number): void {
    const due = [...this.#alarms].filter(({ at }) => at <= now).toSorted((a, b) => a.at - b.at);
    for (const alarm of due) {
      // One may have taken back another.
      if (this.#alarms.delete(alarm)) alarm.ring();
    }
    this.#next = Infinity;
    for (const { at } of this.#alarms) this.#next = Math.min(this.#next, at);
  }

  clear(): void {
    this.#alarms.clear();
    this.#next = Infinity;
  }
}
