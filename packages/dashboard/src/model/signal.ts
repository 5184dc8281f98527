/** A value that changes: what the hooks read. The client's own signals are of the same shape. */
export interface Readable<T> {
  get(): T;
  subscribe(listener: () => void): () => void;
}

/** A {@link Readable} that its owner sets. */
export class Cell<T> implements Readable<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  readonly get = (): T => this.#value;

  readonly subscribe = (listener: () => void): (() => void) => {
    const registration = (): void => listener();
    this.#listeners.add(registration);
    return () => void this.#listeners.delete(registration);
  };

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of this.#listeners) listener();
  }
}

/** Runs a deed once per frame, however often it is asked for: a screen shows no more than that. */
export class Frame {
  #handle: number | null = null;
  readonly #deed: () => void;

  constructor(deed: () => void) {
    this.#deed = deed;
  }

  request(): void {
    this.#handle ??= requestAnimationFrame(() => {
      this.#handle = null;
      this.#deed();
    });
  }

  cancel(): void {
    if (this.#handle !== null) cancelAnimationFrame(this.#handle);
    this.#handle = null;
  }
}
