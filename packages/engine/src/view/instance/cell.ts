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
   * Changes it within a layer. Where the value below becomes another one before the layer is committed, `redo` makes the
   * new value of that; without it the value wins.
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

  /** Makes the draft of a layer anew where another value is below it now. */
  refresh(layer: Drafts): void {
    const draft = this.#drafts?.get(layer);
    const below = this.read(layer.parent);
    if (draft === undefined || draft.base === below) return;
    this.#drafts?.set(layer, { ...draft, value: remade(draft, below), base: below });
  }

  /** The draft of a layer becomes the value. */
  settle(layer: Drafts): void {
    const draft = Cell.#take(this, layer);
    if (draft !== undefined) this.#value = draft.value;
  }

  drop(layer: Drafts): void {
    Cell.#take(this, layer);
  }

  // Static, as each of thousands of cells would bear the mark of a method of its own.
  static #take<T>(cell: Cell<T>, layer: Drafts): Draft<T> | undefined {
    const draft = cell.#drafts?.get(layer);
    cell.#drafts?.delete(layer);
    if (cell.#drafts?.size === 0) cell.#drafts = null;
    return draft;
  }
}

type Draft<T> = {
  readonly value: T;
  /** What was below when it was first written. */
  readonly base: T;
  readonly redos: ((base: T) => T)[];
};

/** What a task has done, done to another value; if it does not go with that, what it came to stands. */
function remade<T>({ value, redos }: Draft<T>, below: T): T {
  try {
    return redos.reduce((sum, redo) => redo(sum), below);
  } catch {
    return value;
  }
}

/** What holds the drafts of one task, upon those of the tasks before it. */
export type Drafts = {
  /** What lies below; null: what is committed. */
  readonly parent: Drafts | null;
  readonly cells: Set<Settled>;
};

/** What becomes true with a layer, or never was. */
export type Settled = {
  refresh(layer: Drafts): void;
  settle(layer: Drafts): void;
  drop(layer: Drafts): void;
};
