/** A variable of a node that a task may change and take back (views.md §7.2). */
export class Cell<T> {
  #value: T;
  #drafts: Map<Drafts, Draft<T>> | null = null;

  constructor(value: T) {
    this.#value = value;
  }

  /** What it is, as seen from a layer; null: what is committed. */
  read(from: Drafts | null): T {
    const drafts = this.#drafts;
    if (drafts === null) return this.#value;
    for (let layer = from; layer !== null; layer = layer.parent) {
      const draft = drafts.get(layer);
      if (draft !== undefined) return draft.value;
    }
    return this.#value;
  }

  /**
   * Changes it within a layer. Where the value below has become another one by the time the layer is committed, `redo`
   * makes the new value of that; without it the value wins.
   */
  write(layer: Drafts, value: T, redo?: (base: T) => T): void {
    this.#drafts ??= new Map();
    const draft = this.#drafts.get(layer);
    const base = draft === undefined ? this.read(layer.parent) : draft.base;
    const redos = draft?.redos ?? [];
    redos.push(redo ?? (() => value));
    this.#drafts.set(layer, { value, base, redos });
    layer.cells.add(this);
  }

  /** The draft of a layer becomes the value. */
  settle(layer: Drafts): void {
    const draft = this.#take(layer);
    if (draft === undefined) return;
    const { value, base, redos } = draft;
    const isOverBase = base === this.#value;
    this.#value = isOverBase ? value : redos.reduce((sum, redo) => redo(sum), this.#value);
  }

  drop(layer: Drafts): void {
    this.#take(layer);
  }

  #take(layer: Drafts): Draft<T> | undefined {
    const draft = this.#drafts?.get(layer);
    this.#drafts?.delete(layer);
    if (this.#drafts?.size === 0) this.#drafts = null;
    return draft;
  }
}

type Draft<T> = {
  readonly value: T;
  /** What was below when it was first written. */
  readonly base: T;
  readonly redos: ((base: T) => T)[];
};

/** What holds the drafts of one task, upon those of the tasks before it. */
export type Drafts = {
  /** What lies below; null: what is committed. */
  readonly parent: Drafts | null;
  readonly cells: Set<Settled>;
};

/** What becomes true with a layer, or never was. */
export type Settled = { settle(layer: Drafts): void; drop(layer: Drafts): void };
